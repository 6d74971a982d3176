// What this page knows of one session: rows of its connections, totals, rates, names looked up. Views are told when it changes.

import {sessionPath} from "./api.js";
import {Following} from "./following.js";

/** Samples of a connection's rate that its sparkline shows. */
export const SAMPLES = 60;

export class Session extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.record = false;
    this.forget();
    this.state = {state: "looking", sentence: `looking for the session ${name}`};
    this.following = new Following(
      () => `${sessionPath(name)}/stream${this.record ? "?record=1" : ""}`,
      (kind, value) => this.take(kind, value),
    );
  }

  forget() {
    this.rows = new Map();
    this.moments = [];
    this.queries = [];
    this.notices = [];
    this.totals = null;
    this.faults = {};
    this.missed = 0;
    this.recording = false;
    this.about = this.about ?? null;
  }

  close() {
    this.following.stop();
  }

  /** Keep the first packets of every connection that begins, or no longer. */
  keep(record) {
    this.record = record;
    this.following.restart();
  }

  take(kind, value) {
    if (kind === "columns") this.columns = value;
    else if (kind === "state") this.state = value;
    else if (kind === "cut") this.state = {state: "cut", sentence: value};
    else if (kind === "about") this.about = value;
    else if (kind === "owners") for (const [id, owner] of value) this.own(id, owner);
    else if (kind === "board") this.board(value);
    this.dispatchEvent(new CustomEvent(kind === "cut" ? "state" : kind));
  }

  own(id, owner) {
    const row = this.rows.get(id);
    if (row) row.owner = owner;
  }

  board(told) {
    if (told.reset) this.forget();
    for (const each of told.rows) this.begin(each);
    for (const each of told.figures) this.change(each);
    for (const id of told.gone) this.rows.delete(id);
    this.moments.push(...(told.history ?? (told.moment ? [told.moment] : [])));
    if (this.moments.length > 300) this.moments.splice(0, this.moments.length - 300);
    this.queries.push(...told.queries);
    if (this.queries.length > 1000) this.queries.splice(0, this.queries.length - 1000);
    this.notices.push(...told.notices);
    this.totals = told.totals;
    this.faults = told.faults;
    this.missed = told.missed;
    this.recording = told.recording;
    this.sample();
  }

  begin(values) {
    const row = {};
    this.columns.whole.forEach((name, index) => { row[name] = values[index]; });
    const told = row.rates;
    row.rates = new Float32Array(SAMPLES);
    // Its last sample is written by `sample`, in the place behind these.
    told?.forEach((each, index) => { row.rates[((this.place ?? -1) + 1 + index + 1 + SAMPLES) % SAMPLES] = each; });
    row.search = null;
    this.rows.set(row.id, row);
  }

  change(values) {
    const row = this.rows.get(values[0]);
    if (!row) return;
    const names = this.columns.figures;
    for (let index = 1; index < names.length; index += 1) row[names[index]] = values[index];
  }

  /** One more sample of every rate: rings that share one place to write at. */
  sample() {
    this.place = ((this.place ?? -1) + 1) % SAMPLES;
    for (const row of this.rows.values()) row.rates[this.place] = row.up_rate + row.down_rate;
  }
}
