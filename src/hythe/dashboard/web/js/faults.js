// Faults of the wire, by sliders: what they say is what hythe ctl NAME set would, and what became of the packets stands below.

import {change, get, sessionPath} from "./api.js";
import {h, say, table} from "./dom.js";

const PAUSE = 1000;
const NONE = "none";
const SHARES = [NONE, "0.1%", "0.5%", "1%", "2%", "3%", "5%", "7%", "10%", "15%", "20%", "30%", "50%"];
const TIMES = [NONE, "1ms", "2ms", "5ms", "10ms", "20ms", "30ms", "50ms", "75ms", "100ms", "150ms", "200ms", "300ms", "500ms", "1s"];
const RATES = [NONE, "1gbit", "500mbit", "200mbit", "100mbit", "50mbit", "20mbit", "10mbit", "5mbit", "2mbit", "1mbit", "512kbit", "128kbit", "56kbit"];
const QUEUES = [NONE, "10packets", "16KiB", "32KiB", "64KiB", "128KiB", "256KiB", "1MiB"];
const SIZES = [NONE, "1400", "1300", "1000", "576"];
/** name, title, what a slider offers, what it means. */
const FAULTS = [
  ["delay", "Delay", TIMES, "each packet takes so long; a round trip twice that"],
  ["jitter", "Jitter", TIMES, "up to so much more"],
  ["loss", "Loss", SHARES, "also burst:2%,8 and nth:3"],
  ["rate", "Rate", RATES, "no more gets through"],
  ["queue", "Queue", QUEUES, "waits for the rate"],
  ["reorder", "Reordering", SHARES, "come late, behind others"],
  ["duplicate", "Duplication", SHARES, "arrive twice"],
  ["corrupt", "Corruption", SHARES, "one bit is flipped"],
  ["mark", "Congestion marks", SHARES, "of those that know ECN"],
  ["path_mtu", "Path MTU", SIZES, "longer packets vanish"],
];
const WAYS = [["", "both ways"], ["up_", "what the command sends"], ["down_", "what it receives"]];

export function faultsView(main, session) {
  const path = `${sessionPath(session.name)}/faults`;
  const problem = h("p", {class: "bad", role: "alert", id: "faults-problem"});
  const tallies = h("div", {id: "tallies"});
  const all = h("p", {id: "words", class: "mono"});
  const away = h("button", {type: "button", id: "no-faults", disabled: true, onclick: none}, "Take all away");
  let way = "";
  let words = {};
  let timer = null;
  let ended = false;

  const lines = FAULTS.map(([name, title, steps, meaning]) => {
    const range = h("input", {type: "range", id: `slider-${name}`, min: 0, max: steps.length - 1, step: 1, value: 0,
      oninput: () => { tell(); text.value = steps[range.value]; }, onchange: () => set({[way + name]: steps[range.value] === NONE ? null : steps[range.value]})});
    const text = h("input", {id: `word-${name}`, "aria-label": `${title}, in words`, size: 10,
      onchange: () => set({[way + name]: ["", "0", NONE].includes(text.value.trim()) ? null : text.value.trim()})});
    const tell = () => range.setAttribute("aria-valuetext", steps[range.value]);
    return {
      elements: [h("label", {for: `slider-${name}`}, title), range, text, h("span", {class: "quiet"}, meaning)],
      show() {
        const word = words[way + name] ?? NONE;
        if (document.activeElement !== text) text.value = word;
        if (document.activeElement !== range && steps.includes(word)) range.value = steps.indexOf(word);
        range.setAttribute("aria-valuetext", word);
      },
    };
  });
  const ways = h("fieldset", {class: "bar"}, h("legend", null, "Faults of"), WAYS.map(([value, title]) => h("label", null,
    h("input", {type: "radio", name: "way", value, checked: value === "", onchange: () => { way = value; lines.forEach((each) => each.show()); }}), ` ${title}`)));
  main.append(ways, h("div", {class: "faults"}, lines.flatMap((each) => each.elements)), problem,
    h("div", {class: "bar"}, away, all), tallies);

  async function set(changes) {
    try {
      take(await change("PATCH", path, changes));
      problem.textContent = "";
      say(all.textContent);
    } catch (error) {
      problem.textContent = error.message;
    }
    lines.forEach((each) => each.show());
  }

  function none() {
    set(Object.fromEntries(Object.keys(words).map((name) => [name, null])));
  }

  function take(faults) {
    words = faults.words;
    away.disabled = !Object.keys(words).length;
    all.textContent = Object.entries(words).map(([name, text]) => `${name.replaceAll("_", "-")}=${text}`).join(" ") || "no faults";
    lines.forEach((each) => each.show());
    if (!faults.up || !faults.down) {
      tallies.replaceChildren(h("p", {class: "quiet"}, "No packet has met a fault yet."));
      return;
    }
    tallies.replaceChildren(table("What became of packets", [["Way"], ...Object.keys(faults.up).map((name) => [name, 1])],
      [["up", ...Object.values(faults.up).map(String)], ["down", ...Object.values(faults.down).map(String)]]));
  }

  async function look() {
    try {
      take(await get(path));
    } catch (error) {
      problem.textContent = error.message;
    }
    if (!ended) timer = setTimeout(look, PAUSE);
  }

  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
