// Something that is asked again when there is news, at most every so often, and only while it is looked at.

const PAUSE = 1500;

/** `ask()` is awaited; `see(yes)`: is it looked at? `changed(mark)`: asks again if the mark is another. */
export class Repeated {
  constructor(ask) {
    this.ask = ask;
    this.seen = false;
    this.mark = null;
    this.asked = null;
    this.timer = null;
    this.busy = false;
  }

  see(yes) {
    this.seen = yes;
    if (yes) this.run();
  }

  changed(mark) {
    this.mark = mark;
    this.run();
  }

  /** Whatever was asked before, ask now. */
  again() {
    this.asked = null;
    clearTimeout(this.timer);
    this.timer = null;
    this.run();
  }

  end() {
    this.seen = false;
    clearTimeout(this.timer);
  }

  async run() {
    if (!this.seen || this.busy || this.timer !== null || this.asked === this.mark) return;
    this.busy = true;
    this.asked = this.mark;
    await this.ask();
    this.busy = false;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.run();
    }, PAUSE);
  }
}
