"""How large a window the reader has use for: dynamic right-sizing, as Linux's tcp_rcv_space_adjust does it.

Theory of operation. A window that lasts for less than a round trip holds the sender up, so it should be twice what the
reader takes in one: the sender's own window may double meanwhile. What was taken is measured over stretches of at least a
round trip, and only when more than ever was taken (`rcv_mark`): the rest of the time this costs a comparison an ACK. A
reader that takes little, slowly or late never gets a larger window, whatever the sender would like.

A receiver has few round-trip samples of its own (`rtt` answers for what *we* sent). It starts from the handshake's. With
timestamps each segment echoes the ACK that let it leave; without them a window's worth of data takes a round trip at
least, and the shortest time for one is believed.

`rcv_limit` grows up to `most` and never shrinks, so the window's right edge never moves back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hythe.units import MILLISECOND

if TYPE_CHECKING:
    from hythe.tcp.block import ControlBlock

#: Bytes received in all before anything is measured: most connections never bring as much.
FIRST_LOOK: Final = 16_384
#: Segments of slack on top of twice what was taken: Linux.
_SLACK: Final = 16


def most(tcb: ControlBlock) -> int:
    """What `rcv_limit` may grow to: as configured, as far as the agreed scale can tell of it."""
    return min(tcb.config.window_max, 0xFFFF << tcb.rcv_scale)


def right_size(tcb: ControlBlock, now: int) -> None:
    """More than ever was received since the last look: if it was within a round trip, the window grows."""
    if tcb.sizing is None:
        tcb.sizing = Sizing(tcb, now)
    else:
        tcb.sizing.measure(tcb, now)


class Sizing:
    """What is measured of one reader. `rtt` nanoseconds, 0 unknown; `space`: the most bytes taken in a round trip.

    `echo`: the timestamp that the latest segment brought back.
    """

    __slots__ = ("_at", "_edge", "_from", "echo", "rtt", "space")

    def __init__(self, tcb: ControlBlock, now: int) -> None:
        self.rtt = tcb.rtt.srtt
        self.space = tcb.rcv_limit >> 2
        self.echo = 0
        self._begin(tcb, now)

    def measure(self, tcb: ControlBlock, now: int) -> None:
        """What was taken since the last look, by the round trip."""
        self._sample(tcb, now)
        elapsed = now - self._at
        if not self.rtt or elapsed < self.rtt:
            return
        taken = (_taken(tcb) - self._from) * self.rtt // elapsed
        if taken > self.space:
            _grow(tcb, taken, self.space)
            self.space = taken
        self._begin(tcb, now)

    def _begin(self, tcb: ControlBlock, now: int) -> None:
        self._at = now
        self._from = _taken(tcb)
        self._edge = tcb.rcv_adv
        tcb.rcv_mark = tcb.bytes_received + self.space

    def _sample(self, tcb: ControlBlock, now: int) -> None:
        if self.echo:
            elapsed = ((tcb.timestamp(tcb.text_at) - self.echo) & 0xFFFFFFFF) * MILLISECOND or MILLISECOND
            if elapsed <= now - tcb.opened_at + MILLISECOND:
                self.rtt += (elapsed - self.rtt) >> 3 if self.rtt else elapsed
        elif tcb.rcv_nxt >= self._edge:
            elapsed = now - self._at
            self.rtt = min(self.rtt, elapsed) if self.rtt else elapsed


def _taken(tcb: ControlBlock) -> int:
    """How much the owner has read."""
    return tcb.bytes_received - sum(map(len, tcb.recvq.views))


def _grow(tcb: ControlBlock, taken: int, before: int) -> None:
    """Twice what was taken; while that still doubles from one round trip to the next, up to three times as much again."""
    wanted = 2 * taken + _SLACK * tcb.rcv_mss
    wanted += 2 * wanted * min(taken - before, before) // before
    memory = tcb.around.memory
    room = max(0, memory.limit - memory.held)
    tcb.rcv_limit = max(tcb.rcv_limit, min(wanted, most(tcb), tcb.rcv_limit + room))
