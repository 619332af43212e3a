// The form of a new scene: choose, say how, send.
import { byId } from "./elements.js";
import { ChosenFiles, filesOf } from "./chosen.js";
import { createJob } from "./server.js";
import { count } from "./words.js";

export function connectUpload(server, { notice, made }) {
  const chosen = new ChosenFiles(server, byId("previews"));
  let stopping = null;

  const update = () => {
    const some = chosen.files.length > 0;
    byId("drop").hidden = some;
    byId("chosen").hidden = !some;
    byId("chosen-words").textContent = chosen.words;
    byId("views-row").hidden = !chosen.hasClips;
    byId("make").disabled = Boolean(chosen.refusal) || stopping !== null;
    if (some && !byId("name").value) byId("name").placeholder = nameOf(chosen.files[0]);
  };
  const add = (files) => {
    if (stopping !== null) return;
    notice("");
    chosen.add(files);
    if (chosen.files.length === 0 && chosen.passedOver > 0) {
      notice(`${count(chosen.passedOver, "file")}, and no photo, clip or zip among them.`);
    }
    update();
  };

  fillChoices(server);
  connectDrop(add);
  byId("choose").addEventListener("click", () => byId("files").click());
  byId("add").addEventListener("click", () => byId("files").click());
  byId("choose-folder").addEventListener("click", () => byId("folder").click());
  for (const input of [byId("files"), byId("folder")]) {
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = "";
      if (chosen.files.length > 0) byId("name").focus();
    });
  }
  byId("clear").addEventListener("click", () => {
    chosen.clear();
    update();
    byId("choose").focus();
  });
  byId("stop").addEventListener("click", () => stopping?.abort());

  byId("new").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (chosen.files.length === 0 || stopping !== null || chosen.refusal) return;
    stopping = new AbortController();
    showSending(0);
    update();
    notice("");
    try {
      made(await createJob(formOf(chosen.files), showSending, stopping.signal));
      chosen.clear();
      byId("name").value = "";
    } catch (error) {
      notice(error.message);
    }
    stopping = null;
    showSending(null);
    update();
  });
}

function formOf(files) {
  const form = new FormData();
  const formats = [...document.querySelectorAll("#formats input:checked")].map((box) => box.value);
  const settings = { model: byId("model").value, refine: byId("refine").checked, formats };
  const views = byId("views");
  if (!byId("views-row").hidden && views.value) settings.views = Number(views.value);
  form.append("settings", JSON.stringify(settings));
  form.append("name", byId("name").value || byId("name").placeholder);
  for (const file of files) form.append("files", file, file.name);
  return form;
}

// The folder that a photo is in says more than its own name.
function nameOf(file) {
  const folder = (file.webkitRelativePath || "").split("/").slice(-2, -1)[0];
  return folder || file.name.replace(/\.[^.]*$/, "");
}

function showSending(share) {
  const sending = share !== null;
  byId("sent").hidden = !sending;
  byId("stop").hidden = !sending;
  byId("sent").value = share ?? 0;
  const words = share === 1 ? "the server checks it" : `${Math.round(100 * share)} % sent`;
  byId("sent-words").textContent = sending ? words : "";
}

function fillChoices(server) {
  const model = byId("model");
  const showNote = () => {
    const { licence, commercial_use: commercial, parameters } = server.models[model.selectedIndex];
    const parts = [];
    if (parameters) parts.push(`${(parameters / 1e6).toFixed(0)} million parameters`);
    if (licence) parts.push(`weights ${licence}`);
    if (commercial === "no") parts.push("no commercial use");
    if (commercial === "disputed") parts.push("commercial use disputed");
    byId("model-note").textContent = parts.join(", ");
  };
  model.replaceChildren(...server.models.map(({ name }) => new Option(name, name)));
  model.addEventListener("change", showNote);
  showNote();
  byId("formats").replaceChildren(
    ...server.formats.map(({ name, description }) => {
      const row = document.createElement("li");
      const label = document.createElement("label");
      const box = document.createElement("input");
      label.className = "check";
      box.type = "checkbox";
      box.value = name;
      label.append(box, ` ${description}`);
      row.append(label);
      return row;
    }),
  );
  byId("refine").checked = server.can_refine;
  byId("refine").disabled = !server.can_refine;
  byId("more").hidden = server.formats.length === 0;
  byId("files").accept = server.suffixes.join(",");
}

// Files may be dropped anywhere, and pasted.
function connectDrop(add) {
  const body = document.body;
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const over = (change) => (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += change;
    body.classList.toggle("dropping", depth > 0);
  };
  document.addEventListener("dragenter", over(1));
  document.addEventListener("dragleave", over(-1));
  document.addEventListener("dragover", over(0));
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    body.classList.remove("dropping");
    add(await filesOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add([...event.clipboardData.files]);
  });
}
