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

/** The same in less room: its name or its address, and the port. */
export function shortRemote(row) {
  return row.name ? end([row.name, row.remote[1]]) : end(row.remote);
}

/** Round places of an axis, `most` steps at the most: of 1, 2 or 5 times a power of ten. The step, and the first. */
export function steps(from, span, most) {
  for (let unit = 1e-9; ; unit *= 10) {
    const part = [1, 2, 5].find((each) => span / (each * unit) <= most * 1.00001);
    if (part) return [part * unit, Math.ceil(from / (part * unit) - 1e-6) * part * unit];
  }
}

/** A place on an axis: `steps` makes them round, so that few figures tell it. */
export function place(seconds) {
  if (seconds < 5e-10) return "0";
  const [unit, name] = seconds >= 0.9995 ? [1, "s"] : seconds >= 0.9995e-3 ? [1e-3, "ms"] : [1e-6, "µs"];
  return `${+(seconds / unit).toPrecision(9)} ${name}`;
}
