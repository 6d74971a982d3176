// Sizes, times and ends as people read them; the same units as hythe's commands.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count) {
  let unit = 0;
  while (count >= 1024 && unit < UNITS.length - 1) { count /= 1024; unit += 1; }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${UNITS[unit]}`;
}

export function rate(count) {
  return count ? `${bytes(count)}/s` : "–";
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1e-3) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor(seconds % 3600 / 60)}m`;
}

export function end([address, port]) {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

/** Where a connection leads: its name, where it has one, and its address. */
export function remote(row) {
  const far = end(row.remote);
  return row.name && row.name !== row.remote[0] ? `${row.name} (${far})` : far;
}
