// The sessions that run, for who came without a name.

import {get} from "./api.js";
import {h} from "./dom.js";
import {bytes, duration} from "./format.js";
import {liveTable} from "./livetable.js";
import {link} from "./place.js";

const PAUSE = 2000;

export function sessionsView(main) {
  const told = h("p", {class: "quiet", role: "status"}, "Looking …");
  const list = liveTable("Sessions that run",
    [["Name"], ["PID", 1], ["Since", 1], ["Up", 1], ["Down", 1], ["Open", 1], ["Command"]]);
  list.element.hidden = true;
  main.append(told, list.element);
  let timer = null;
  let ended = false;

  function row(about) {
    const open = () => h("a", {href: link(about.name)}, about.name);
    if (about.error) return [about.name, [open, "–", "–", "–", "–", "–", about.error]];
    const what = [about.command.join(" "), ...about.tunnels.map((each) => `${each.name} ${each.state}`)].filter(Boolean);
    const totals = about.totals;
    return [about.name, [open, String(about.pid), duration(Date.now() / 1000 - about.since), bytes(totals.bytes_up),
      bytes(totals.bytes_down), String(totals.open), what.join("; ")]];
  }

  async function look() {
    try {
      const found = await get("/sessions");
      list.set(found.map(row));
      list.element.hidden = !found.length;
      told.className = "quiet";
      told.textContent = found.length ? "" : "No session runs. Start one, and it will be shown here: hythe run -- COMMAND";
    } catch (error) {
      told.className = "bad";
      told.textContent = error.message;
    }
    if (!ended) timer = setTimeout(look, PAUSE);
  }

  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
