"""HyStart++: leaving slow start before it has filled every queue (RFC 9406).

A round trip that is an eighth longer than the last round's shortest says that a queue builds up. Then growth is a quarter
as fast for five rounds (conservative slow start); if the round trips shrink again it was a false alarm, else slow start is
over. Only the first slow start of a connection is watched, where nothing is known of the path (4.3).

Where a window leaves in bursts, each round begins with an empty queue, and its shortest round trip tells of the queue one
round too late: the window is twice what the path holds then. So there is the other sign of the first HyStart as well (Ha and
Rhee 2011; RFC 9438, 4.10 allows either): ACKs that follow each other closely for half a round trip. Twice that train is
what the path holds. As it says nothing of the queue's room, it too leads to conservative slow start, not out of it; but
when then a round trip is longer by as much as above, both signs agree, and that is the end.

The limit L of 4.2 does not apply: a super-segment's ACK is one of many segments, and pacing or the link spaces them.
"""

from __future__ import annotations

from typing import Final

from hythe.units import MILLISECOND, NEVER

#: RFC 9406, 4.3.
_LEAST: Final = 4 * MILLISECOND
_MOST: Final = 16 * MILLISECOND
_DIVISOR: Final = 8
_SAMPLES: Final = 8
_ROUNDS: Final = 5
GROWTH: Final = 4
#: ACKs that are not farther apart belong to one train: Linux hystart_ack_delta_us.
_CLOSE: Final = 2 * MILLISECOND


class HyStart:
    """RFC 9406, 4.2, under its names. `conservative`: in CSS, `over`: slow start is to end."""

    __slots__ = (
        "_baseline",
        "_began_at",
        "_by_train",
        "_current",
        "_end",
        "_last",
        "_rounds",
        "_samples",
        "_train_at",
        "conservative",
        "over",
    )

    def __init__(self) -> None:
        self._end = -1
        self._last = NEVER
        self._current = NEVER
        self._samples = 0
        self._baseline = NEVER
        self._rounds = 0
        self._began_at = 0
        self._by_train = False  # it was a train that made us careful
        self._train_at = 0  # when the latest ACK of the round's train came
        self.conservative = False
        self.over = False

    def sample(self, rtt: int, una: int, nxt: int, now: int, *, bursts: bool) -> None:
        """An ACK of everything before `una` came, `nxt` is the next number to be sent; the latest round trip took `rtt`.

        `bursts`: nothing spaces what leaves, so trains are the path's doing.
        """
        if una > self._end:
            self._begin_round(nxt, now)
        self._current = min(self._current, rtt)
        self._samples += 1
        close = bursts and now - self._train_at <= _CLOSE
        if close:
            self._train_at = now
        if self._samples < _SAMPLES or self._current == NEVER:
            return
        if self.conservative:
            if self._current < self._baseline:
                self.conservative = False  # a false alarm
                self._baseline = NEVER
            elif self._by_train and self._longer(self._baseline):
                self.over = True
        elif self._last != NEVER:
            train = close and _LEAST <= self._last < 2 * (now - self._began_at)
            if train or self._longer(self._last):
                self.conservative = True
                self._by_train = train
                self._baseline = self._current
                self._rounds = 0

    def _longer(self, than: int) -> bool:
        """Is the round's shortest round trip by RttThresh longer `than` this one?"""
        return self._current >= than + max(_LEAST, min(than // _DIVISOR, _MOST))

    def _begin_round(self, nxt: int, now: int) -> None:
        self._end = nxt
        self._began_at = self._train_at = now
        self._last = self._current
        self._current = NEVER
        self._samples = 0
        if self.conservative:
            self._rounds += 1
            self.over = self._rounds >= _ROUNDS
