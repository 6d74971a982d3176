"""Sockets in netstat's columns, and as JSON."""

from __future__ import annotations

import json
import pwd
import socket
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from hythe.services.etc import names as names_of_ports
from hythe.services.ports import WELL_KNOWN_MAX
from hythe.view.names import HostNames
from hythe.view.netstat.sockets import Holder, Row
from hythe.view.visible import visible

_HEADINGS: Final = ("Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State", "User")
_RIGHT: Final = frozenset({1, 2})
_DIRECT: Final = (None, "direct")
Cells = Sequence[str]


class Shown:
    """How addresses, ports and users are shown: as names, or with `numeric` as numbers."""

    def __init__(self, names: HostNames | None = None) -> None:
        self._names = names
        self.numeric = names is None
        self._services = cache(names_of_ports)
        self.user: Callable[[int | None], str] = cache(self._user)
        self.address: Callable[[bytes, bool], str] = cache(address_text if names is None else self._named)

    def service(self, port: int, protocol: str) -> str | None:
        """What `services.ports.service_name` says, at the price of a dictionary."""
        name = self._services().get((port, protocol))
        if name is None and 0 < port <= WELL_KNOWN_MAX:
            from hythe.services.registry import registry

            found = registry().at(port, protocol)
            name = found.name or None if found is not None else None
        return name

    def local(self, row: Row) -> str:
        """Address and port of this end."""
        return self._end(row, row.local, row.local_port, self.address(row.local, row.mapped))

    def remote(self, row: Row) -> str:
        """Address and port of the far one; its name as well where nobody here knows the address."""
        known = None if self.numeric and any(row.remote) else row.name
        return self._end(row, row.remote, row.remote_port, known or self.address(row.remote, row.mapped))

    def _end(self, row: Row, address: bytes, port: int, text: str) -> str:
        if row.interface and (address[:2] == b"\xfe\x80" or (port == row.local_port and not any(address))):
            text += f"%{row.interface}"
        number = "*" if port == 0 else str(port)
        if port and not self.numeric:
            number = self.service(port, row.protocol) or number
        return f"[{text}]:{number}" if ":" in text else f"{text}:{number}"

    def _named(self, address: bytes, mapped: bool) -> str:
        name = self._names.get(address) if self._names is not None and any(address) else None
        return name or address_text(address, mapped)

    def _user(self, number: int | None) -> str:
        if number is None or self.numeric:
            return "-" if number is None else str(number)
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return str(number)


def address_text(address: bytes, mapped: bool = False) -> str:
    """As numbers; IPv4's in an IPv6 socket as the socket has it: ``::ffff:127.0.0.1``."""
    if len(address) == 4:
        text = socket.inet_ntop(socket.AF_INET, address)
        return f"::ffff:{text}" if mapped else text
    return socket.inet_ntop(socket.AF_INET6, address)


def table(rows: Sequence[Row], shown: Shown, *, processes: bool) -> str:
    """One line a socket, under the headings; a last column tells of the ways, where any socket goes by one."""
    headings = [*_HEADINGS, "PID/Program"] if processes else _HEADINGS
    lines = [headings, *(cells(row, shown, processes=processes) for row in rows)]
    if any(row.via not in _DIRECT for row in rows):
        ways = ["Via", *(visible(row.via or "-") for row in rows)]
        lines = [[*line, way] for line, way in zip(lines, ways, strict=True)]
    return columns(lines, _RIGHT)


def cells(row: Row, shown: Shown, *, processes: bool) -> list[str]:
    """The columns of one socket."""
    return [
        row.protocol + ("6" if row.family == 6 else ""),
        str(row.receive_queue),
        str(row.send_queue),
        shown.local(row),
        shown.remote(row),
        row.state,
        shown.user(row.user),
        *([program(row.holders)] if processes else ()),
    ]


def program(holders: Sequence[Holder]) -> str:
    """``PID/Program`` of the first, and how many more processes there are; ``-`` if nobody is known."""
    if not holders:
        return "-"
    more = len({each.pid for each in holders}) - 1
    return f"{holders[0].pid}/{visible(holders[0].program)}" + (f" +{more}" if more else "")


def columns(rows: Sequence[Cells], right: frozenset[int] = frozenset()) -> str:
    """Rows under each other, as wide as need be; those in `right` end on one line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        " ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        + "\n"
        for row in rows
    )


def plain(row: Row, shown: Shown) -> dict[str, Any]:
    """One socket as JSON knows it; numbers always, names beside them where they are known and wanted."""
    return {
        "proto": row.protocol + ("6" if row.family == 6 else ""),
        "recv_q": row.receive_queue,
        "send_q": row.send_queue,
        "local": {"address": address_text(row.local, row.mapped), "port": row.local_port},
        "foreign": {"address": address_text(row.remote, row.mapped), "port": row.remote_port},
        "state": row.state,
        "user": row.user,
        "interface": row.interface or None,
        "inode": row.inode,
        "processes": [{"pid": each.pid, "program": each.program, "descriptor": each.descriptor} for each in row.holders],
        "session": row.session,
        "via": row.via,
    } | ({} if shown.numeric else {"local_name": shown.local(row), "foreign_name": shown.remote(row)})


def as_json(found: object) -> str:
    """What programs read; of an array one line an object."""
    if isinstance(found, list):  # indented, it would take Python's own encoder, which is slow
        return "[\n" + ",\n".join(map(json.dumps, found)) + "\n]"
    return json.dumps(found, indent=2)
