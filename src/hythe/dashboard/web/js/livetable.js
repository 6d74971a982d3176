// A table that is told anew again and again: rows stay the elements they are, so that a click, the focus and a selection last.

import {h} from "./dom.js";

/** `element`, and `set(rows)`: each [key, cells]; a cell is text, or made once for its row by a function. */
export function liveTable(caption, columns) {
  const head = h("tr", null, columns.map(([text, number]) => h("th", {scope: "col", class: number ? "number" : null}, text)));
  const body = h("tbody");
  const title = h("caption", null, caption);
  const element = h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
    h("table", null, title, h("thead", null, head), body));
  const known = new Map();

  function make(cells) {
    return h("tr", null, cells.map((cell, at) => h("td", {class: columns[at][1] ? "number" : null},
      typeof cell === "function" ? cell() : cell)));
  }

  return {
    element,
    set(rows) {
      const keys = new Set(rows.map((each) => each[0]));
      for (const [key, row] of known) {
        if (!keys.has(key)) {
          row.remove();
          known.delete(key);
        }
      }
      rows.forEach(([key, cells], at) => {
        let row = known.get(key);
        if (!row) {
          row = make(cells);
          known.set(key, row);
        } else {
          cells.forEach((cell, index) => {
            if (typeof cell !== "function" && row.children[index].textContent !== cell) row.children[index].textContent = cell;
          });
        }
        if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
      });
    },
  };
}
