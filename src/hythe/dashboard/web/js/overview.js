// A session at a glance: totals, rates, notices, and who moves most.

import {h} from "./dom.js";
import {bytes, end, rate, remote} from "./format.js";
import {liveTable} from "./livetable.js";
import {link} from "./place.js";
import {ratesChart} from "./rates.js";

const BUSIEST = 8;
const CARDS = [
  ["open", "Open connections", (session) => session.totals.open],
  ["connections", "Connections so far", (session) => session.totals.connections],
  ["refused", "Refused", (session) => session.totals.refused],
  ["up_rate", "Up", (session) => rate(session.moments.at(-1)?.[1] ?? 0)],
  ["down_rate", "Down", (session) => rate(session.moments.at(-1)?.[2] ?? 0)],
  ["bytes_up", "Sent", (session) => bytes(session.totals.bytes_up)],
  ["bytes_down", "Received", (session) => bytes(session.totals.bytes_down)],
  ["queries", "Names asked for", (session) => session.totals.queries],
];

export function overviewView(main, session) {
  const values = new Map(CARDS.map(([id]) => [id, h("dd", {id: `total-${id}`}, "–")]));
  const chart = ratesChart();
  const busiest = liveTable("Busiest connections", [["ID", 1], ["From"], ["To"], ["Owner"], ["Up", 1], ["Down", 1]]);
  const idle = h("p", {class: "quiet"}, "No connection is open.");
  const about = h("div", null);
  main.append(
    h("dl", {class: "cards"}, CARDS.map(([id, title]) => h("div", null, h("dt", null, title), values.get(id)))),
    h("h2", null, "Rates"), chart.element, busiest.element, idle, about,
  );

  function facts() {
    if (!session.about) return;
    const {addresses, gateways, mtu, notices, tunnels} = session.about;
    const faults = Object.entries(session.faults).map(([name, text]) => `${name.replace("_", "-")}=${text}`).join(" ");
    const all = [...new Set([...notices, ...session.notices])];
    about.replaceChildren(
      // A forward and a proxy have no network inside, but tunnels, or ports.
      ...(mtu ? [
        h("p", {class: "quiet"}, `Addresses inside: ${addresses.join(", ")}; gateways: ${gateways.join(", ")}; MTU ${mtu}.`),
        h("p", {id: "overview-faults"}, faults ? `Faults of the wire: ${faults}.` : "No faults of the wire."),
      ] : []),
      ...tunnels.map((each) => h("p", null, `Tunnel ${each.name}, ${each.via}: ${each.state}${each.reason ? `, ${each.reason}` : ""}; ${each.forwards.join(", ")}`)),
      ...(all.length ? [h("h2", null, "Notices"), h("ul", null, all.map((each) => h("li", null, each)))] : []),
    );
  }

  function draw() {
    if (!session.totals) return;
    for (const [id, , text] of CARDS) values.get(id).textContent = text(session);
    chart.draw(session.moments);
    const rows = [...session.rows.values()].filter((each) => each.ended === null)
      .sort((a, b) => (b.up_rate + b.down_rate) - (a.up_rate + a.down_rate) || (b.up + b.down) - (a.up + a.down))
      .slice(0, BUSIEST);
    busiest.set(rows.map((each) => [each.id, [
      () => h("a", {href: link(session.name, "connections", String(each.id))}, String(each.id)),
      end(each.inside), remote(each), each.owner ?? "–", rate(each.up_rate), rate(each.down_rate)]]));
    busiest.element.hidden = !rows.length;
    idle.hidden = rows.length > 0;
    facts();
  }

  session.addEventListener("board", draw);
  session.addEventListener("about", facts);
  draw();
  facts();
  return () => {
    session.removeEventListener("board", draw);
    session.removeEventListener("about", facts);
    chart.end();
  };
}
