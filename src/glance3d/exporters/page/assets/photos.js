// Looking from where a photo was taken: by a click on its camera, on its thumbnail, or by a key.
import * as THREE from "three";
import { byId } from "./elements.js";

const CLICK_PIXELS = 5;

export class Photos {
  constructor(picture, frusta, changed) {
    this.picture = picture;
    this.frusta = frusta;
    this.changed = changed;
    this.current = null;
    for (const button of document.querySelectorAll("button.fly")) {
      button.addEventListener("click", () => this.visit(Number(button.dataset.view), true));
    }
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("next").addEventListener("click", () => this.step(1));
    byId("leave").addEventListener("click", () => this.leave());
    byId("blend").addEventListener("input", () => this.blend());
    byId("reset").addEventListener("click", () => this.reset());
    picture.controls.addEventListener("start", () => this.leave());
    this.connectPointer(picture.canvas);
  }

  visit(index, scroll = false) {
    const { canvas } = this.picture;
    this.leave();
    this.current = index;
    const { name, verdict } = this.frusta.views[index];
    byId("caption-name").textContent = verdict ? `${name} (${verdict})` : name;
    byId("caption").hidden = false;
    byId("blend").value = 0;
    if (scroll) canvas.scrollIntoView({ block: "nearest", behavior: "auto" });
    this.picture.flyToPhoto(index, () => this.blend());
    this.blend();
  }

  step(direction) {
    const count = this.frusta.views.length;
    const from = this.current ?? (direction > 0 ? -1 : 0);
    this.visit((from + direction + count) % count);
  }

  blend() {
    if (this.current === null) return;
    this.frusta.lookFrom(this.current, Number(byId("blend").value) / 100);
    this.changed();
  }

  leave() {
    if (this.current === null) return;
    this.current = null;
    this.frusta.lookFrom(null, 0);
    byId("caption").hidden = true;
    this.changed();
  }

  reset() {
    this.leave();
    this.picture.flyToStart();
  }

  connectPointer(canvas) {
    let pressed = null;
    canvas.addEventListener("pointerdown", (event) => {
      pressed = event.isPrimary ? [event.clientX, event.clientY] : null;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) this.point(event);
    });
    canvas.addEventListener("pointerleave", () => this.unpoint());
    canvas.addEventListener("pointerup", (event) => {
      if (!pressed || event.button !== 0) return;
      const moved = Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]);
      const view = moved < CLICK_PIXELS ? this.viewUnder(event) : null;
      if (view !== null) this.visit(view);
    });
  }

  viewUnder(event) {
    const box = this.picture.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 2 - 1;
    const y = 1 - ((event.clientY - box.top) / box.height) * 2;
    return this.frusta.viewAt(new THREE.Vector2(x, y), this.picture.camera);
  }

  point(event) {
    const view = this.viewUnder(event);
    this.frusta.mark(view);
    this.picture.canvas.style.cursor = view === null ? "" : "pointer";
    const tip = byId("tip");
    tip.hidden = view === null;
    if (view !== null) {
      const box = this.picture.canvas.getBoundingClientRect();
      const { name, verdict } = this.frusta.views[view];
      tip.textContent = verdict ? `${name} \u2013 ${verdict}` : name;
      tip.style.left = `${event.clientX - box.left}px`;
      tip.style.top = `${event.clientY - box.top}px`;
    }
    this.picture.draw();
  }

  unpoint() {
    byId("tip").hidden = true;
    this.frusta.mark(null);
    this.picture.draw();
  }
}
