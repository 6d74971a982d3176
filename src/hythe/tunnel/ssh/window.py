"""How far a peer may write ahead on a channel: the window of RFC 4254, 5.2, as large as what is between needs it.

A window has to hold what is on its way for a round trip, or the sender waits for us. Nothing tells a receiver its round
trip, but the sender does: what it writes beyond the credit it had can only have come after our next grant reached it. The
shortest time from a grant to such bytes is the round trip, or more where the window was no limit. The window is then kept
at twice what is taken in a round trip, as TCP's receivers do (`hythe.tcp.sizing`), and never shrinks. What the reader has
not taken is not granted anew, so a slow one holds at most one window.

Time is `now`, in nanoseconds.
"""

from __future__ import annotations

from typing import Final

from hythe.units import MIB, SECOND

#: What OpenSSH begins with, and what fills 32 MiB a round trip: 2.5 Gbit/s at 100 ms.
INITIAL: Final = 2 * MIB
LARGEST: Final = 32 * MIB
#: A grant is due for this share of the window. What is due and not granted yet is window that the sender lacks: with halves
#: as OpenSSH has them, a window of twice the path's would only just do.
_GRANTS: Final = 8


class Window:
    """One channel's. `size`: most bytes that are granted and not taken yet. `granted`: all credit so far."""

    __slots__ = ("_asked", "_began", "_mark", "_taken_then", "granted", "largest", "received", "round_trip", "size", "taken")

    def __init__(self, size: int = INITIAL, largest: int = LARGEST) -> None:
        self.size = size
        self.largest = max(size, largest)
        self.granted = size
        self.received = 0
        self.taken = 0
        self.round_trip = 0
        self._asked = 0  # when the grant was sent that bytes beyond `_mark` answer; 0 for none
        self._mark = 0
        self._began = 0  # of the round trip that is being measured, and what had been taken then
        self._taken_then = 0

    def arrived(self, size: int, now: int) -> None:
        """So many bytes have come."""
        self.received += size
        if self._asked and self.received > self._mark:
            sample = now - self._asked
            self._asked = 0
            if not self.round_trip or sample < self.round_trip:
                self.round_trip = max(1, sample)

    def take(self, size: int, now: int) -> int:
        """So many have been passed on; what is to be granted to the peer for it, mostly 0."""
        self.taken += size
        if self.round_trip:
            self._measure(now)
        if self.size - (self.granted - self.taken) < self.size // _GRANTS:
            return 0
        grant = self.size - (self.granted - self.taken)
        if not self._asked:
            self._asked, self._mark = now, self.granted
        self.granted += grant
        return grant

    def _measure(self, now: int) -> None:
        elapsed = now - self._began
        if elapsed < self.round_trip:
            return
        if elapsed < 2 * self.round_trip + SECOND:  # else nothing came for a while, which says nothing
            wanted = 2 * (self.taken - self._taken_then) * self.round_trip // elapsed
            if wanted > self.size:
                self.size = min(wanted, self.largest)
        self._began, self._taken_then = now, self.taken
