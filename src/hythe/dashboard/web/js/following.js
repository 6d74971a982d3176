// A stream that is kept: taken up again when it broke, and given up while nobody looks at the page.

import {events, Problem} from "./api.js";

const PAUSE = 1000;
/** Who was not let in is not let in when asking again. */
const REFUSED = 403;

/** Follow `path()` until `stop`; `on(kind, value)`, and `on("cut", sentence)` when the server does not answer. */
export class Following {
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.stopped = false;
    this.look = () => (document.hidden ? this.aborter?.abort() : this.wake?.());
    document.addEventListener("visibilitychange", this.look);
    this.run();
  }

  stop() {
    this.stopped = true;
    document.removeEventListener("visibilitychange", this.look);
    this.aborter?.abort();
    this.wake?.();
  }

  /** Ask again, for what `path()` is now. */
  restart() {
    this.again = true;
    this.aborter?.abort();
  }

  async run() {
    while (!this.stopped) {
      if (document.hidden) await new Promise((resolve) => { this.wake = resolve; });
      if (this.stopped) return;
      this.aborter = new AbortController();
      try {
        await events(this.path(), this.aborter.signal, (kind, value) => this.stopped || this.on(kind, value));
        if (!this.stopped) this.on("cut", "hythe dashboard has ended");
      } catch (error) {
        if (error instanceof Problem) {
          this.on("cut", error.message);
          if (error.status === REFUSED) return;
        }
        else if (error.name === "TypeError") this.on("cut", "hythe dashboard has ended");
        else if (error.name !== "AbortError") throw error;
      }
      if (this.again || document.hidden) this.again = false;
      else if (!this.stopped) await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    }
  }
}
