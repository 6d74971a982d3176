"""How long a sender may make no progress: what RFC 6298 allows, reckoned from what happened on the wire.

A sender makes progress when an ACK of something new reaches it. Its retransmission timer then starts anew (5.3), each
time-out sends the first unacknowledged segment again and doubles the wait (5.4-5.6), and a tail loss probe may stand
before the first (RFC 8985, 7.3). So from one progress to the next no more may pass than

    PTO + Σ min(RTO · 2^k, the most), k = 0 … n

`n` counts the sendings of that first segment which the wire spoilt, as the faults tell: the segment did not arrive whole, or
an ACK that went back before the next sending did not. A sending that was spoilt in neither way must bring progress; one
that does not, because somebody sent too late or failed to answer, is not counted, and so is found. RTO is what the sender
itself says after the last progress, by `Connection.rtt` or the kernel's ``TCP_INFO``, and PTO at most as long.

To this come the way there and back, the longest that an ACK may be delayed, and the time in which this process had to wait
for the processor (`Pulse`).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, NamedTuple

from hythe.link.faults import Direction, Plan
from hythe.units import MILLISECOND, SECOND
from hythe.wire.gro import Load, Run
from hythe.wire.packet import ABSENT, VERIFIED
from hythe.wire.segment import ACK, FIN, PROTOCOL, SYN
from tests.matrix.cells import DELAY, REORDER_BY

#: Linux TCP_DELACK_MAX, and ours; RFC 9293, 3.8.6.3 allows half a second.
DELAYED_ACK: Final = 200 * MILLISECOND
#: Before a connection can say: RFC 6298, 2.1, and 5.7 for a SYN that was sent twice.
RTO_UNKNOWN: Final = 3 * SECOND
#: There and back, and the kernel's ticks.
WAY: Final = 2 * (DELAY + REORDER_BY) + 10 * MILLISECOND
_BEAT: Final = 5 * MILLISECOND
_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


class Pulse:
    """A task that counts how late it is woken: `late`, ns altogether."""

    def __init__(self) -> None:
        self._late = 0
        self._before = monotonic_ns()

    @property
    def late(self) -> int:
        """Up to now."""
        return self._late + max(0, monotonic_ns() - self._before - _BEAT)

    async def beat(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_BEAT / SECOND)
            self._late, self._before = self.late, monotonic_ns()


class Clock(NamedTuple):
    """A sender's retransmission timer: `rto` (ns) has been doubled `backoff` times."""

    rto: int
    backoff: int


class Facts(NamedTuple):
    """What a TCP segment says: `end` is behind its text and control bits."""

    seq: int
    end: int
    ack: int | None


def facts(packet: bytes) -> Facts | None:
    """Of a whole packet; None when it is no TCP."""
    if packet[0] >> 4 == 4:
        protocol, start, length = packet[9], (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    else:
        protocol, start, length = packet[6], 40, 40 + int.from_bytes(packet[4:6], "big")
    if protocol != PROTOCOL:
        return None
    seq, ack, offset, flags = struct.unpack_from(">IIBB", packet, start + 4)
    size = length - start - (offset >> 4) * 4 + bool(flags & SYN) + bool(flags & FIN)
    return Facts(seq, seq + size & _MASK, ack if flags & ACK else None)


def before(left: int, right: int) -> bool:
    """Is sequence number `left` earlier than `right`?"""
    return left != right and right - left & _MASK < _HALF


class Silence:
    """One sender. `ask`: its timer, None while it cannot say; `most`: what that waits at the longest, ns.

    `wrong`: stalls that were too long, as sentences. `closest`: the greatest share of what was allowed that any wait took.
    """

    def __init__(self, name: str, ask: Callable[[], Clock | None], most: int, pulse: Pulse, now: int) -> None:
        self._name = name
        self._most = most
        self._ask = ask
        self._pulse = pulse
        self._una: int | None = None
        self._clock = Clock(RTO_UNKNOWN, 0)
        self.wrong: list[str] = []
        self.closest = 0.0
        self._begin(now)

    def _begin(self, now: int) -> None:
        self._since, self._late = now, self._pulse.late
        self._spoilt = 0
        self._trying = self._failed = False

    def sent(self, segment: Facts, spoilt: bool, now: int) -> None:
        """It sent this."""
        if segment.seq == segment.end:
            return
        if self._una is None:
            self._una = segment.seq
            self._begin(now)
        if before(self._una, segment.seq) or not before(self._una, segment.end):
            return
        self._spoilt += self._trying and self._failed
        self._trying, self._failed = True, spoilt

    def answer_spoilt(self) -> None:
        """What its peer sent will not arrive whole."""
        self._failed = True

    def heard(self, segment: Facts, now: int) -> None:
        """This reached it whole."""
        if segment.ack is None or self._una is None or not before(self._una, segment.ack):
            return
        self.check(now)
        self._una = segment.ack
        self._begin(now)
        asyncio.get_running_loop().call_soon(self._note)  # once it has read this

    def _note(self) -> None:
        self._clock = self._ask() or Clock(RTO_UNKNOWN, 0)

    def allowed(self) -> int:
        """The most from the last progress to the next, ns."""
        spoilt = self._spoilt + (self._trying and self._failed)
        rto, now = self._clock.rto, self._ask()
        if now is not None:
            rto = max(rto, now.rto >> now.backoff)  # a SACK was a sample, too
        waits = [min(rto << each, self._most) for each in range(spoilt + 1)]
        return waits[0] + sum(waits) + WAY + DELAYED_ACK + self._pulse.late - self._late

    def check(self, now: int) -> None:
        """Progress, or the end: was it in time?"""
        took, allowed = now - self._since, self.allowed()
        self.closest = max(self.closest, took / allowed)
        if took > allowed:
            self.wrong.append(
                f"{self._name} made no progress for {took / SECOND:.2f} s at {self._una}, {allowed / SECOND:.2f} s being "
                f"allowed by {self._clock} and {self._spoilt} spoilt sendings; now {self._ask()}"
            )


class WatchedDirection(Direction):
    """A direction that tells the sender's `Silence` what it does to each segment, and the receiver's what arrives whole."""

    __slots__ = ("_receiver", "_sender", "_whole")

    def __init__(self, plan: Plan, seed: int, *, up: bool, sender: Silence, receiver: Silence) -> None:
        super().__init__(plan, seed, up=up)
        self._sender = sender
        self._receiver = receiver
        #: By identity: what is corrupted is in another load than what was put in.
        self._whole: dict[int, tuple[Load, Facts]] = {}

    @property
    def spoilt(self) -> int:
        """Packets that did not or will not arrive whole."""
        return self.tally.lost + self.tally.corrupted + self.tally.dropped + self.tally.too_long

    def submit(self, load: Load, now: int) -> None:
        """As `Direction.submit`, but piece by piece; `Wire` joins them again."""
        for index in range(load.count):
            packet = load.piece(index)
            piece = Load(packet, 0, VERIFIED if load.state else ABSENT, load.frame)
            before = self.spoilt
            super().submit(piece, now)
            segment = facts(packet) if packet[0] >> 4 in (4, 6) else None
            if segment is None:
                continue
            spoilt = self.spoilt > before
            self._sender.sent(segment, spoilt, now)
            if spoilt:
                self._receiver.answer_spoilt()
            else:
                self._whole[id(piece)] = piece, segment

    def take(self, now: int, limit: int) -> list[Run]:
        """As `Direction.take`."""
        due = super().take(now, limit)
        for run in due:
            if id(run.load) in self._whole:
                self._receiver.heard(self._whole[id(run.load)][1], now)
        return due
