// What limited a connection, in the words of hythe why, each with the packets that prove it.

import {get} from "./api.js";
import {h} from "./dom.js";
import {duration} from "./format.js";
import {Repeated} from "./repeated.js";

const PROOFS = 12;

function proofs(numbers, choose) {
  if (!numbers.length) return null;
  return h("p", null, "Shown by packets ", numbers.slice(0, PROOFS).flatMap((number, index) => [index ? ", " : "",
    h("button", {type: "button", onclick: () => choose(number)}, String(number))]), numbers.length > PROOFS ? " …" : "");
}

function finding(each, choose) {
  return h("section", {class: each.problem ? "finding problem" : "finding"},
    h("h2", null, `${each.problem ? "Problem" : "Note"}: ${each.cause}`), h("p", null, each.text),
    each.problem ? h("p", null, each.remedy) : null, proofs(each.packets, choose));
}

function waits(shares, sender) {
  if (!shares.length) return null;
  return h("section", null, h("h2", null, `Where the time of ${sender} went`),
    h("ul", null, shares.map(([reason, seconds, share]) => h("li", null,
      h("meter", {min: 0, max: 1, value: share, "aria-label": reason}), ` ${Math.round(share * 100)}%, ${duration(seconds)}: ${reason}`))));
}

/** The panel; `choose(number)` shows a packet. */
export function whyPanel(path, choose) {
  const body = h("div", {id: "why"}, h("p", {class: "quiet"}, "Looking …"));
  const repeated = new Repeated(async () => {
    let made;
    try {
      const told = await get(`${path}/why`);
      made = [
        told.findings.some((each) => each.problem) ? null : h("p", null, "Nothing is wrong with it, as far as its packets show."),
        ...told.findings.map((each) => finding(each, choose)),
        waits(told.shares[0], told.from), waits(told.shares[1], told.to),
        h("details", null, h("summary", null, "The whole report"), h("pre", {class: "scroll", tabindex: 0}, told.report.join("\n"))),
      ].filter(Boolean);
    } catch (error) {
      made = [h("p", {class: "bad"}, error.message)];
    }
    if (!body.contains(document.activeElement)) body.replaceChildren(...made);
  });
  return {element: h("div", null, body), see: (yes) => repeated.see(yes), changed: (count) => repeated.changed(count), end: () => repeated.end()};
}
