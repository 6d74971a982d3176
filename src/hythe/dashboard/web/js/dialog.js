// A question before something is done that cannot be undone.

import {h} from "./dom.js";

/** Ask; act if the answer is yes. */
export function ask(question, yes, act) {
  const dialog = h("dialog", {"aria-labelledby": "question", onclose: () => {
    if (dialog.returnValue === "yes") act();
    dialog.remove();
  }},
  h("p", {id: "question"}, question),
  h("div", {class: "bar"},
    h("button", {type: "button", onclick: () => dialog.close("no")}, "No"),
    h("button", {type: "button", class: "danger", id: "yes", onclick: () => dialog.close("yes")}, yes)));
  document.body.append(dialog);
  dialog.showModal();
}
