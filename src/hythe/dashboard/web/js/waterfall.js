// The waterfall: one line a connection on a common axis, from the look-up of its name to its end.

import {get, sessionPath} from "./api.js";
import {h, s, say} from "./dom.js";
import {bytes, duration, place, steps} from "./format.js";
import {link} from "./place.js";

const PAUSE = 1500;
const SPARING = 10;
const STEPS = 8;
const THIN = 3;
const THICK = 14;
/** What the axis may show: all of it, or the last seconds. */
const STRETCHES = [[0, "all of it"], [300, "the last five minutes"], [60, "the last minute"], [10, "the last ten seconds"]];

/** One part of a bar; `x` gives a place in percent. */
function part({kind, start, end, text}, x) {
  const [from, to] = [Math.max(0, x(start)), Math.min(100, x(end))];
  if (to < 0 || from > 100) return null;
  const high = kind === "idle" ? THIN : THICK;
  return s("rect", {class: `part ${kind}`, fill: kind === "stall" ? "url(#hatch)" : null, x: `${from}%`, width: `${Math.max(0.25, to - from)}%`, y: (22 - high) / 2, height: high},
    s("title", null, `${text}: ${duration(end - start)}`));
}

export function waterfallView(main, session) {
  const path = `${sessionPath(session.name)}/waterfall`;
  const stretch = h("select", {id: "stretch", onchange: () => draw()}, STRETCHES.map(([value, text]) => h("option", {value}, text)));
  const filter = h("input", {type: "search", id: "fall-filter", placeholder: "name, process, state …", oninput: () => draw()});
  const legend = h("ul", {class: "legend", "aria-label": "Colours"});
  const problem = h("p", {class: "bad", role: "alert"});
  const notes = h("p", {class: "quiet", id: "fall-notes"});
  const box = h("div", {class: "falls", role: "listbox", tabindex: 0, id: "falls", "aria-label": "Connections in time: arrow keys choose one"});
  const parts = h("section", {id: "parts", "aria-label": "Parts of the chosen line"},
    h("p", {class: "quiet"}, "Choose a line to read its parts."));
  main.append(h("div", {class: "bar"}, h("label", null, "Show ", stretch), h("label", null, "Filter ", filter)), legend, problem, box, notes, parts);
  let found = null;
  let chosen = null;
  let timer = null;
  let ended = false;
  let shown = [];

  const hatch = s("defs", null, s("pattern", {id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"},
    s("rect", {class: "gap", width: 6, height: 6}), s("rect", {class: "stripe", width: 3.5, height: 6})));

  const name = (line) => `${line.id}/${line.label}/${line.start}`;

  function axis(from, span) {
    const [step, first] = steps(from, span, STEPS);
    const count = Math.floor((from + span - first) / step + 1e-6) + 1;
    const marks = Array.from({length: count}, (_, index) => {
      const at = (first + step * index - from) / span;
      const anchor = at < 0.03 ? "start" : at > 0.95 ? "end" : "middle";
      return s("text", {x: `${at * 100}%`, y: 15, "text-anchor": anchor}, place(first + step * index));
    });
    box.style.setProperty("--step", `${step / span * 100}%`);
    box.style.setProperty("--grid", `${(first - from) / (span - step) * 100}%`);
    return h("div", {class: "fall axis", "aria-hidden": "true"}, h("span", null, "Whom"), h("span", null, "Who"), s("svg", null, hatch, marks),
      h("span", {class: "number"}, "Took"), h("span", null, "Came to"));
  }

  function row(line, index, x) {
    const id = `fall-${index}`;
    const is = name(line) === chosen;
    const words = `${line.label}, ${line.process || "unknown process"}, from ${duration(line.start)} for ${duration(line.end - line.start)}, ${line.outcome}`;
    return h("div", {class: `fall${is ? " chosen" : ""}${line.failed ? " failed" : ""}`, role: "option", id, "data-line": line.id, "aria-selected": is,
      "aria-label": words, onclick: () => choose(index)},
    h("span", {title: line.label}, line.count > 1 ? `${line.label} ×${line.count}` : line.label), h("span", null, line.process),
    s("svg", {"aria-hidden": "true"}, line.spans.map((each) => part(each, x)).filter(Boolean)),
    h("span", {class: "number"}, duration(line.end - line.start)), h("span", {title: line.limited}, line.open ? "open" : line.outcome));
  }

  function draw() {
    if (!found) return;
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const last = Number(stretch.value);
    const whole = Math.max(found.seconds, 1e-3);
    const from = last ? Math.max(0, whole - last) : 0;
    const span = Math.max(whole - from, 1e-3);
    const x = (seconds) => (seconds - from) / span * 100;
    shown = found.lines.filter((line) => {
      const text = `${line.label} ${line.process} ${line.outcome} ${line.address} ${line.protocol}`.toLowerCase();
      return line.end >= from && words.every((each) => text.includes(each));
    });
    const scrolled = box.scrollTop;
    box.replaceChildren(axis(from, span), ...shown.map((line, index) => row(line, index, x)));
    box.scrollTop = scrolled;
    const at = shown.findIndex((line) => name(line) === chosen);
    if (at >= 0) box.setAttribute("aria-activedescendant", `fall-${at}`);
    else box.removeAttribute("aria-activedescendant");
    notes.textContent = [`${shown.length} of ${found.lines.length} lines.`, ...found.notes].join(" ");
  }

  function choose(index) {
    const line = shown[index];
    chosen = name(line);
    draw();
    document.getElementById(`fall-${index}`).scrollIntoView({block: "nearest"});
    say(`${line.label}: ${line.spans.length} parts, told below`);
    const facts = [line.secret, line.limited, `${bytes(line.bytes_up)} up, ${bytes(line.bytes_down)} down`,
      line.retransmits && `${line.retransmits} segments sent again`].filter(Boolean);
    parts.replaceChildren(
      h("h2", null, line.label), h("p", null, facts.join("; ")),
      h("ol", null, line.spans.map((each) => h("li", null, `${duration(each.start)}: ${each.text}, ${duration(each.end - each.start)}`))),
      ...(line.id ? [h("a", {href: link(session.name, "connections", String(line.id))}, `Connection ${line.id}`)] : []));
  }

  box.addEventListener("keydown", (event) => {
    const at = shown.findIndex((line) => name(line) === chosen);
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1}[event.key];
    if (to === undefined || !shown.length) return;
    event.preventDefault();
    choose(Math.min(shown.length - 1, Math.max(0, to)));
  });

  async function look() {
    const begun = performance.now();
    try {
      const before = JSON.stringify(found);
      found = await get(path);
      problem.textContent = "";
      if (!ended && JSON.stringify(found) !== before) draw();
      if (!legend.children.length) {
        legend.replaceChildren(...Object.entries(found.kinds).map(([kind, text]) => h("li", {class: "key"},
          s("svg", {"aria-hidden": "true"}, part({kind, start: 0, end: 1, text}, (at) => at * 100)), text)));
        say(`${found.lines.length} lines`);
      }
    } catch (error) {
      problem.textContent = error.message;
    }
    // With thousands of lines an answer takes its time: the session's then, and so most of it is left to it.
    if (!ended) timer = setTimeout(look, Math.max(PAUSE, SPARING * (performance.now() - begun)));
  }

  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
