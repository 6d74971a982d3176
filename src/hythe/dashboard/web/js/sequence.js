// The sequence diagram: packets as arrows between two ends, in time, drawn as far as they are in sight.

import {h, s} from "./dom.js";

const HEIGHT = 40;
const SPARE = 4;
const OPENING = 3;
/** Packets kept in the page: the first, for the handshake, and the last. */
const FIRST = 48;
const MOST = 6000;
/** Where the lifelines stand, in shares of the width. */
const LEFT = 0.19;
const RIGHT = 0.97;

/** Packets are rows of [number, seconds, back?, text, size, comment]; `chosen(number)` when one is. */
export class Sequence {
  constructor(chosen) {
    this.packets = [];
    this.opened = null;
    this.told = chosen;
    this.inside = h("span", null, "the command");
    this.remote = h("span", null, "the far side");
    this.drawing = s("svg", {role: "presentation"});
    this.tall = h("div", {class: "tall", role: "presentation"}, this.drawing);
    this.box = h("div", {class: "diagram", role: "listbox", tabindex: 0, id: "diagram", "aria-label": "Packets in time: arrow keys choose one"}, this.tall);
    this.element = h("div", null, h("div", {class: "ends"}, this.inside, this.remote), this.box);
    this.box.addEventListener("scroll", () => this.draw(), {passive: true});
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-number]");
      if (row) this.choose(Number(row.dataset.number));
    });
    this.sized = new ResizeObserver(() => this.draw());
    this.sized.observe(this.box);
  }

  end() {
    this.sized.disconnect();
  }

  name(inside, remote) {
    this.inside.textContent = inside;
    this.remote.textContent = remote;
  }

  clear() {
    this.packets = [];
  }

  add(packets) {
    const below = this.box.scrollTop + this.box.clientHeight >= this.tall.offsetHeight - HEIGHT && this.packets.length > OPENING;
    this.packets.push(...packets);
    if (this.packets.length > MOST) this.packets.splice(FIRST, this.packets.length - MOST);
    this.tall.style.height = `${this.packets.length * HEIGHT}px`;
    if (below && this.opened === null) this.box.scrollTop = this.tall.offsetHeight;
    if (packets.length) this.draw();
  }

  key(event) {
    const at = this.packets.findIndex((each) => each[0] === this.opened);
    const page = Math.max(1, Math.floor(this.box.clientHeight / HEIGHT));
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.packets.length - 1}[event.key];
    if (to === undefined || !this.packets.length) return;
    event.preventDefault();
    this.choose(this.packets[Math.min(this.packets.length - 1, Math.max(0, to))][0]);
  }

  choose(number) {
    const at = this.packets.findIndex((each) => each[0] === number);
    if (at < 0) return;
    this.opened = number;
    const top = at * HEIGHT;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    if (top + HEIGHT > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + HEIGHT - this.box.clientHeight;
    this.draw();
    this.told(number);
  }

  draw() {
    const wide = this.box.clientWidth;
    if (!wide) return;
    const first = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(this.packets.length, first + Math.ceil(this.box.clientHeight / HEIGHT) + 2 * SPARE);
    const high = (last - first) * HEIGHT;
    this.drawing.style.top = `${first * HEIGHT}px`;
    this.drawing.setAttribute("height", high);
    this.drawing.setAttribute("width", wide);
    const lives = [LEFT, RIGHT].map((share) => s("line", {class: "life", x1: share * wide, x2: share * wide, y1: 0, y2: high}));
    const rows = this.packets.slice(first, last).map((packet, at) => this.row(packet, first + at, at * HEIGHT, wide));
    this.drawing.replaceChildren(...lives, ...rows);
    const chosen = this.opened === null ? null : this.drawing.querySelector(`#packet-${this.opened}`);
    if (chosen) this.box.setAttribute("aria-activedescendant", chosen.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row([number, at, back, text, size, comment], index, top, wide) {
    const [from, to] = back ? [RIGHT * wide, LEFT * wide] : [LEFT * wide, RIGHT * wide];
    const middle = top + HEIGHT - 10;
    const tip = back ? 8 : -8;
    const classes = [back && "back", index < OPENING && "opening", number === this.opened && "chosen", /retransmi/.test(comment) && "again"];
    const before = index ? this.packets[index - 1][1] : 0;
    const label = `${number}. ${text}${comment ? ` · ${comment}` : ""}`;
    const spoken = `packet ${label}, ${back ? "to" : "from"} the command, at ${at.toFixed(6)} s, ${size} bytes`;
    return s("g", {role: "option", id: `packet-${number}`, "data-number": number, class: classes.filter(Boolean).join(" ") || null,
      "aria-selected": number === this.opened, "aria-label": spoken, "aria-setsize": this.packets.length, "aria-posinset": index + 1},
    s("title", null, spoken),
    s("rect", {class: "ground", x: 0, y: top, width: wide, height: HEIGHT}),
    s("text", {class: "time", x: 6, y: middle + 4}, index ? `+${((at - before) * 1000).toFixed(2)} ms` : `${at.toFixed(3)} s`),
    s("text", {x: LEFT * wide + 14, y: middle - 8}, label),
    s("line", {class: "arrow", x1: from, y1: middle, x2: to, y2: middle}),
    s("path", {class: "tip", d: `M${to},${middle}l${tip},-5v10z`}));
  }
}
