// Elements without markup: text stays text, so nothing that a packet or a name says can become part of the page.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return element;
}

/** An element of HTML: h("p", {class: "quiet", onclick: act}, "text", child). */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A plain table: `columns` are [heading, is it a number?], `rows` arrays of text or elements. */
export function table(caption, columns, rows) {
  const kind = (index) => (columns[index][1] ? "number" : null);
  return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
    h("table", null,
      h("caption", null, caption),
      h("thead", null, h("tr", null, columns.map(([text], index) => h("th", {scope: "col", class: kind(index)}, text)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((cell, index) => h("td", {class: kind(index)}, cell)))))));
}

/** Say something to who hears the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
