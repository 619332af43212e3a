// The files that were chosen and not sent yet.
import { bytes, count } from "./words.js";

const MOST_PREVIEWS = 14;

export class ChosenFiles {
  constructor(server, list) {
    this.server = server;
    this.list = list;
    this.files = [];
    this.passedOver = 0;
    this.addresses = [];
  }

  // What looks like a photo, a clip or a zip; the same file twice is one.
  add(files) {
    const known = new Set(this.files.map(keyOf));
    for (const file of files) {
      if (!this.server.suffixes.includes(suffixOf(file))) this.passedOver += 1;
      else if (!known.has(keyOf(file))) this.files.push(file);
      known.add(keyOf(file));
    }
    this.show();
  }

  clear() {
    this.files = [];
    this.passedOver = 0;
    this.show();
  }

  get size() {
    return this.files.reduce((sum, file) => sum + file.size, 0);
  }

  get hasClips() {
    return this.files.some((file) => this.server.clip_suffixes.includes(suffixOf(file)));
  }

  // Why they cannot be sent, or an empty text.
  get refusal() {
    const { job_bytes, job_files } = this.server.limits;
    if (this.files.length > job_files) return `This server takes at most ${job_files} files at once.`;
    if (this.size > job_bytes) return `This server takes at most ${bytes(job_bytes)} at once.`;
    return "";
  }

  get words() {
    const parts = [`${count(this.files.length, "file")}, ${bytes(this.size)}`];
    if (this.passedOver) parts.push(`${count(this.passedOver, "other file")} passed over`);
    return [parts.join("; "), this.refusal].filter(Boolean).join(". ");
  }

  show() {
    this.addresses.forEach((address) => URL.revokeObjectURL(address));
    const shown = this.files.slice(0, MOST_PREVIEWS);
    const tiles = shown.map((file) => this.tile(file));
    const more = this.files.length - shown.length;
    if (more > 0) tiles.push(textTile(`+${more}`, "more files"));
    this.list.replaceChildren(...tiles);
  }

  tile(file) {
    const suffix = suffixOf(file).slice(1);
    if (!file.type.startsWith("image/")) return textTile(suffix, file.name);
    const tile = document.createElement("li");
    const image = document.createElement("img");
    const address = URL.createObjectURL(file);
    this.addresses.push(address);
    image.alt = file.name;
    image.title = file.name;
    image.decoding = "async";
    image.addEventListener("error", () => tile.replaceWith(textTile(suffix, file.name)));
    image.src = address;
    tile.append(image);
    return tile;
  }
}

function textTile(text, title) {
  const tile = document.createElement("li");
  tile.className = "text-tile";
  tile.textContent = text;
  tile.title = title;
  return tile;
}

const suffixOf = (file) => `.${file.name.split(".").pop().toLowerCase()}`;
const keyOf = (file) =>
  `${file.webkitRelativePath || file.name}/${file.size}/${file.lastModified}`;

// All files of a drop, also those in folders.
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(filesBelow))).flat();
}

async function filesBelow(entry) {
  if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(filesBelow))).flat();
}
