// Where to look from: the start, and the places where photos were taken.
import * as THREE from "three";

export const FIELD_OF_VIEW = 45;
const UP = new THREE.Vector3(0, 1, 0);
// At first one stands behind, above and beside a photographer: what is seen looks like the photo,
// and it shows that it is a space. A wide picture has room for the cameras, a narrow one has not.
const WIDE = { back: 1.75, above: (15 * Math.PI) / 180, beside: (24 * Math.PI) / 180 };
const NARROW = { back: 1.3, above: (9 * Math.PI) / 180, beside: (14 * Math.PI) / 180 };

// A viewpoint is a position, a target and a vertical field of view in degrees.
export function startViewpoint({ cameras, center }, aspect) {
  const view = cameras.views[cameras.start];
  const position = new THREE.Vector3(...view.position);
  const forward = new THREE.Vector3(...view.forward);
  const target = position.clone().addScaledVector(forward, view.distance);
  // The middle of all points counts as well: photos may look past what they circle.
  const middle = new THREE.Vector3(...center);
  if (middle.distanceTo(target) < 0.5 * view.distance) target.lerp(middle, 0.5);
  const { tanX, tanY } = halfTangents(view);
  const { back, above, beside } = aspect > 1 ? WIDE : NARROW;
  const half = Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
  const fit = Math.max(tanY / half, Math.min(tanX, 1.2 * tanY * Math.max(aspect, 1)) / half / aspect);
  const distance = view.distance * fit * back;
  const backward = forward.clone().negate();
  const right = new THREE.Vector3().crossVectors(forward, UP).normalize();
  if (right.lengthSq() > 0.5) {
    backward.applyAxisAngle(UP, beside);
    const pitch = Math.asin(clamp(backward.y, -1, 1));
    backward.applyAxisAngle(right, -Math.min(above, Math.max(0, 1.3 - pitch)));
  }
  return { position: target.clone().addScaledVector(backward, distance), target, fov: FIELD_OF_VIEW };
}

// From exactly where a photo was taken, with all of it in sight.
export function photoViewpoint(view, aspect) {
  const position = new THREE.Vector3(...view.position);
  const target = position.clone().addScaledVector(new THREE.Vector3(...view.forward), view.distance);
  const { tanX, tanY } = halfTangents(view);
  const half = 1.06 * Math.max(tanY, tanX / aspect);
  const fov = (2 * Math.atan(half) * 180) / Math.PI;
  return { position, target, fov: clamp(fov, 8, 110) };
}

export function between(from, to, share) {
  const eased = share * share * (3 - 2 * share);
  return {
    position: from.position.clone().lerp(to.position, eased),
    target: from.target.clone().lerp(to.target, eased),
    fov: from.fov + (to.fov - from.fov) * eased,
  };
}

// How far a photo reaches to the side and up at distance 1, as it is seen with the scene upright:
// it may have been held askew, or lie on its side.
function halfTangents(view) {
  const forward = new THREE.Vector3(...view.forward);
  const side = new THREE.Vector3().crossVectors(forward, UP);
  if (side.lengthSq() < 1e-4) side.set(1, 0, 0); // it looks straight up or down
  side.normalize();
  const above = new THREE.Vector3().crossVectors(side, forward);
  const corners = [0, 3, 6, 9].map((at) => new THREE.Vector3(...view.corners.slice(at, at + 3)));
  return {
    tanX: Math.max(...corners.map((corner) => Math.abs(corner.dot(side)))),
    tanY: Math.max(...corners.map((corner) => Math.abs(corner.dot(above)))),
  };
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
