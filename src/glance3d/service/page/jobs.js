// The list of all jobs, the newest first.
import { byId } from "./elements.js";
import { JobCard } from "./cards.js";
import { cancelJob, pathOf, removeJob, restartJob } from "./server.js";

const TICK_MILLISECONDS = 20000;

export class JobList {
  constructor({ notice, open }) {
    this.cards = new Map();
    this.open = open;
    this.notice = notice;
    setInterval(() => this.cards.forEach((card) => card.tick()), TICK_MILLISECONDS);
  }

  job(id) {
    return this.cards.get(id)?.job;
  }

  running() {
    return [...this.cards.values()].map((card) => card.job).find((job) => job.state === "running");
  }

  // `jobs` have changed; `ids` are all that there are.
  update(jobs, ids) {
    for (const job of jobs) {
      this.say(this.job(job.id), job);
      if (!this.cards.has(job.id)) this.cards.set(job.id, new JobCard((name, one) => this.act(name, one)));
      this.cards.get(job.id).update(job);
    }
    const known = new Set(ids);
    for (const [id, card] of this.cards) {
      if (!known.has(id)) {
        card.element.remove();
        this.cards.delete(id);
      }
    }
    this.order();
    byId("no-jobs").hidden = this.cards.size > 0;
  }

  // For those who listen to the page instead of looking at it.
  say(before, { name, state }) {
    if (!before || before.state === state) return;
    if (state === "done") byId("said").textContent = `${name} is done`;
    if (state === "failed") byId("said").textContent = `${name} has failed`;
  }

  order() {
    const list = byId("jobs");
    const sorted = [...this.cards.values()].sort((a, b) => b.job.number - a.job.number);
    sorted.forEach((card, index) => {
      if (list.children[index] !== card.element) list.insertBefore(card.element, list.children[index] ?? null);
    });
  }

  async act(name, job) {
    this.notice("");
    try {
      if (name === "open") this.open(job.id);
      else if (name === "cancel") await cancelJob(job.id);
      else if (name === "restart") await restartJob(job.id);
      else if (name === "log") window.open(pathOf(job.id, "log"), "_blank", "noopener");
      else if (window.confirm(`Remove "${job.name}" and its files from the server?`)) await removeJob(job.id);
    } catch (error) {
      this.notice(error.message);
    }
  }
}
