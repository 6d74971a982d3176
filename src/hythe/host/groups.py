"""The multicast groups of one interface, and telling the segment of them (RFC 3810; RFC 4862, 5.4.2).

Every address has a group at which neighbors ask for it (RFC 4291, 2.7.1). A change is told at once and once more within a
second, since nobody confirms (RFC 3810, 6.1); a query is answered within the time it allows. To all nodes nobody needs to
say that he listens (6).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER, SECOND
from hythe.wire import mld

#: RFC 3810, 9.11: Unsolicited Report Interval; and the longest a query can have us wait.
_AGAIN: Final = 1 * SECOND
_DELAY_MAX: Final = 10 * SECOND


class Groups:
    """`send(records, now)` sends a report. `joined` counts the addresses that need a group."""

    __slots__ = ("_again", "_answer_at", "_random", "_repeat_at", "_send", "_timers", "deadline", "filed", "joined")

    def __init__(self, timers: TimerQueue, random: Random, send: Callable[[list[tuple[int, bytes]], int], None]) -> None:
        self._timers = timers
        self._random = random
        self._send = send
        self._again: dict[bytes, int] = {}
        self._repeat_at = NEVER
        self._answer_at = NEVER
        self.joined: dict[bytes, int] = {}
        self.deadline = NEVER
        self.filed = NEVER

    def join(self, group: bytes, now: int) -> None:
        """One more address needs `group`."""
        self.joined[group] = self.joined.get(group, 0) + 1
        if self.joined[group] == 1:
            self._tell(group, mld.JOINED, now)

    def leave(self, group: bytes, now: int) -> None:
        """One less does."""
        self.joined[group] -= 1
        if not self.joined[group]:
            del self.joined[group]
            self._tell(group, mld.LEFT, now)

    def asked(self, query: mld.Query, now: int) -> None:
        """Somebody wants to know who listens."""
        if self.joined and (not any(query.group) or query.group in self.joined):
            wait = min(query.delay, _DELAY_MAX)
            self._answer_at = min(self._answer_at, now + int(wait * self._random.random()))
            self._arm()

    def fire(self, now: int) -> None:
        """Repeat, or answer: with everything, whatever was asked."""
        if self._repeat_at <= now:
            self._repeat_at = NEVER
            again, self._again = self._again, {}
            self._send([(kind, group) for group, kind in again.items()], now)
        if self._answer_at <= now:
            self._answer_at = NEVER
            if self.joined:
                self._send([(mld.LISTENING, group) for group in self.joined], now)
        self._arm()

    def close(self) -> None:
        """Say no more."""
        self._timers.cancel(self)

    def _tell(self, group: bytes, kind: int, now: int) -> None:
        self._send([(kind, group)], now)
        self._again[group] = kind
        self._repeat_at = min(self._repeat_at, now + int(_AGAIN * self._random.random()))
        self._arm()

    def _arm(self) -> None:
        self.deadline = min(self._repeat_at, self._answer_at)
        self._timers.file(self)
