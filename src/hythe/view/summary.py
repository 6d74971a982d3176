"""The connection table of a session: text for people, JSON for programs."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from typing import Final

from hythe.errors import FAILURES
from hythe.gateway.session import FlowRecord
from hythe.units import SECOND, format_bytes, format_duration

_HEADINGS: Final = ("#", "PROTO", "FROM", "TO", "UP", "DOWN", "RTT", "RETR", "LASTED", "STATE")
_RIGHT: Final = frozenset({0, 4, 5, 6, 7, 8})
#: Rows shown at most: the end of a long run matters more than its beginning.
ROWS: Final = 200


def endpoint(address: str, port: int) -> str:
    """``10.0.0.1:80`` or ``[fd00::1]:80``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def far(record: FlowRecord) -> str:
    """The other end, as the world knows it: with its name, where that was looked up, and the way there."""
    host, port = record.outside or record.destination
    text = endpoint(host, port)
    if record.name and record.name != host:
        text = f"{text} ({record.name})"
    return f"{text} via {record.via}" if record.via else text


def outcome(record: FlowRecord) -> str:
    """How it stands, in netstat's words, and what went wrong, if anything did."""
    if record.error == errno.EACCES:
        return "not allowed"
    if record.error:
        return FAILURES.get(record.error) or os.strerror(record.error).lower()
    return record.state


def table(records: Iterable[FlowRecord], now: int, forgotten: tuple[int, int, int] = (0, 0, 0)) -> str:
    """The table, one line a flow, or one sentence when there was none. `forgotten`: as `Session.forgotten` tells it."""
    chosen = list(records)
    if not chosen:
        return "no connections\n"
    hidden = max(0, len(chosen) - ROWS)
    shown = sorted(chosen[hidden:], key=lambda record: record.number)
    rows = [_HEADINGS, *(_row(record, now) for record in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    count, up, down = forgotten
    if hidden:
        lines.insert(1, f"... {hidden + count} earlier ones ...")
    count += len(chosen)
    up += sum(record.bytes_up for record in chosen)
    down += sum(record.bytes_down for record in chosen)
    noun = "connection" if count == 1 else "connections"
    lines.append(f"{count} {noun}, {format_bytes(up)} up, {format_bytes(down)} down")
    return "\n".join(lines) + "\n"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (
        cell.rjust(width) if column in _RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _row(record: FlowRecord, now: int) -> tuple[str, ...]:
    ends = (far(record), endpoint(*record.inside)) if record.inbound else (endpoint(*record.inside), far(record))
    return (
        str(record.number),
        record.protocol,
        *ends,
        format_bytes(record.bytes_up),
        format_bytes(record.bytes_down),
        format_duration(record.rtt) if record.rtt else "-",
        str(record.retransmits),
        format_duration((record.ended or now) - record.began),
        outcome(record),
    )


def as_json(records: Iterable[FlowRecord], session_began: int, now: int) -> str:
    """A JSON object: ``{"connections": [...]}``; times in seconds from the session's start, sizes in bytes."""
    connections = [_as_object(record, session_began, now) for record in records]
    return json.dumps({"connections": connections}, indent=2) + "\n"


def _as_object(record: FlowRecord, session_began: int, now: int) -> dict[str, object]:
    inside, asked = record.inside, record.destination
    return {
        "number": record.number,
        "protocol": record.protocol,
        "local": {"address": inside[0], "port": inside[1]},
        "remote": {"address": asked[0], "port": asked[1]},
        "outside": {"host": record.outside[0], "port": record.outside[1]} if record.outside else None,
        "name": record.name or None,
        "via": record.via or None,
        "inbound": record.inbound,
        "began": (record.began - session_began) / SECOND,
        "duration": ((record.ended or now) - record.began) / SECOND,
        "bytes_up": record.bytes_up,
        "bytes_down": record.bytes_down,
        "rtt": record.rtt / SECOND if record.rtt else None,
        "retransmits": record.retransmits,
        "state": record.state,
        "error": errno.errorcode.get(record.error) if record.error else None,
    }
