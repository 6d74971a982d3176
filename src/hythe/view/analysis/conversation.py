"""TCP conversations among the packets of a source: both ways of each, how it opened and ended, numbered as they begin."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from hythe.view.analysis.complaints import Complaint, read
from hythe.view.analysis.segments import Captured
from hythe.view.analysis.series import Series
from hythe.view.analysis.way import Way
from hythe.wire.pcapng import CapturedPacket
from hythe.wire.segment import ACK, SYN

#: Conversations kept with all that was found of each; what begins later is counted.
_MAX: Final = 10_000
#: SYNs remembered of each, and complaints by ICMP.
_SYNS: Final = 64
_COMPLAINTS: Final = 64


@dataclass(slots=True)
class Opening:
    """The handshake: (packet, time) of each SYN and SYN/ACK, and of the first ACK behind them. `mss`: the least offered.

    `stamps`: when each timestamp of a SYN/ACK came by: the ACK's echo tells which of several it answers (RFC 7323, 4).
    """

    syns: list[tuple[int, int]] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)
    complete: int = 0  # the packet, 0 if it never came
    complete_time: int = 0
    mss: int = 0
    stamps: dict[int, int] = field(default_factory=dict)


class Conversation:
    """One connection. `ways[0]` is from `ends[0]`: who opened it, or who was seen first."""

    __slots__ = (
        "complaints",
        "ends",
        "first_number",
        "last_number",
        "number",
        "opening",
        "packets",
        "reset_time",
        "start",
        "stop",
        "ways",
    )

    def __init__(self, number: int, first: Captured, drawn: bool) -> None:
        self.number = number
        self.ends = (first.source, first.destination)
        self.ways = tuple(Way(Series() if drawn else None) for _ in range(2))
        self.ways[0].other, self.ways[1].other = self.ways[1], self.ways[0]
        self.opening = Opening()
        self.start = self.stop = first.time
        self.first_number = self.last_number = first.number
        self.packets = 0
        self.complaints: list[Complaint] = []

    def feed(self, segment: Captured) -> None:
        """One of its segments."""
        self.packets += 1
        self.stop, self.last_number = max(self.stop, segment.time), segment.number
        index = 0 if segment.source == self.ends[0] else 1
        way = self.ways[index]
        if segment.flags & SYN:
            self._open(segment, way)
        elif self.opening.answers and not self.opening.complete and not index and segment.flags & ACK:
            self.opening.complete, self.opening.complete_time = segment.number, segment.time
            answered = self.opening.stamps.get(segment.options.ts_ecr or 0)
            if answered is not None and len(self.opening.answers) > 1:  # else the way takes it for a sample itself
                way.other.trips.add(segment.time - answered, segment.number, prompt=True)
        way.other.hear(segment)
        way.send(segment)

    def complain(self, complaint: Complaint) -> None:
        """Somebody says by ICMP that one of its packets was not delivered."""
        complaint.way = index = 0 if complaint.source == self.ends[0] else 1
        way = self.ways[index]
        if way.base is not None and complaint.sequence is not None:
            complaint.place = way.position(complaint.sequence)
            complaint.believed = way.una <= complaint.place < way.top
            known = way.records.within(complaint.place, complaint.place + 1)
            complaint.about = known[0].number if known else 0
            if complaint.believed and complaint.too_long:
                lowest = complaint.place
                if way.refused is not None and way.una <= way.refused[0]:
                    lowest = min(lowest, way.refused[0])
                way.refused = (lowest, complaint.number)
        if len(self.complaints) < _COMPLAINTS:
            self.complaints.append(complaint)

    def _open(self, segment: Captured, way: Way) -> None:
        options = segment.options
        into = self.opening.answers if segment.flags & ACK else self.opening.syns
        if len(into) < _SYNS:
            into.append((segment.number, segment.time))
            if segment.flags & ACK and options.ts_val:
                self.opening.stamps.setdefault(options.ts_val, segment.time)
        way.scale = options.wscale or 0
        if options.mss:
            self.opening.mss = min(self.opening.mss or options.mss, options.mss)
            way.other.mss = way.other.mss or options.mss
        both = self.opening.syns and self.opening.answers
        if not both:
            return
        mss = self.opening.mss
        extra = 12 if options.ts_val is not None and segment.flags & ACK else 0
        for each in self.ways:
            each.mss = mss - extra if mss else 0
        if options.wscale is None and segment.flags & ACK:
            for each in self.ways:
                each.scale = 0  # both must offer it (RFC 7323, 2.2)

    def begins_anew(self, segment: Captured) -> bool:
        """Does a SYN open another connection of the same socket pair?"""
        if not segment.flags & SYN or segment.flags & ACK:
            return False
        way = self.ways[0 if segment.source == self.ends[0] else 1]
        if way.base is None:
            return way.other.base is not None and bool(way.other.segments)
        return segment.seq != way.base

    @property
    def handshake(self) -> bool:
        """Did the capture see both SYNs?"""
        return bool(self.opening.syns and self.opening.answers)

    def __str__(self) -> str:
        return f"{end_text(self.ends[0])} -> {end_text(self.ends[1])}"


class Conversations:
    """All of a source. `drawn`: numbers of those of which points are kept for plots."""

    __slots__ = ("_drawn", "_open", "all", "left_out")

    def __init__(self, drawn: Container[int] = ()) -> None:
        self._drawn = drawn
        self._open: dict[tuple[bytes, bytes], Conversation] = {}
        self.all: list[Conversation] = []
        self.left_out = 0

    def feed(self, segment: Captured) -> Conversation | None:
        """Count one segment to its conversation; None where there are too many already."""
        key = (segment.source, segment.destination)
        if key[0] > key[1]:
            key = key[::-1]
        found = self._open.get(key)
        if found is None or found.begins_anew(segment):
            if len(self.all) >= _MAX:
                self.left_out += found is not None or bool(segment.flags & SYN)
                self._open.pop(key, None)
                return None
            found = self._begin(segment)
            self._open[key] = found
        found.feed(segment)
        return found

    def complain(self, complaint: Complaint) -> None:
        """Count one to the conversation that it quotes, if that is known."""
        key = (complaint.source, complaint.destination)
        found = self._open.get(key if key[0] <= key[1] else key[::-1])
        if found is not None:
            found.complain(complaint)

    def _begin(self, segment: Captured) -> Conversation:
        number = len(self.all)
        found = Conversation(number, segment, number in self._drawn)
        if segment.flags & (SYN | ACK) == SYN | ACK:
            found.ends = (segment.destination, segment.source)
        self.all.append(found)
        return found

    def read(self, packets: Iterable[CapturedPacket]) -> Conversations:
        """Feed all of a source, to its end."""
        for each in read(packets):
            if isinstance(each, Captured):
                self.feed(each)
            else:
                self.complain(each)
        return self


def address_text(address: bytes) -> str:
    """``192.0.2.1``."""
    return str(ipaddress.ip_address(address))


def end_text(end: bytes) -> str:
    """``192.0.2.1:80`` or ``[2001:db8::1]:80``."""
    address, port = ipaddress.ip_address(end[:-2]), int.from_bytes(end[-2:], "big")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
