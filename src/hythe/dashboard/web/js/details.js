// Everything that the session tells of a connection, as two lists of facts.

import {h, table} from "./dom.js";
import {bytes, duration} from "./format.js";

const SIZES = new Set(["bytes_up", "bytes_down", "held_up", "held_down", "cwnd", "ssthresh", "mss", "receive_mss", "unacknowledged",
  "unsent", "unread", "send_window", "receive_window", "delivered"]);
const TIMES = new Set(["rtt", "rtt_min", "rtt_variance", "rto"]);
const MOMENTS = new Set(["began", "ended"]);

function text(name, value) {
  if (value === null || value === undefined) return "–";
  if (SIZES.has(name)) return `${bytes(value)}${value >= 1024 ? ` (${value})` : ""}`;
  if (TIMES.has(name)) return duration(value);
  if (MOMENTS.has(name)) return new Date(value * 1000).toLocaleString("en-GB");
  if (name === "pacing_rate") return value ? `${bytes(value)}/s` : "none";
  if (typeof value === "object") return "program" in value ? `${value.program} (${value.pid})` : `${value.address} port ${value.port}`;
  return String(value);
}

function facts(caption, object) {
  return table(caption, [["Name"], ["Value", 1]], Object.entries(object).map(([name, value]) => [name.replaceAll("_", " "), text(name, value)]));
}

export function details(connection, info) {
  return h("div", {class: "bar details"}, facts("The connection", connection),
    info ? facts("hythe's end of it, as tcp_info tells it", info) : h("p", {class: "quiet"}, "There is no more to tell of it."));
}
