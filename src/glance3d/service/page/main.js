// Brings the parts of the page together.
import { byId } from "./elements.js";
import { JobList } from "./jobs.js";
import { describeServer, listen } from "./server.js";
import { connectTheme } from "./theme.js";
import { connectUpload } from "./upload.js";
import { Viewer } from "./viewer.js";

const GONE = "The server does not answer. What it does goes on when it is back.";
const THEME_KEY = "glance3d-theme";

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function rememberTheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) localStorage.setItem(THEME_KEY, chosen);
}

// How far the job is that runs now, for whoever has the page in another tab.
function showTitle(job) {
  if (byId("viewer").open) return;
  const share = job ? `${Math.round(100 * job.progress.share)} % ${job.name} · ` : "";
  document.title = `${share}Glance3D`;
}

async function start() {
  const remembered = localStorage.getItem(THEME_KEY);
  if (remembered) document.documentElement.dataset.theme = remembered;
  const viewer = new Viewer((id) => list.job(id));
  const list = new JobList({ notice, open: (id) => viewer.open(id) });
  connectTheme(byId("theme"), () => {
    rememberTheme();
    viewer.themeChanged();
  });
  listen({
    changed: (jobs, ids) => {
      list.update(jobs, ids);
      viewer.follow();
      showTitle(list.running());
    },
    reachable: (isThere) => {
      if (!isThere) notice(GONE);
      else if (byId("notice").textContent === GONE) notice("");
    },
  });
  try {
    connectUpload(await describeServer(), { notice, made: () => byId("jobs-heading").scrollIntoView({ behavior: "smooth" }) });
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    notice(error.message);
  }
}

start();
