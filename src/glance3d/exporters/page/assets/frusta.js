// The cameras, as frusta with their photos, to be pointed at and clicked.
import * as THREE from "three";

const COLORS = { good: "#2fa37a", weak: "#d9962b", unsupported: "#db5566", none: "#6f8fe8" };
const ACTIVE = "#ffffff";
const EDGES = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 2, 3, 3, 4, 4, 1];

export class Frusta {
  constructor(cameras) {
    this.views = cameras.views;
    this.object = new THREE.Group();
    this.planes = this.views.map((view) => photoPlane(view, cameras.size));
    this.photos = new THREE.Group();
    this.photos.add(...this.planes);
    this.lines = lineSegments(
      this.views.map((view) => [cornersOf(view, cameras.size), COLORS[view.verdict ?? "none"]]),
    );
    this.marked = lineSegments(this.views.slice(0, 1).map((view) => [cornersOf(view, 0), ACTIVE]));
    this.marked.visible = false;
    this.size = cameras.size;
    this.object.add(this.photos, this.lines, this.marked);
    this.lookedFrom = null;
    this.shown = { cameras: true, photos: true };
    this.raycaster = new THREE.Raycaster();
  }

  // The pictures of the strip are also those in the cameras.
  async loadPhotos(images, changed) {
    await Promise.all(
      this.planes.map(async (plane, index) => {
        if (!images[index]) return;
        // A copy that is not laid out: on the page an image says how large it is drawn there.
        const image = new Image();
        image.src = images[index].src;
        await image.decode();
        const texture = new THREE.Texture(image);
        texture.colorSpace = THREE.SRGBColorSpace;
        texture.needsUpdate = true;
        plane.material.map = texture;
        plane.material.color.set("#ffffff");
        plane.material.needsUpdate = true;
        changed();
      }),
    );
  }

  // The view whose frustum is under a point of the canvas (-1 to 1), or null.
  viewAt(point, camera) {
    if (!this.lines.visible) return null;
    this.raycaster.setFromCamera(point, camera);
    const [hit] = this.raycaster.intersectObjects(this.planes);
    return hit ? this.planes.indexOf(hit.object) : null;
  }

  mark(index) {
    this.marked.visible = index !== null && index !== this.lookedFrom;
    if (!this.marked.visible) return;
    const corners = cornersOf(this.views[index], this.size);
    const positions = this.marked.geometry.attributes.position;
    EDGES.forEach((corner, vertex) => positions.setXYZ(vertex, ...corners[corner]));
    positions.needsUpdate = true;
  }

  // While one looks from a photo, it lies over the points as strongly as one likes, and the other
  // cameras do not stand in the way.
  lookFrom(index, opacity) {
    this.lookedFrom = index;
    this.planes.forEach(({ material }, view) => {
      material.opacity = view === index ? opacity : 1;
      material.depthTest = view !== index;
    });
    this.mark(null);
    this.show(this.shown);
  }

  show({ cameras, photos }) {
    this.shown = { cameras, photos };
    const free = this.lookedFrom === null;
    this.lines.visible = cameras && free;
    this.planes.forEach((plane, view) => {
      const over = view === this.lookedFrom && plane.material.opacity > 0;
      plane.visible = over || (free && cameras && photos);
    });
  }
}

function cornersOf(view, size) {
  const apex = new THREE.Vector3(...view.position);
  const corners = [0, 3, 6, 9].map((at) =>
    apex.clone().addScaledVector(new THREE.Vector3(...view.corners.slice(at, at + 3)), size),
  );
  return [apex, ...corners];
}

function photoPlane(view, size) {
  const [, ...corners] = cornersOf(view, size);
  const geometry = new THREE.BufferGeometry().setFromPoints(corners);
  geometry.setAttribute(
    "uv",
    new THREE.BufferAttribute(new Float32Array([0, 1, 1, 1, 1, 0, 0, 0]), 2),
  );
  geometry.setIndex([0, 1, 2, 0, 2, 3]);
  const material = new THREE.MeshBasicMaterial({
    color: "#808890",
    side: THREE.DoubleSide,
    transparent: true,
    polygonOffset: true,
    polygonOffsetFactor: 1,
  });
  return new THREE.Mesh(geometry, material);
}

function lineSegments(frusta) {
  const positions = [];
  const colors = [];
  for (const [corners, name] of frusta) {
    const color = new THREE.Color(name);
    for (const corner of EDGES) {
      positions.push(corners[corner]);
      colors.push(color.r, color.g, color.b);
    }
  }
  const geometry = new THREE.BufferGeometry().setFromPoints(positions);
  geometry.setAttribute("color", new THREE.BufferAttribute(new Float32Array(colors), 3));
  const lines = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ vertexColors: true }));
  lines.frustumCulled = false;
  return lines;
}
