"""The waterfall for a terminal: what each line is, and its bar on an axis as wide as there is room.

Without colour each kind of span has a letter; with it, its own colour as well, of the eight that every terminal has. What
the moments do not fit into stands below each line in words.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hythe.units import format_bytes
from hythe.view.visible import visible
from hythe.view.waterfall.axis import spell, ticks
from hythe.view.waterfall.groups import grouped
from hythe.view.waterfall.model import CONNECT, DNS, IDLE, KINDS, STALL, TLS, TRANSFER, WAIT, Line, Span, Waterfall

#: Lines shown at most.
LINES: Final = 200
#: Columns where nobody says how many there are, and the fewest that anything can be shown in.
_WIDTH: Final = 100
_NARROWEST: Final = 50
#: Of the width, what names may take; and the widest that they need.
_NAMES: Final = 0.36
_NAME_MAX: Final = 44
#: The letter of each kind, and its colour (SGR, ECMA-48 8.3.117).
_MARKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        DNS: ("d", "36"),
        CONNECT: ("c", "33"),
        TLS: ("s", "35"),
        WAIT: ("w", "32"),
        TRANSFER: ("#", "34"),
        STALL: ("!", "31"),
        IDLE: (".", "2"),
    }
)
_FAILED: Final = "31"
_QUIET: Final = "2"
#: Columns from one mark of the axis to the next, at the least.
_STEP: Final = 14


def terminal(descriptor: int) -> tuple[int, bool]:
    """(columns, colour?) of what stands behind a descriptor; NO_COLOR (no-color.org) turns colour off."""
    if not os.isatty(descriptor):
        return _WIDTH, False
    try:
        columns = os.get_terminal_size(descriptor).columns
    except OSError:
        columns = shutil.get_terminal_size().columns
    return columns or _WIDTH, not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def drawn(found: Waterfall, width: int = _WIDTH, colour: bool = False) -> str:
    """All of it, in lines of `width` columns at most."""
    if not found.lines:
        return "no connections\n"
    width = max(_NARROWEST, width)
    shown = grouped(found, LINES)
    names = min(_NAME_MAX, round(width * _NAMES), max(map(len, map(label, shown.lines))))
    room = width - names - 2
    lines = [_axis(shown.seconds, names, room, colour)]
    for line in shown.lines:
        name = _shortened(label(line), names)
        bar = _bar(line, shown.seconds, room, colour)
        lines.append(f"{_painted(name.ljust(names), _FAILED if line.failed else '', colour)}  {bar}".rstrip())
        lines += [_painted(each, _QUIET, colour) for each in _below(line, width)]
    lines += _legend(shown, width, colour)
    lines += shown.notes
    lines.append(_total(found))
    return "\n".join(lines) + "\n"


# --- One line


def label(line: Line) -> str:
    """``example.org:443``, ``<- 192.0.2.1:8080``, ``udp 192.0.2.53:53``."""
    end = line.name if line.protocol in ("dns", "icmp") else f"[{line.name}]" if ":" in line.name else line.name
    if line.port and line.protocol != "icmp":
        end += f":{line.port}"
    protocol = "" if line.protocol == "tcp" else f"{line.protocol} "
    return visible(("<- " if line.inbound else "") + protocol + end)


def _shortened(name: str, room: int) -> str:
    """Names are told apart by their ends as much as by their beginnings: what is too long lacks its middle."""
    if len(name) <= room:
        return name
    front = (room - 1) // 3
    return f"{name[:front]}…{name[front + 1 - room :]}"


def _bar(line: Line, seconds: float, room: int, colour: bool) -> str:
    """Every span has a column at least; where several fall into one, the one that takes most of it is seen."""
    cells = [" "] * room
    kinds = [""] * room
    weights = [0.0] * room
    for span in line.spans:
        first, last = span.start / seconds * room, span.end / seconds * room
        for column in range(min(int(first), room - 1), min(int(last), room - 1) + 1):
            weight = min(last, column + 1) - max(first, column)
            if weight > weights[column] or not kinds[column]:
                cells[column], kinds[column], weights[column] = _MARKS[span.kind][0], span.kind, weight
    if line.failed:
        column = min(int(line.end / seconds * room), room - 1)
        cells[column], kinds[column] = "x", STALL
    elif line.open:
        cells[-1] = ">"
    text = "".join(cells).rstrip()
    return "".join(_runs(text, kinds)) if colour else text


def _runs(text: str, kinds: Sequence[str]) -> Iterator[str]:
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or kinds[at] != kinds[start]:
            code = _MARKS[kinds[start]][1] if kinds[start] else ""
            yield _painted(text[start:at], code, colour=bool(code))
            start = at


def _below(line: Line, width: int) -> Iterator[str]:
    """What is not seen in the bar: who, how long each part took, what came of it, what limited it."""
    parts = [_took(span) for span in line.spans if span.kind != IDLE] if line.count == 1 else []
    facts = [line.process] if line.process else []
    if line.via:
        facts.append(f"via {line.via}")
    if line.tls is not None:
        facts.append(tls_text(line))
    if line.protocol != "dns":
        facts.append(f"{format_bytes(line.bytes_up)} up, {format_bytes(line.bytes_down)} down")
    if line.retransmits:
        facts.append(f"{line.retransmits} sent again")
    if line.failed or line.protocol == "dns":
        facts.append(line.outcome)
    elif line.open:
        facts.append("still open")
    if line.limited:
        facts.append(line.limited)
    yield from _folded([*_summed(parts), *facts], width)


def _took(span: Span) -> tuple[str, float]:
    return span.kind, span.end - span.start


def _summed(parts: Sequence[tuple[str, float]]) -> list[str]:
    sums: dict[str, float] = {}
    for kind, length in parts:
        sums[kind] = sums.get(kind, 0.0) + length
    return [f"{kind} {spell(length)}" for kind, length in sums.items() if length > 0]


def _folded(parts: Sequence[str], width: int) -> Iterator[str]:
    """Joined by semicolons, in lines of `width` at most unless one word alone is longer."""
    line = ""
    for part in map(visible, parts):
        if line and len(line) + 2 + len(part) > width - 3:
            yield from _indented(f"{line};", width)
            line = ""
        line = f"{line}; {part}" if line else part
    if line:
        yield from _indented(line, width)


def _indented(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def tls_text(line: Line) -> str:
    """``TLS 1.3 for example.org, h2 or http/1.1 offered``, or what is known of that."""
    tls = line.tls
    if tls is None:
        return ""
    told = tls.version or "TLS"
    if tls.name:
        told += f" for {tls.name}"
    if tls.protocol:
        return f"{told}, {tls.protocol}"
    return f"{told}, {' or '.join(tls.offered)} offered" if tls.offered else told


# --- Around them


def _axis(seconds: float, names: int, room: int, colour: bool) -> str:
    """Marks of time at round places: a stroke where each is, and its words behind it, or in front of it at the end."""
    line = [" "] * room
    for tick in ticks(seconds, max(2, room // _STEP)):
        at, mark = min(int(tick / seconds * room), room - 1), f"|{spell(tick)}"
        if at + len(mark) > room:
            mark = f"{spell(tick)}|"
            at += 1 - len(mark)
        if not "".join(line[max(0, at - 1) : at + len(mark) + 1]).strip():
            line[at : at + len(mark)] = mark
    return _painted((" " * (names + 2) + "".join(line)).rstrip(), _QUIET, colour)


def _legend(found: Waterfall, width: int, colour: bool) -> Iterator[str]:
    """The kinds that are there, in lines."""
    there = {span.kind for line in found.lines for span in line.spans}
    parts = [(*_MARKS[kind], words) for kind, words in KINDS.items() if kind in there]
    if any(line.failed for line in found.lines):
        parts.append(("x", _FAILED, "failed"))
    if any(line.open for line in found.lines):
        parts.append((">", "", "still open"))
    shown, used = "", 0
    for mark, code, words in parts:
        size = len(mark) + 1 + len(words)
        if used and used + 2 + size > width:
            yield shown
            shown, used = "", 0
        shown += (", " if used else "") + f"{_painted(mark, code, colour)} {words}"
        used += size + (2 if used else 0)
    yield shown


def _total(found: Waterfall) -> str:
    up, down = sum(line.bytes_up for line in found.lines), sum(line.bytes_down for line in found.lines)
    noun = "connection" if found.connections == 1 else "connections"
    return f"{found.connections} {noun} in {spell(found.seconds)}, {format_bytes(up)} up, {format_bytes(down)} down"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
