// Requests to our own server: each shows the key that this page was given, which no other page can know.

const KEY = "hythe.key";
const HEADER = "X-Hythe-Key";

/** Take the key out of the address, where it came with the way in, and remember it for this origin. */
export function admit() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has("key")) return;
  localStorage.setItem(KEY, given.get("key"));
  history.replaceState(null, "", `#${given.get("go") ?? "/"}`);
}

/** What went wrong, as one sentence; `status` 0: there was no answer. */
export class Problem extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, options) {
  const headers = {[HEADER]: localStorage.getItem(KEY) ?? "", ...options?.headers};
  let answer;
  try {
    answer = await fetch(`/api${path}`, {...options, headers, cache: "no-store"});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("hythe dashboard does not answer: it has ended, or this browser has no way to it", 0);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Problem(told?.error ?? `the dashboard answered ${answer.status}`, answer.status);
  }
  return answer;
}

/** Read something. */
export async function get(path) {
  return (await ask(path)).json();
}

/** Change something. */
export async function change(method, path, body) {
  const options = {method};
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = {"Content-Type": "application/json"};
  }
  return (await ask(path, options)).json();
}

/** Server-sent events, by fetch since EventSource cannot show a key; `on(kind, value)`. Ends when `signal` or the server does. */
export async function events(path, signal, on) {
  const answer = await ask(path, {signal});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const each of whole) {
      const kind = /^event: (.*)$/m.exec(each);
      if (kind) on(kind[1], JSON.parse(/^data: (.*)$/m.exec(each)[1]));
    }
  }
}

export function sessionPath(name) {
  return `/sessions/${encodeURIComponent(name)}`;
}
