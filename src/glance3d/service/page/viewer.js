// A scene that is done, over the whole window; the address says which.
import { byId } from "./elements.js";
import { pathOf } from "./server.js";
import { isDark } from "./theme.js";
import { bytes } from "./words.js";

const PREFIX = "#scene-";

export class Viewer {
  constructor(jobOf) {
    this.jobOf = jobOf;
    this.dialog = byId("viewer");
    this.shown = null;
    byId("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
    window.addEventListener("hashchange", () => this.follow());
  }

  open(id) {
    location.hash = PREFIX + id;
  }

  // Shows what the address says, once it is there.
  follow() {
    const id = location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length) : null;
    const job = id && this.jobOf(id);
    if (job?.state === "done") this.show(job);
    else if (this.shown) this.dialog.close();
  }

  show(job) {
    if (this.shown === job.id) return;
    this.shown = job.id;
    byId("viewer-name").textContent = job.name;
    byId("downloads").open = false;
    byId("download-list").replaceChildren(...job.downloads.map((one) => downloadRow(job, one)));
    const frame = document.createElement("iframe");
    frame.title = `The scene ${job.name}`;
    frame.allow = "fullscreen";
    frame.src = `${pathOf(job.id, "scene")}?theme=${isDark() ? "dark" : "light"}`;
    byId("frame").replaceChildren(frame);
    if (!this.dialog.open) this.dialog.showModal();
    document.title = `${job.name} · Glance3D`;
  }

  closed() {
    this.shown = null;
    byId("frame").replaceChildren();
    document.title = "Glance3D";
    if (location.hash.startsWith(PREFIX)) history.replaceState(null, "", "/");
  }

  // The scene is drawn again in the other colours.
  themeChanged() {
    const job = this.shown && this.jobOf(this.shown);
    if (!job) return;
    this.shown = null;
    this.show(job);
  }
}

function downloadRow(job, { name, description, bytes: size }) {
  const row = document.createElement("li");
  const link = document.createElement("a");
  const text = document.createElement("span");
  link.href = pathOf(job.id, `files/${name}`);
  link.download = "";
  link.textContent = name;
  text.className = "quiet";
  text.textContent = size === null ? description : `${description}, ${bytes(size)}`;
  row.append(link, text);
  return row;
}
