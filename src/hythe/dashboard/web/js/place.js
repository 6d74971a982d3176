// Where one is: the part of the address behind the #, `/s/NAME/VIEW/ID`.

/** Its words. */
export function place() {
  return location.hash.slice(1).split("/").filter(Boolean).map(decodeURIComponent);
}

/** The address of a session, a view of it, a connection. */
export function link(name, ...rest) {
  return `#/s/${[name, ...rest].map(encodeURIComponent).join("/")}`;
}
