"""Segments that came again: why their sender sent them, told by what it had been told before.

The kinds and their sections are those by which a sender decides. hythe says itself why it sends again, in the comments of
its captures: then that is believed. What a sender thought lost and was not is found out afterwards, by what the receiver
says of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hythe.units import MILLISECOND

_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1
#: Retransmissions kept with all their particulars; of more there is only the count.
KEPT: Final = 2_000
#: How often a segment comes again for being too long: once, and once more for each part of it that was cut again.
REFUSALS: Final = 2


class Kind(Enum):
    """Why a segment came again. `section` says by which rule, `words` in a few words."""

    SACK = ("fast", "RFC 6675, 4", "the receiver reported later data, but not these")
    RACK = ("rack", "RFC 8985, 6.2", "data sent later had arrived, and enough time had passed")
    DUPLICATES = ("duplicate ACKs", "RFC 5681, 3.2", "three acknowledgments in a row asked for them")
    PARTIAL = ("partial ACK", "RFC 6582, 3.2", "the repair of an earlier loss showed this one")
    PROBE = ("tail-loss probe", "RFC 8985, 7.3", "nothing was heard of the last data that were sent")
    TIMEOUT = ("time-out", "RFC 6298, 5.4", "the retransmission timer ran out")
    AFTER = ("after a time-out", "RFC 5681, 3.1", "it was behind what a time-out had declared lost")
    SYN = ("SYN again", "RFC 6298, 5.7", "the connection was not answered in time")
    FIN = ("FIN again", "RFC 6298, 5.4", "the end of the stream was not acknowledged in time")
    KEEP_ALIVE = ("keep-alive", "RFC 9293, 3.8.4", "to see whether the other end is still there")
    WINDOW_PROBE = ("window probe", "RFC 9293, 3.8.6.1", "to see whether the closed window has opened")
    PATH_MTU = ("too long", "RFC 1191, 6.4", "a router had said by ICMP that it was too long")
    NETWORK = ("duplicate", "RFC 9293, 3.4", "the network delivered the same packet twice")

    def __init__(self, label: str, section: str, words: str) -> None:
        self.label = label
        self.section = section
        self.words = words

    @property
    def repairs(self) -> bool:
        """Does it stand for a loss, or for what its sender thought one?"""
        return self not in (Kind.KEEP_ALIVE, Kind.WINDOW_PROBE, Kind.NETWORK, Kind.PATH_MTU)


#: Kinds that end a wait for a timer rather than follow from an acknowledgment.
BY_TIMER: Final = frozenset({Kind.PROBE, Kind.TIMEOUT, Kind.SYN, Kind.FIN})


class Proof(Enum):
    """What shows that one was needless: in words, and by which section its sender can find that out as well."""

    TWICE = ("the receiver had it twice", "RFC 2883, 4")
    ECHO = ("what was sent first was acknowledged", "RFC 3522, 3.2")
    SOON = ("it was acknowledged sooner than an answer could come", "RFC 8985, 6.2")
    BEFORE = ("it had been acknowledged before", "RFC 9293, 3.4")
    LATE = ("what was sent first came behind it", "RFC 8985, 6.2")

    def __init__(self, words: str, section: str) -> None:
        self.words = words
        self.section = section


@dataclass(slots=True)
class Resent:
    """One. `original` is the packet that carried the same first, 0 where the capture has none.

    `tries`: how often it had been sent before. `tail`: nothing had been sent behind it. `waited`: ns in which its sender
    had not sent anything. `told`: hythe's own word. `spurious`: the packet that proves it needless, and `proof` how.
    """

    kind: Kind
    number: int
    time: int
    start: int
    end: int
    original: int
    tries: int
    tail: bool
    waited: int
    told: str = ""
    spurious: int = 0
    proof: Proof | None = None
    ts_val: int | None = None
    congested: bool = False  # the round-trip time had grown: a queue was full
    crowded: bool = False  # the receiver may have had more than its SACK could tell
    reordered: bool = False  # what looked like a loss was an overtaking
    evidence: int = 0  # the acknowledgment that showed the loss


@dataclass(slots=True)
class Late:
    """A segment that others had overtaken: `number`, after the first of them, `overtaker`; `behind` ns later."""

    number: int
    overtaker: int
    behind: int


def overtaken(stamp: int | None, other: int | None, newest: int | None, behind: int, round_trip: int) -> bool:
    """Has what comes `behind` ns after what should follow it been overtaken, rather than sent again?

    By their timestamps; where both were stamped in one tick by the `newest` that was seen: what is sent again comes after
    the answer to what overtook it, and with a stamp of then.
    """
    if stamp is not None and other is not None and stamp != other:
        return older(stamp, other)
    return older(stamp, newest) or behind * 10 < max(round_trip, 5 * MILLISECOND) * 6


def older(stamp: int | None, other: int | None) -> bool:
    """Is a timestamp from before another (RFC 7323, 5.2), as far as both are there?"""
    return stamp is not None and other is not None and (stamp - other) & _MASK >= _HALF
