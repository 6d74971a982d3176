// Names that the command asked for, the newest first.

import {h, table} from "./dom.js";
import {duration, moment} from "./format.js";

export function dnsView(main, session) {
  const place = h("div", {id: "queries"});
  const filter = h("input", {type: "search", id: "dns-filter", placeholder: "name, type, answer …", oninput: () => draw(true)});
  main.append(h("div", {class: "bar"}, h("label", null, "Filter ", filter)), place);
  let shown = null;

  function draw(again) {
    const last = session.queries.at(-1);
    if (!again && shown === last && shown !== null) return;
    shown = last ?? null;
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = session.queries.filter((each) => {
      const text = each.flat().join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    }).reverse();
    place.replaceChildren(rows.length
      ? table(`${rows.length} answers to questions for names`, [["At"], ["Name"], ["Type"], ["Result"], ["Answers"], ["Took", 1]],
        rows.map(([at, name, type, code, answers, took]) => [moment(at), name, type,
          h("span", {class: code === "NOERROR" ? null : "bad"}, code), answers.join(", ") || "–", took === null ? "known" : duration(took)]))
      : h("p", {class: "quiet"}, session.queries.length ? "None of them is like that." : "The command has asked for no name yet."));
  }

  const fresh = () => draw(false);
  session.addEventListener("board", fresh);
  draw(true);
  return () => session.removeEventListener("board", fresh);
}
