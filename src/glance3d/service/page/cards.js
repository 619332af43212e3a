// One job in the list: a card that is made once and then changed in place.
import { pathOf } from "./server.js";
import { ago, bytes, count, duration } from "./words.js";

const STATES = {
  queued: ["Waiting", ""],
  running: ["Running", "busy"],
  done: ["Done", "good"],
  failed: ["Failed", "unsupported"],
  cancelled: ["Cancelled", ""],
};

export class JobCard {
  // `act(name, job)` is called for the buttons.
  constructor(act) {
    this.act = act;
    this.element = make("li", "job");
    this.picture = make("div", "job-picture");
    this.name = make("h3", "job-name");
    this.chip = make("span", "chip");
    this.facts = make("p", "job-facts quiet");
    this.progress = document.createElement("progress");
    this.progress.max = 1;
    this.words = make("p", "job-words quiet");
    this.reason = make("p", "job-reason");
    this.buttons = make("div", "job-buttons");
    const head = make("div", "job-head");
    head.append(this.name, this.chip);
    const text = make("div", "job-text");
    text.append(head, this.facts, this.progress, this.words, this.reason);
    this.element.append(this.picture, text, this.buttons);
  }

  update(job) {
    const before = this.job;
    this.job = job;
    const [state, kind] = STATES[job.state];
    this.element.dataset.id = job.id;
    this.element.dataset.state = job.state;
    this.name.textContent = job.name;
    this.chip.textContent = state;
    this.chip.className = `chip ${kind}`;
    this.facts.textContent = factsOf(job);
    this.updateProgress(job);
    this.reason.textContent = job.reason;
    this.reason.hidden = !job.reason;
    if (before?.state !== job.state) {
      this.updateButtons(job);
      this.updatePicture(job);
    }
  }

  tick() {
    this.facts.textContent = factsOf(this.job);
  }

  updateProgress({ state, progress, place, name }) {
    const running = state === "running";
    this.progress.hidden = !running;
    this.progress.setAttribute("aria-label", `Progress of ${name}`);
    this.words.hidden = !running && state !== "queued";
    if (running) {
      const { words, done, total, share } = progress;
      this.progress.value = share;
      const steps = total > 1 ? `, ${done} of ${total}` : "";
      this.words.textContent = `${Math.round(100 * share)} %: ${words}${steps}`;
    } else if (state === "queued") {
      this.words.textContent = place > 1 ? `${place - 1} before it` : "next in the queue";
    }
  }

  updatePicture(job) {
    if (!job.thumbnail) {
      this.picture.replaceChildren(make("span", "no-picture-yet"));
      return;
    }
    const image = document.createElement("img");
    image.alt = "";
    image.loading = "lazy";
    image.src = pathOf(job.id, "thumbnail");
    this.picture.replaceChildren(image);
  }

  updateButtons({ state }) {
    const names = {
      queued: ["cancel"],
      running: ["cancel"],
      done: ["open", "restart", "remove"],
      failed: ["restart", "log", "remove"],
      cancelled: ["restart", "remove"],
    }[state];
    const words = { cancel: "Cancel", open: "Open", restart: "Again", log: "Log", remove: "Remove" };
    const focused = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      ...names.map((name) => {
        const button = make("button", name === "open" ? "main-button" : "plain");
        button.type = "button";
        button.dataset.action = name;
        button.textContent = words[name];
        button.setAttribute("aria-label", `${words[name]}: ${this.job.name}`);
        button.addEventListener("click", () => this.act(name, this.job));
        return button;
      }),
    );
    if (focused) this.buttons.firstElementChild?.focus();
  }
}

function factsOf(job) {
  const facts = [];
  if (job.result?.photos) {
    facts.push(count(job.result.photos, "photo"));
    facts.push(...Object.entries(job.result.verdicts || {}).map(([verdict, n]) => `${n} ${verdict}`));
  } else {
    facts.push(`${count(job.files, "file")}, ${bytes(job.bytes)}`);
  }
  facts.push(job.settings.refine ? job.settings.model : `${job.settings.model}, one pass`);
  if (job.state === "done" && job.began) facts.push(`in ${duration(job.ended - job.began)}`);
  facts.push(ago(job.ended ?? job.created));
  return facts.join(" · ");
}

function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}
