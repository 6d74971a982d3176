"""Ports as a filter names them: numbers, services, ranges of either."""

from __future__ import annotations

from hythe.view.filter.names import Names

PORT_MAX = 0xFFFF


def port_range(text: str, kind: str, protocols: tuple[str, ...], names: Names) -> tuple[int, int, tuple[str, ...]] | str:
    """First port, last port, and which of `protocols` it concerns; or what is wrong.

    `kind` is "port" or "portrange". A service is looked for with the protocols that have it; with all of them if it has one
    number everywhere.
    """
    if kind == "portrange":
        for place in (place for place, sign in enumerate(text) if sign == "-"):
            low, high = _port(text[:place], protocols, names), _port(text[place + 1 :], protocols, names)
            if low is not None and high is not None:
                return min(low[0], high[0]), max(low[0], high[0]), protocols
    found = _port(text, protocols, names)
    if found is None:
        what = "a range of ports" if kind == "portrange" else f"a service of {' or '.join(protocols)}"
        return f"{text!r} is not {what}: a port goes up to {PORT_MAX}" if text[:1].isdigit() else f"{text!r} is not {what}"
    return found[0], found[0], found[1]


def _port(text: str, protocols: tuple[str, ...], names: Names) -> tuple[int, tuple[str, ...]] | None:
    if text.isascii() and text.isdigit():
        value = int(text)
        return (value, protocols) if value <= PORT_MAX else None
    ports = names.port(text) if text else {}
    known = tuple(each for each in protocols if each in ports)
    if not known:
        return None
    everywhere = len(ports) > 1 and len(set(ports.values())) == 1
    return ports[known[0]], protocols if everywhere else known
