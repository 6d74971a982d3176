"""The table of sessions that `hythe ps` prints."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import Final

from hythe.session.model import About
from hythe.units import SECOND, format_bytes, format_duration

_HEADINGS: Final = ("NAME", "PID", "SINCE", "UP", "DOWN", "OPEN", "COMMAND")
_RIGHT: Final = frozenset({1, 2, 3, 4, 5})


def table(sessions: Sequence[About], now: float | None = None) -> str:
    """One line a session, or one sentence when none runs. `now`: seconds since 1970."""
    if not sessions:
        return "no sessions\n"
    at = time.time() if now is None else now
    rows = [_HEADINGS, *(_row(each, at) for each in sessions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in _RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _row(about: About, now: float) -> tuple[str, ...]:
    totals = about.totals
    return (
        about.name,
        str(about.pid),
        format_duration(max(0, round((now - about.since) * SECOND))),
        format_bytes(totals.bytes_up),
        format_bytes(totals.bytes_down),
        str(totals.open),
        shlex.join(about.command),
    )
