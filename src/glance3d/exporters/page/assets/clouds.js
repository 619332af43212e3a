// Clouds of points as the page carries them (packed_points.py says how), and their drawing.
import * as THREE from "three";
import { takeBytes } from "./elements.js";

const VERTEX = `
attribute vec4 shade;  // sRGB and confidence
uniform float limit;         // confidence above which points are drawn, 0 to 255
uniform float measuredFrom;  // confidence from which on points were measured, 0 to 256
uniform int coloring;
uniform float pointSize;     // in the scene's units
uniform float pixelsOfUnit;  // of something of size 1 at distance 1
uniform float smallest;      // pixels
varying vec3 vColor;

vec3 byConfidence(float share) {
  vec3 low = vec3(0.27, 0.10, 0.42), middle = vec3(0.80, 0.28, 0.47), high = vec3(0.99, 0.83, 0.40);
  return share < 0.5 ? mix(low, middle, 2.0 * share) : mix(middle, high, 2.0 * share - 1.0);
}

void main() {
  vec4 inView = modelViewMatrix * vec4(position, 1.0);
  float confidence = floor(shade.a * 255.0 + 0.5);
  bool measured = confidence >= measuredFrom;
  vColor = shade.rgb;
  if (coloring == 1) vColor = byConfidence(shade.a);
  if (coloring == 2) vColor = mix(vColor, measured ? vec3(0.13, 0.62, 0.75) : vec3(0.93, 0.55, 0.16), 0.75);
  gl_PointSize = clamp(pointSize * pixelsOfUnit / -inView.z, smallest, 48.0);
  gl_Position = projectionMatrix * inView;
  if (confidence <= limit) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;

const FRAGMENT = `
varying vec3 vColor;
void main() {
  vec2 fromCentre = gl_PointCoord - 0.5;
  if (dot(fromCentre, fromCentre) > 0.25) discard;
  gl_FragColor = vec4(vColor, 1.0);
}`;

const BYTES_OF_POINT = 10;
// Measured points are few: they are drawn as dots, the others as a surface.
const SMALLEST_PIXELS = { depth: 1.1, sparse: 2.5 };

export class Cloud {
  // `described` is the cloud's entry of the scene's data, `kind` the class of its chunks.
  constructor(described, kind) {
    this.described = described;
    this.smallest = SMALLEST_PIXELS[kind];
    this.waiting = [...document.querySelectorAll(`script.${kind}-points`)];
    this.object = new THREE.Group();
    this.object.position.set(...described.lowest);
    this.object.scale.set(...described.extent);
    this.numOfConfidence = new Float64Array(256);
    this.material = new THREE.ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: {
        limit: { value: 0 },
        measuredFrom: { value: described.measured_from ?? 0 },
        coloring: { value: 0 },
        pointSize: { value: described.spacing },
        pixelsOfUnit: { value: 1 },
        smallest: { value: 1 },
      },
    });
  }

  get uniforms() {
    return this.material.uniforms;
  }

  // Leaves out the least sure percent of the points: of all, or of those that were measured.
  showSurest(percentile, withGuessed) {
    const from = withGuessed ? 0 : Math.max(this.uniforms.measuredFrom.value - 1, 0);
    this.uniforms.limit.value = from + ((255 - from) * percentile) / 100;
  }

  // Adds one more part of the points; says whether there was one.
  addChunk() {
    const element = this.waiting.shift();
    if (!element) return false;
    const bytes = takeBytes(element);
    const count = bytes.length / BYTES_OF_POINT;
    const shades = bytes.subarray(6 * count);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(positionsOf(bytes, count), 3, true));
    geometry.setAttribute("shade", new THREE.BufferAttribute(shades, 4, true));
    for (let i = 3; i < shades.length; i += 4) this.numOfConfidence[shades[i]] += 1;
    const points = new THREE.Points(geometry, this.material);
    points.frustumCulled = false;
    this.object.add(points);
    return true;
  }

  // Every prefix of a chunk is a fair sample of it, so that a share of each is a share of all.
  drawShare(share) {
    for (const points of this.object.children) {
      points.geometry.setDrawRange(0, Math.ceil(share * points.geometry.attributes.position.count));
    }
  }

  get numDrawn() {
    const { limit } = this.uniforms;
    return this.numOfConfidence.reduce((sum, num, byte) => sum + (byte > limit.value ? num : 0), 0);
  }
}

// The file is little-endian, as are all machines that browsers run on by now.
function positionsOf(bytes, count) {
  return new Uint16Array(bytes.buffer, 0, 3 * count);
}
