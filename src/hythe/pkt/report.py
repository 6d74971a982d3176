"""A run that failed, for people: expected and seen packets side by side, in tcpdump's words, with the script's lines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from hythe.pkt.compare import Flow, options_text, signed
from hythe.pkt.script import Icmp, Option, PacketEvent, Udp
from hythe.pkt.wireform import ICMP, Seen
from hythe.units import MICROSECOND, SECOND
from hythe.wire.segment import ACK, SYN, flag_names
from hythe.wire.segment import PROTOCOL as TCP

_WIDTH: Final = 58
#: Rows before the one that failed.
_BEFORE: Final = 6


@dataclass(frozen=True, slots=True)
class Row:
    """A packet of the script beside the packet of the wire; either may be missing."""

    line: int
    expected: str
    seen: str


def seconds(at: int) -> str:
    """A time of the run, in seconds to the microsecond."""
    return f"{at // SECOND}.{at % SECOND // MICROSECOND:06d}"


def expected_text(event: PacketEvent) -> str:
    """A packet as the script has it."""
    what = event.what
    sign = "<" if event.inbound else ">"
    if isinstance(what, Udp):
        return f"{sign} UDP, length {what.size}"
    if isinstance(what, Icmp):
        return f"{sign} ICMP {' '.join(what.words)}"
    ack = "" if what.ack is None else f", ack {what.ack}"
    window = "" if what.window is None else f", win {what.window}"
    options = "..." if what.options is None else ",".join(_option_text(each) for each in what.options)
    return _segment(sign, what.flags, what.seq, what.size, ack, window, options)


def seen_text(parts: Sequence[Seen], flow: Flow) -> str:
    """A packet as it left, in the script's numbers."""
    seen = parts[0]
    if seen.protocol in ICMP:
        return f"> ICMP type {seen.ports[0]} code {seen.ports[1]}"
    if seen.protocol != TCP:
        return f"> UDP, length {seen.size}"
    size = sum(part.size for part in parts)
    ack = f", ack {signed(seen.ack) if seen.flags & SYN else flow.relative_ack(seen.ack)}" if seen.flags & ACK else ""
    seq = signed(seen.seq - (flow.offset or 0))
    return _segment(">", parts[-1].flags, seq, size, ack, f", win {seen.window}", options_text(seen, flow))


def _segment(sign: str, flags: int, seq: int, size: int, ack: str, window: str, options: str) -> str:
    octets = f"{seq}:{seq + size}" if size else str(seq)
    listed = f", options [{options}]" if options else ""
    return f"{sign} Flags [{flag_names(flags)}], seq {octets}{ack}{window}{listed}, length {size}"


def _option_text(option: Option) -> str:
    if option.kind == "TS":
        return f"TS val {option.values[0]} ecr {option.values[1]}"
    if option.kind == "sack":
        pairs = zip(option.values[::2], option.values[1::2], strict=True)
        return "sack " + " ".join(f"{left}:{right}" for left, right in pairs)
    return " ".join((option.kind, *map(str, option.values), *((option.data.hex(),) if option.data else ())))


def side_by_side(rows: Sequence[Row]) -> str:
    """The last rows, in two columns."""
    lines = [f"{'line':>6}  {'expected':{_WIDTH}}  seen"]
    for row in rows[-_BEFORE - 1 :]:
        left = textwrap.wrap(row.expected, _WIDTH) or ["(nothing)"]
        right = textwrap.wrap(row.seen, _WIDTH) or ["(nothing)"]
        for index, (one, other) in enumerate(zip_longest(left, right, fillvalue="")):
            lines.append(f"{row.line if not index else '':>6}  {one:{_WIDTH}}  {other}".rstrip())
    return "\n".join(lines)
