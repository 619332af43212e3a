// The canvas: drawn when something changes, and never otherwise.
import * as THREE from "three";
import { between, FIELD_OF_VIEW, photoViewpoint, startViewpoint } from "./viewpoint.js";

// Points are drawn a little larger than they lie apart, so that they close to a surface.
const OVERLAP = 1.25;
const FLIGHT_MS = 700;
const SLOW_MS = 45;
const FAST_MS = 22;
const BACKGROUND = { dark: "#10141b", light: "#f3f5f8" };

// Null where there is no WebGL 2.
export function createRenderer(canvas) {
  try {
    return new THREE.WebGLRenderer({ canvas, antialias: true });
  } catch {
    return null;
  }
}

export class Picture {
  constructor(renderer, data, clouds, frusta) {
    this.renderer = renderer;
    this.canvas = renderer.domElement;
    this.data = data;
    this.clouds = clouds;
    this.frusta = frusta;
    this.scene = new THREE.Scene();
    this.scene.add(...Object.values(clouds).map((cloud) => cloud.object), frusta.object);
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 1000);
    this.controls = new THREE.OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = !reducedMotion();
    this.controls.dampingFactor = 0.12;
    this.controls.zoomToCursor = true;
    this.controls.addEventListener("change", () => this.draw());
    this.controls.addEventListener("start", () => this.endFlight());
    this.pointSize = 1;
    this.covered = 0;
    this.share = 1;
    this.whole = false;
    this.flight = null;
    this.frame = null;
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
  }

  // Of the part of the canvas that no panel covers.
  get aspect() {
    return (this.canvas.clientWidth - this.covered) / Math.max(this.canvas.clientHeight, 1);
  }

  // So many pixels at the right are covered: the middle of the rest becomes the picture's middle.
  cover(pixels) {
    this.covered = pixels;
    this.resize();
  }

  start() {
    return startViewpoint(this.data, this.aspect);
  }

  // Draws at the next opportunity; many wishes become one picture.
  draw() {
    this.frame ??= requestAnimationFrame((now) => this.drawFrame(now));
  }

  drawFrame(now) {
    this.frame = null;
    const flying = this.advanceFlight(now);
    const moving = this.controls.update() || flying;
    this.adaptShare(now, moving);
    this.updateSizes();
    this.renderer.render(this.scene, this.camera);
    this.canvas.dataset.drawn = String(Number(this.canvas.dataset.drawn ?? 0) + 1);
    if (moving || this.share < 1) this.draw();
  }

  // Machines that cannot draw all points in time draw a share of them while things move.
  adaptShare(now, moving) {
    const before = this.lastFrame;
    this.lastFrame = moving ? now : null;
    if (!moving) {
      if (this.share < 1) this.movingShare = this.share;
      this.share = 1;
    } else if (before) {
      if (this.share === 1 && this.movingShare) this.share = this.movingShare;
      if (now - before > SLOW_MS) this.share = Math.max(0.08, this.share * 0.7);
      else if (now - before < FAST_MS) this.share = Math.min(1, this.share * 1.08);
      this.movingShare = this.share;
    }
    for (const cloud of Object.values(this.clouds)) cloud.drawShare(this.share);
  }

  updateSizes() {
    const half = Math.tan((this.camera.fov * Math.PI) / 360);
    const height = this.renderer.domElement.height;
    for (const cloud of Object.values(this.clouds)) {
      const { uniforms } = cloud;
      uniforms.pixelsOfUnit.value = height / (2 * half);
      // Fewer points are drawn larger, or surfaces would open while they move.
      const size = OVERLAP * cloud.described.spacing * this.pointSize;
      uniforms.pointSize.value = size / Math.sqrt(this.share);
      uniforms.smallest.value = cloud.smallest * this.renderer.getPixelRatio() * this.pointSize ** 0.5;
    }
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.setViewOffset(width, height, this.covered / 2, 0, width, height);
    this.draw();
  }

  setTheme(dark) {
    this.renderer.setClearColor(new THREE.Color(dark ? BACKGROUND.dark : BACKGROUND.light));
    this.draw();
  }

  show({ position, target, fov }) {
    this.camera.position.copy(position);
    this.controls.target.copy(target);
    this.camera.fov = fov;
    const distance = position.distanceTo(target);
    this.camera.near = distance / 500;
    this.camera.far = distance * 500;
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  flyTo(viewpoint, arrived = () => {}) {
    const from = {
      position: this.camera.position.clone(),
      target: this.controls.target.clone(),
      fov: this.camera.fov,
    };
    const duration = reducedMotion() ? 0 : FLIGHT_MS;
    this.flight = { from, to: viewpoint, begun: null, duration, arrived };
    this.draw();
  }

  flyToPhoto(index, arrived) {
    this.flyTo(photoViewpoint(this.data.cameras.views[index], this.aspect), arrived);
  }

  flyToStart() {
    this.flyTo(this.start());
  }

  advanceFlight(now) {
    if (!this.flight) return false;
    const { from, to, duration, arrived } = this.flight;
    this.flight.begun ??= now;
    const share = duration ? Math.min(1, (now - this.flight.begun) / duration) : 1;
    this.show(between(from, to, share));
    if (share < 1) return true;
    this.flight = null;
    arrived();
    return true;
  }

  endFlight() {
    this.flight = null;
  }
}

function reducedMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
