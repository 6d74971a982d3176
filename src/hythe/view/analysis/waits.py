"""What a sender waited for between two segments: its application, room in the window, acknowledgments, or a timer.

Theory of operation. A capture shows when a sender sent, and what it knew by then; so each gap has a reason. A segment that
leaves as soon as an acknowledgment came had waited for it, and what the sender had lacked until then is known: window, if
the next segment would have passed its right edge; else permission to have more in flight (congestion window, pace, or the
path's rate: all that is *the path* here). What leaves long after the last acknowledgment, though there was room, had not
been written before. A segment that is not full, though the one before was not full either, and that leaves with the
acknowledgment of that one, had been kept back by Nagle's algorithm (RFC 9293, 3.7.4).

A capture taken elsewhere sees acknowledgments before the sender does. How much earlier is known: it is the round trip
between the capture and the sender, `far`; so acknowledgments are held here for that long before they count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hythe.units import MILLISECOND

#: Spans of waiting kept for each way; of more only the sums are.
_SPANS: Final = 512
#: Examples kept of each.
_EXAMPLES: Final = 64
#: Held acknowledgments; a window of small segments has no more.
_HELD: Final = 4_096
#: A sender answers an acknowledgment within this, whatever else its machine does.
_PROMPT: Final = 4 * MILLISECOND
#: Of a round trip, what a program may take to answer, where its kernel takes next to nothing.
_PROGRAMS: Final = 16


class Reason(Enum):
    """What the sender lacked. The value is the word for it in JSON."""

    APPLICATION = "application"  # something to send
    PEER = "peer"  # what the other end had to say first
    WINDOW = "receive window"  # room at a receiver whose window is small, or is full
    READER = "slow reader"  # room at a receiver that had closed its window for want of reading
    PATH = "path"  # acknowledgments: congestion window, pace, rate
    NAGLE = "nagle"  # the acknowledgment of a small segment before the next
    RECOVERY = "loss recovery"  # what was lost


@dataclass(slots=True)
class Span:
    """From `start` to `end` (ns) for one reason; `first` is the packet before it, `last` the one that ended it."""

    reason: Reason
    start: int
    end: int
    first: int
    last: int
    #: Packets between that show why: the acknowledgment that was waited for.
    by: int = 0


@dataclass(slots=True)
class Visible:
    """An acknowledgment as the sender saw it: at `time`, of everything before `una`, with room up to `edge`."""

    time: int
    una: int
    edge: int
    number: int
    carries: bool  # text as well


@dataclass(slots=True)
class Waits:
    """The waits of one way."""

    spent: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    counts: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))
    spans: list[Span] = field(default_factory=list)
    #: The longest of each reason, longest first.
    longest: dict[Reason, list[Span]] = field(default_factory=lambda: {each: [] for each in Reason})
    held: deque[Visible] = field(default_factory=deque)
    una: int = 0
    edge: int = 0
    #: Of the last acknowledgment that counts: itself, and what the sender had before it: bytes in flight, room
    #: beyond, and the whole window.
    last: Visible | None = None
    before: tuple[int, int, int] = (0, 0, 0)

    def hear(self, heard: Visible) -> None:
        """The sender will know this at `heard.time`."""
        if len(self.held) < _HELD:
            self.held.append(heard)

    def catch_up(self, now: int, top: int) -> None:
        """Let the sender know what it knows by `now`, having sent everything below `top`."""
        while self.held and self.held[0].time <= now:
            heard = self.held.popleft()
            self.before = (top - self.una, self.edge - top, self.edge - self.una)
            self.una, self.edge = max(self.una, heard.una), max(self.edge, heard.edge)
            self.last = heard

    def add(self, span: Span) -> None:
        """Count one."""
        length = span.end - span.start
        if length < 0:
            return  # the capture's clock was set back
        self.spent[span.reason] += length
        self.counts[span.reason] += 1
        best = self.longest[span.reason]
        if len(best) < _EXAMPLES or length > best[-1].end - best[-1].start:
            best.append(span)
            best.sort(key=lambda each: each.start - each.end)
            del best[_EXAMPLES:]
        before = self.spans[-1] if self.spans else None
        if before is not None and before.reason is span.reason:
            before.end, before.last = span.end, span.last
        elif len(self.spans) < _SPANS:
            self.spans.append(Span(span.reason, span.start, span.end, span.first, span.last, span.by))

    def answered(self, now: int, slack: int) -> bool:
        """Does what is sent `now` follow from the last acknowledgment?"""
        return self.last is not None and now - self.last.time <= max(_PROMPT, slack)


def at_least(far: int, rest: int) -> int:
    """How much later than the capture a sender's kernel hears something, at the least, ns.

    `far`: the shortest time in which the sender was seen to answer, which may have been its program; `rest`: of the path.
    """
    return max(0, far - max(far, rest) // _PROGRAMS)
