// What the page asks of its server.

const POLL_MILLISECONDS = 1500;
const HIDDEN_MILLISECONDS = 4000;

async function answerOf(response) {
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `the server answered ${response.status}`);
  return answer;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the server cannot be reached: is it still running?");
  }
  return answerOf(response);
}

export const describeServer = () => ask("/api/server");
export const cancelJob = (id) => ask(`/api/jobs/${id}/cancel`, { method: "POST" });
export const restartJob = (id) => ask(`/api/jobs/${id}/restart`, { method: "POST" });
export const removeJob = (id) => ask(`/api/jobs/${id}`, { method: "DELETE" });
export const pathOf = (id, part) => `/api/jobs/${id}/${part}`;

// Jobs as they change: by events, and by asking where these do not come through.
export function listen({ changed, reachable }) {
  let timer = null;
  let source = null;
  const poll = async () => {
    try {
      const { jobs } = await ask("/api/jobs");
      changed(jobs, jobs.map((job) => job.id));
      reachable(true);
    } catch {
      reachable(false);
    }
  };
  const stopPolling = () => {
    clearInterval(timer);
    timer = null;
  };
  const connect = () => {
    source = new EventSource("/api/events");
    source.onmessage = (event) => {
      stopPolling();
      const { jobs, ids } = JSON.parse(event.data);
      changed(jobs, ids);
      reachable(true);
    };
    source.onerror = () => {
      if (timer === null) timer = setInterval(poll, POLL_MILLISECONDS);
      poll();
    };
  };
  // A browser opens few connections to a server: tabs that nobody sees leave theirs to others.
  const follow = () => {
    source?.close();
    stopPolling();
    if (document.visibilityState === "visible") connect();
    else timer = setInterval(poll, HIDDEN_MILLISECONDS);
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

// Sends a form; resolves to the job. `signal` stops it, `sent` is told the share that has gone.
export function createJob(form, sent, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/jobs");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) sent(event.loaded / event.total);
    };
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // what is no JSON has no sentence for a person
      }
      if (request.status === 201) resolve(answer);
      else reject(new Error(answer.error || `the server answered ${request.status}`));
    };
    request.onerror = () => reject(new Error("the upload was cut off: is the server still running?"));
    request.onabort = () => reject(new Error(""));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
