// Ports: published ones, which can be taken back, and those that processes listen on inside.

import {change, get, sessionPath} from "./api.js";
import {h, say, table} from "./dom.js";
import {end} from "./format.js";

const PAUSE = 2000;

export function portsView(main, session) {
  const path = `${sessionPath(session.name)}/listeners`;
  const place = h("div", {id: "listeners"}, h("p", {class: "quiet"}, "Looking …"));
  const wanted = h("input", {id: "publication", required: true, placeholder: "8080:80", "aria-describedby": "publish-help"});
  const problem = h("p", {class: "bad", role: "alert", id: "publish-problem"});
  main.append(
    h("form", {class: "bar", onsubmit: publish}, h("label", null, "Publish ", wanted), h("button", {type: "submit", id: "publish"}, "Publish"),
      h("span", {class: "quiet", id: "publish-help"}, "[ADDR:]HOSTPORT:PORT[/udp], as for hythe run -p; host port 0 picks one")),
    problem, place);
  let before = null;
  let timer = null;
  let ended = false;

  async function act(method, where, body, text) {
    try {
      await change(method, where, body);
      problem.textContent = "";
      say(text);
    } catch (error) {
      problem.textContent = error.message;
    }
    look();
  }

  function publish(event) {
    event.preventDefault();
    act("POST", path, {publish: wanted.value}, `${wanted.value} is published`);
  }

  function row(each) {
    const outside = each.outside ? end([each.outside.address, each.outside.port]) : "–";
    return [each.protocol, outside, end([each.inside.address, each.inside.port]),
      each.process ? `${each.process.program} (${each.process.pid})` : "–",
      each.id === null ? "" : h("button", {type: "button", "data-id": each.id, onclick: () => act("DELETE", `${path}/${each.id}`, undefined, `${outside} is no longer published`)}, `Take ${outside} back`)];
  }

  async function look() {
    clearTimeout(timer);
    try {
      const found = await get(path);
      const text = JSON.stringify(found);
      if (text !== before && !ended) {
        before = text;
        place.replaceChildren(found.length
          ? table("Ports that are listened on", [["Proto"], ["Outside"], ["Inside"], ["Process"], ["Change"]], found.map(row))
          : h("p", {class: "quiet"}, "Nothing listens, and nothing is published."));
      }
    } catch (error) {
      before = null;
      if (!ended) place.replaceChildren(h("p", {class: "bad"}, error.message));
    }
    if (!ended) timer = setTimeout(look, PAUSE);
  }

  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
