// One connection: how it stands, its packets as a sequence diagram with their layers, graphs, and what limited it.

import {change, sessionPath} from "./api.js";
import {details} from "./details.js";
import {ask} from "./dialog.js";
import {h, say} from "./dom.js";
import {Following} from "./following.js";
import {end, remote} from "./format.js";
import {graphPanel} from "./graph.js";
import {layersPane} from "./layers.js";
import {link} from "./place.js";
import {Sequence} from "./sequence.js";
import {tabs} from "./tabs.js";
import {whyPanel} from "./why.js";

export function connectionView(main, session, id) {
  const path = `${sessionPath(session.name)}/connections/${id}`;
  const told = h("p", {id: "told", class: "quiet"}, "Looking …");
  const problem = h("p", {class: "bad", role: "alert"});
  const kill = h("button", {type: "button", class: "danger", id: "kill", disabled: true, onclick: () => ask(
    `Reset connection ${id}? The command and the far side both see a RST.`, "Reset it", reset)}, "Reset it …");
  const standing = h("p", {class: "quiet", id: "standing"});
  const facts = h("div", null);
  const layers = layersPane(path);
  const sequence = new Sequence((number) => layers.show(number));
  const graph = graphPanel(path);
  const why = whyPanel(path, (number) => {
    panels.choose("packets");
    sequence.choose(number);
  });
  const panels = tabs("Of this connection", [
    ["packets", "Packets", h("div", null, standing, h("div", {class: "pair"}, sequence.element, layers.element))],
    ["graph", "Graphs", graph.element],
    ["why", "What limited it", why.element],
    ["details", "Details", facts],
  ], (chosen) => {
    graph.see(chosen === "graph");
    why.see(chosen === "why");
    sequence.draw();
  });
  main.append(h("div", {class: "bar"}, h("a", {href: link(session.name, "connections")}, "All connections"), kill), told, problem, ...panels.elements);
  panels.choose("packets");

  async function reset() {
    try {
      await change("DELETE", path);
      say(`connection ${id} is reset`);
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  function detail({connection, info}) {
    const arrow = connection.inbound ? "←" : "→";
    const ends = {...connection, inside: [connection.inside.address, connection.inside.port], remote: [connection.remote.address, connection.remote.port]};
    told.textContent = `${connection.protocol} ${end(ends.inside)} ${arrow} ${remote(ends)}: ${connection.error ?? connection.state}`;
    sequence.name(end(ends.inside), remote(ends));
    kill.disabled = connection.ended !== null;
    facts.replaceChildren(details(connection, info));
  }

  function stand(trace) {
    const words = [];
    if (!trace.recording) words.push("Packets are not recorded now.");
    else if (!trace.count) words.push("Recording; no packet has come yet.");
    else words.push(`${trace.count} packets.`);
    if (trace.count && !trace.handshake) words.push("The handshake was before anybody looked: “record the first packets” in the table keeps those of new connections.");
    if (trace.let_go) words.push(`${trace.let_go} of them, behind the first ones, are not kept.`);
    const text = words.join(" ");
    if (standing.textContent !== text) standing.textContent = text;
    graph.changed(trace.count);
    why.changed(trace.count);
  }

  let count = 0;
  const following = new Following(() => `${path}/stream`, (kind, value) => {
    if (kind === "detail") detail(value);
    else if (kind === "packets") {
      if (value.length && value[0][0] <= count) sequence.clear();
      count = value.at(-1)?.[0] ?? count;
      sequence.add(value);
    } else if (kind === "trace") stand(value);
    else if (kind === "over") {
      told.textContent = value.sentence;
      kill.disabled = true;
    }
  });
  return () => {
    following.stop();
    sequence.end();
    graph.end();
    why.end();
  };
}
