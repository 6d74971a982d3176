"""What each socket is for, as far as its ports, its program and its names tell; and what nothing explains.

A port says little for certain (whoever may can listen anywhere), hence the reasons to look closer are named one by one:
no known program, no service, no name, listening on all addresses. Where all of them that can apply do, nothing explains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hythe.services.ports import category
from hythe.services.registry import registry
from hythe.services.remarks import remarks
from hythe.view.netstat.sockets import Row
from hythe.view.netstat.table import Shown, address_text, columns, plain, program
from hythe.view.netstat.table import as_json as to_json

_HEADINGS = ("", "Proto", "Local Address", "Foreign Address", "State", "PID/Program", "What it is")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of one socket. `doubts`: reasons to look closer; `unexplained`: nothing explains it."""

    text: str
    doubts: tuple[str, ...]
    unexplained: bool


def explain(row: Row, shown: Shown, listening: frozenset[tuple[str, int]]) -> Explanation:
    """Explain one socket; `listening`: protocol and port of all that listen beside it."""
    serves = row.waits or (row.protocol, row.local_port) in listening
    port = row.local_port if serves else row.remote_port
    service = _service(port, row.protocol, shown)
    if row.waits:
        text = f"listens for {_port(port, row.protocol, service)}"
    elif serves:
        text = f"somebody's connection to our {_port(port, row.protocol, service)}"
    else:
        text = f"from our ephemeral port {row.local_port} to {_port(port, row.protocol, service)}"
    if not row.waits and not row.inode and row.session is None:
        text += "; ended, the kernel keeps it for a while"
    doubts = []
    held = bool(row.holders) or (not row.inode and row.session is None)
    if not held:
        doubts.append("no known program")
    if service is None:
        doubts.append(f"no service has port {port}")
    everywhere = row.waits and not any(row.local)
    nameless = not (row.waits or row.name or _is_own(row.remote))
    nameless = nameless and shown.address(row.remote, row.mapped) == address_text(row.remote, row.mapped)
    if everywhere:
        doubts.append("listens on all addresses")
    if nameless and not shown.numeric:
        doubts.append("never resolved by name")
    doubts += [f"{each.kind}: {each.text}" for each in remarks(port, row.protocol)]
    nothing = not row.holders and service is None and (everywhere or nameless)
    return Explanation(text, tuple(doubts), nothing)


def _is_own(address: bytes) -> bool:
    """Loopback needs no name."""
    return address[:1] == b"\x7f" if len(address) == 4 else address == bytes(15) + b"\x01"


def _service(port: int, protocol: str, shown: Shown) -> str | None:
    """What /etc/services or IANA calls it."""
    name = shown.service(port, protocol)
    if name is None and (found := registry().at(port, protocol)) is not None:
        return found.name or None
    return name


def _port(port: int, protocol: str, service: str | None) -> str:
    found = registry().at(port, protocol)
    what = f" ({found.description})" if found is not None and service and found.description else ""
    return f"{category(port)} port {port}" + (f", {service}{what}" if service else "")


def report(tables: Mapping[str, Sequence[Row]], shown: Shown, *, as_json: bool) -> str:
    """One line a socket: ``!`` for what nothing explains, ``?`` for what has a reason to look closer; and how many."""
    rows, objects, marks = [_HEADINGS], [], {"!": 0, "?": 0, "": 0}
    for name, found in tables.items():
        listening = frozenset((row.protocol, row.local_port) for row in found if row.waits)
        for row in found:
            why = explain(row, shown, listening)
            mark = "!" if why.unexplained else "?" if why.doubts else ""
            marks[mark] += 1
            text = "; ".join((why.text, *why.doubts)) + (f" (session {name})" if name else "")
            proto = row.protocol + ("6" if row.family == 6 else "")
            rows.append((mark, proto, shown.local(row), shown.remote(row), row.state, program(row.holders), text))
            said = {"explanation": why.text, "doubts": list(why.doubts), "unexplained": why.unexplained}
            if as_json:
                objects.append(plain(row, shown) | said)
    if as_json:
        return to_json(objects) + "\n"
    closing = f"{sum(marks.values())} sockets: {marks['?']} to look at (?), {marks['!']} that nothing explains (!)\n"
    return columns(rows) + closing
