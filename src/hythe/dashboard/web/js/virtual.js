// Rows that exist only while they are in sight: a list of any length costs what fits on the screen.

import {h} from "./dom.js";

const SPARE = 6;

/** `height` of a row in pixels; `make()` gives an element, `show(element, item, index)` fills it. */
export class Rows {
  constructor(body, height, make, show) {
    this.body = body;
    this.height = height;
    this.make = make;
    this.show = show;
    this.items = [];
    this.pool = [];
    this.tall = h("div", {class: "tall", role: "presentation"});
    body.append(this.tall);
    this.scrolled = () => this.draw();
    body.addEventListener("scroll", this.scrolled, {passive: true});
    this.sized = new ResizeObserver(this.scrolled);
    this.sized.observe(body);
  }

  end() {
    this.sized.disconnect();
    this.body.removeEventListener("scroll", this.scrolled);
  }

  set(items) {
    this.items = items;
    const tall = `${items.length * this.height}px`;
    if (this.tall.style.height !== tall) this.tall.style.height = tall;
    this.draw();
  }

  /** Rows that fit. */
  get page() {
    return Math.max(1, Math.floor(this.body.clientHeight / this.height));
  }

  reveal(index) {
    const top = index * this.height;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    const bottom = top + this.height - this.body.clientHeight;
    if (bottom > this.body.scrollTop) this.body.scrollTop = bottom;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.body.scrollTop / this.height) - SPARE);
    const last = Math.min(this.items.length, first + this.page + 2 * SPARE);
    while (this.pool.length < last - first) {
      const element = this.make();
      this.pool.push(element);
      this.tall.append(element);
    }
    // A row keeps its element while it stays in sight, whatever comes in at the ends.
    this.pool.forEach((element) => { element.free = true; });
    const order = [];
    for (let index = first; index < last; index += 1) {
      const element = this.pool[index % this.pool.length];
      element.free = false;
      element.hidden = false;
      element.style.transform = `translateY(${index * this.height}px)`;
      this.show(element, this.items[index], index);
      order.push(element.id);
    }
    this.pool.forEach((element) => { if (element.free) element.hidden = true; });
    // Who hears the page gets them in the order that others see.
    if (this.body.getAttribute("aria-owns") !== order.join(" ")) this.body.setAttribute("aria-owns", order.join(" "));
  }
}
