// The page: which view the address asks for, the session it is about, and what stands above all views.

import {admit} from "./api.js";
import {h, say} from "./dom.js";
import {connectionView} from "./connection.js";
import {connectionsView} from "./connections.js";
import {dnsView} from "./dns.js";
import {faultsView} from "./faults.js";
import {moment} from "./format.js";
import {overviewView} from "./overview.js";
import {link, place} from "./place.js";
import {portsView} from "./ports.js";
import {Session} from "./session.js";
import {sessionsView} from "./sessions.js";
import {themeButton} from "./theme.js";
import {waterfallView} from "./waterfall.js";

const VIEWS = [
  ["overview", "Overview", overviewView],
  ["connections", "Connections", connectionsView],
  ["waterfall", "Waterfall", waterfallView],
  ["dns", "Names", dnsView],
  ["ports", "Ports", portsView],
  ["faults", "Faults", faultsView],
];

const main = document.getElementById("main");
const state = document.getElementById("state");
let session = null;
let leave = () => {};

/** Show what the address says. A view gets (main, session, id) and gives what ends it. */
function show() {
  leave();
  const [room, name, view = "overview", id] = place();
  if (room !== "s" || !name) {
    use(null);
    begin("Sessions", sessionsView);
    return;
  }
  use(name);
  const known = VIEWS.find((each) => each[0] === view) ?? VIEWS[0];
  tabs(name, known[0]);
  if (view === "connections" && id) begin(`Connection ${id}`, connectionView, Number(id));
  else begin(known[1], known[2]);
}

function begin(title, view, id) {
  main.replaceChildren(h("h1", null, title));
  document.title = [title, session?.name, "hythe"].filter(Boolean).join(" – ");
  leave = view(main, session, id) ?? (() => {});
}

/** The session that the views are about; its stream goes on from view to view. */
function use(name) {
  if (session?.name === name) return;
  session?.close();
  session = name ? new Session(name) : null;
  document.getElementById("views").replaceChildren();
  state.textContent = "";
  delete state.dataset.state;
  session?.addEventListener("state", tell);
  session?.addEventListener("about", tell);
}

function tabs(name, current) {
  document.getElementById("views").replaceChildren(...VIEWS.map(([word, title]) =>
    h("a", {href: link(name, word), "aria-current": word === current ? "page" : null}, title)));
}

/** One line on how the session is; also said to who hears the page. */
function tell() {
  const {state: word, sentence, at} = session.state;
  state.dataset.state = word;
  const about = session.about;
  const words = about ? (about.command.join(" ") || about.tunnels.map((each) => each.name).join(", ")) : "";
  const texts = {
    running: () => `${session.name} runs: ${words}${about ? ` (PID ${about.pid}, since ${moment(about.since)})` : ""}`,
    ended: () => `${session.name} has ended${at ? ` at ${moment(at)}` : ""}. What is shown is how it was; another session of this name will be shown when it begins.`,
    absent: () => `${sentence}. It will be shown when it begins.`,
    cut: () => `${sentence}.`,
  };
  state.title = words;
  state.textContent = (texts[word] ?? (() => sentence))();
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("theme").replaceWith(themeButton());
admit();
window.addEventListener("hashchange", () => {
  show();
  main.focus();
  say(main.querySelector("h1").textContent);
});
show();
