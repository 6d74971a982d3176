// The table of connections: thousands of rows, sorted and filtered here, made only as they come into sight.

import {h, say} from "./dom.js";
import {bytes, duration, end, rate, remote, shortRemote} from "./format.js";
import {link} from "./place.js";
import {spark} from "./spark.js";
import {colour} from "./theme.js";
import {Rows} from "./virtual.js";

const HEIGHT = 28;
/** name, heading, number?, text of a row, and what it is sorted by. */
const COLUMNS = [
  ["id", "ID", true, (row) => String(row.id), (row) => row.id],
  ["protocol", "Proto", false, (row) => row.protocol, (row) => row.protocol],
  ["inside", "Inside", false, (row) => `${end(row.inside)} ${row.inbound ? "←" : "→"}`, (row) => end(row.inside)],
  ["remote", "Remote", false, shortRemote, (row) => remote(row)],
  ["owner", "Owner", false, (row) => row.owner ?? "", (row) => row.owner ?? "~"],
  ["state", "State", false, (row) => row.error ?? row.state, (row) => row.error ?? row.state],
  ["up_rate", "Up/s", true, (row) => rate(row.up_rate), (row) => row.up_rate],
  ["down_rate", "Down/s", true, (row) => rate(row.down_rate), (row) => row.down_rate],
  ["spark", "Last minute", false, null, (row) => row.up_rate + row.down_rate],
  ["up", "Up", true, (row) => bytes(row.up), (row) => row.up],
  ["down", "Down", true, (row) => bytes(row.down), (row) => row.down],
  ["rtt", "RTT", true, (row) => duration(row.rtt), (row) => row.rtt ?? -1],
  ["resent", "Resent", true, (row) => String(row.resent), (row) => row.resent],
  ["age", "Lasted", true, (row) => duration((row.ended ?? Date.now() / 1000) - row.began), (row) => (row.ended ?? Date.now() / 1000) - row.began],
];

/** Kept from one look at the table to the next. */
const kept = {sort: "id", falling: true, filter: "", past: true, chosen: null};

function search(row) {
  row.search ??= [row.id, row.protocol, end(row.inside), remote(row), row.via ?? "", row.inbound ? "inbound" : "outbound"].join(" ").toLowerCase();
  return `${row.search} ${(row.owner ?? "").toLowerCase()} ${row.state.toLowerCase()} ${(row.error ?? "").toLowerCase()}`;
}

export function connectionsView(main, session) {
  const count = h("span", {class: "quiet", id: "shown"});
  const filter = h("input", {type: "search", id: "filter", size: 28, placeholder: "name, address, state, owner …", value: kept.filter,
    oninput: () => { kept.filter = filter.value; draw(); }});
  const past = h("input", {type: "checkbox", id: "past", checked: kept.past, onchange: () => { kept.past = past.checked; draw(); }});
  const record = h("input", {type: "checkbox", id: "record", checked: session.record, onchange: () => session.keep(record.checked)});
  const heads = COLUMNS.map(([name, title, number]) => h("div", {role: "columnheader", class: number ? "number" : null},
    h("button", {type: "button", "data-sort": name, onclick: () => sort(name)}, title)));
  const body = h("div", {class: "body", role: "rowgroup", tabindex: 0, id: "rows", "aria-label": "Connections: arrow keys move, Enter opens"});
  const grid = h("div", {class: "grid", role: "grid", "aria-label": "Connections", "aria-colcount": COLUMNS.length},
    h("div", {role: "rowgroup"}, h("div", {class: "head", role: "row", "aria-rowindex": 1}, heads)), body);
  main.append(
    h("div", {class: "bar"},
      h("label", null, "Filter ", filter), h("label", null, past, " ended ones too"),
      h("label", {title: "So that a connection which is opened later has its handshake"}, record, " record the first packets of new ones"), count),
    grid,
  );
  const rows = new Rows(body, HEIGHT, make, show);
  let ink = colour("down");
  const themed = () => { ink = colour("down"); draw(); };

  function make() {
    const cells = COLUMNS.map(([name, , number]) => name === "spark"
      ? h("canvas", {role: "gridcell", "aria-hidden": "true"}) : h("div", {role: "gridcell", class: number ? "number" : null}));
    const element = h("div", {class: "row", role: "row"}, cells);
    element.cells = cells;
    element.addEventListener("click", () => open(element.item));
    return element;
  }

  function show(element, row, index) {
    element.item = row;
    element.id = `row-${index % rows.pool.length}`;
    element.dataset.id = row.id;
    element.setAttribute("aria-rowindex", index + 2);
    const chosen = row.id === kept.chosen;
    element.setAttribute("aria-selected", chosen);
    element.className = `row${row.ended === null ? "" : " past"}${chosen ? " chosen" : ""}`;
    if (chosen) body.setAttribute("aria-activedescendant", element.id);
    COLUMNS.forEach(([name, , , text], at) => {
      const cell = element.cells[at];
      if (!text) spark(cell, row.rates, session.place ?? 0, ink);
      else {
        const made = text(row);
        if (cell.textContent !== made) cell.textContent = made;
        if (name === "state") cell.classList.toggle("failed", row.error !== null);
      }
    });
  }

  function open(row) {
    kept.chosen = row.id;
    location.hash = link(session.name, "connections", String(row.id));
  }

  function sort(name) {
    kept.falling = kept.sort === name ? !kept.falling : COLUMNS.find((each) => each[0] === name)[2] === true;
    kept.sort = name;
    draw();
    say(`sorted by ${name}, ${kept.falling ? "falling" : "rising"}`);
  }

  function draw() {
    const words = kept.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const by = COLUMNS.find((each) => each[0] === kept.sort)[4];
    const items = [];
    for (const row of session.rows.values()) {
      if (!kept.past && row.ended !== null) continue;
      if (words.length) {
        const text = search(row);
        if (!words.every((each) => text.includes(each))) continue;
      }
      row.key = by(row);
      items.push(row);
    }
    const sign = kept.falling ? -1 : 1;
    items.sort((a, b) => (a.key < b.key ? -sign : a.key > b.key ? sign : a.id - b.id));
    heads.forEach((head, at) => head.setAttribute("aria-sort",
      COLUMNS[at][0] !== kept.sort ? "none" : kept.falling ? "descending" : "ascending"));
    grid.setAttribute("aria-rowcount", items.length + 1);
    count.textContent = [`${items.length} of ${session.rows.size} connections`,
      session.missed && `${session.missed} came and went unseen`, session.recording && "packets are recorded"].filter(Boolean).join("; ");
    body.removeAttribute("aria-activedescendant");
    rows.set(items);
  }

  body.addEventListener("keydown", (event) => {
    const at = rows.items.findIndex((each) => each.id === kept.chosen);
    const moves = {ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + rows.page, PageUp: at - rows.page, Home: 0, End: rows.items.length - 1};
    if (event.key === "Enter" && at >= 0) open(rows.items[at]);
    else if (event.key in moves && rows.items.length) {
      event.preventDefault();
      const to = Math.min(rows.items.length - 1, Math.max(0, moves[event.key]));
      kept.chosen = rows.items[to].id;
      rows.reveal(to);
    }
  });
  session.addEventListener("board", draw);
  session.addEventListener("owners", draw);
  window.addEventListener("themechange", themed);
  draw();
  return () => {
    session.removeEventListener("board", draw);
    session.removeEventListener("owners", draw);
    window.removeEventListener("themechange", themed);
    rows.end();
  };
}
