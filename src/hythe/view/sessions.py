"""The tables that `hythe ps` prints: sessions, and the connections of one."""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Sequence, Set
from typing import Final

from hythe.errors import FAILURES
from hythe.session.model import About, Connection, End, Tunnel
from hythe.units import SECOND, format_bytes, format_duration
from hythe.view.summary import endpoint
from hythe.view.visible import visible

_HEADINGS: Final = ("NAME", "PID", "SINCE", "UP", "DOWN", "OPEN", "COMMAND")
_RIGHT: Final = frozenset({1, 2, 3, 4, 5})
_CONNECTION_HEADINGS: Final = ("ID", "PROTO", "FROM", "TO", "UP", "DOWN", "RTT", "LASTED", "STATE")
_CONNECTION_RIGHT: Final = frozenset({0, 4, 5, 6, 7})


def table(sessions: Sequence[About], now: float | None = None) -> str:
    """One line a session, or one sentence when none runs. `now`: seconds since 1970."""
    if not sessions:
        return "no sessions\n"
    at = time.time() if now is None else now
    return _columns([_HEADINGS, *(_session(each, at) for each in sessions)], _RIGHT)


def _session(about: About, now: float) -> tuple[str, ...]:
    totals = about.totals
    return (
        about.name,
        str(about.pid),
        _lasted(about.since, now),
        format_bytes(totals.bytes_up),
        format_bytes(totals.bytes_down),
        str(totals.open),
        visible(shlex.join(about.command) + "".join(f" [{_tunnel(each)}]" for each in about.tunnels)),
    )


def _tunnel(each: Tunnel) -> str:
    """``ssh://me@example up``, ``mail down: no answer``."""
    return f"{each.name} {each.state}" + (f": {each.reason}" if each.reason else "")


def connections(found: Sequence[Connection], now: float | None = None) -> str:
    """One line a connection, or one sentence when there is none."""
    if not found:
        return "no connections\n"
    at = time.time() if now is None else now
    return _columns([_CONNECTION_HEADINGS, *(_connection(each, at) for each in found)], _CONNECTION_RIGHT)


def _connection(each: Connection, now: float) -> tuple[str, ...]:
    inside = _end(each.inside)
    far = each.outside or each.remote
    remote = _end(far) + (f" ({each.name})" if each.name and each.name != far.address else "")
    if each.via:
        remote += f" via {each.via}"
    return (
        str(each.id),
        each.protocol,
        *((remote, inside) if each.inbound else (inside, remote)),
        format_bytes(each.bytes_up),
        format_bytes(each.bytes_down),
        format_duration(round(each.rtt * SECOND)) if each.rtt else "-",
        _lasted(each.began, each.ended or now),
        outcome(each),
    )


def outcome(connection: Connection) -> str:
    """How it stands, in netstat's words, and what went wrong, if anything did."""
    if connection.error is None:
        return connection.state
    number = getattr(errno, connection.error, 0)
    return "not allowed" if number == errno.EACCES else FAILURES.get(number) or os.strerror(number).lower()


def _end(end: End) -> str:
    return endpoint(end.address, end.port)


def _lasted(since: float, until: float) -> str:
    return format_duration(max(0, round((until - since) * SECOND)))


def _columns(rows: Sequence[tuple[str, ...]], right: Set[int]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)
