// Tabs within a view: arrow keys go from one to the next.

import {h} from "./dom.js";

/** `panels`: [id, title, element]. `chosen(id)` is called at once, and with every change. */
export function tabs(label, panels, chosen) {
  const buttons = panels.map(([id, title]) => h("button", {type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`,
    onclick: () => choose(id)}, title));
  const list = h("div", {class: "tabs", role: "tablist", "aria-label": label}, buttons);
  for (const [id, , element] of panels) {
    element.id = `panel-${id}`;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", `tab-${id}`);
  }
  list.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const at = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    buttons[at].focus();
    choose(panels[at][0]);
  });

  function choose(id) {
    panels.forEach(([each, , element], at) => {
      element.hidden = each !== id;
      buttons[at].setAttribute("aria-selected", each === id);
      buttons[at].tabIndex = each === id ? 0 : -1;
    });
    chosen(id);
  }

  return {elements: [list, ...panels.map((each) => each[2])], choose};
}
