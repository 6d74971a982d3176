"""How many challenge ACKs a host sends (RFC 5961, 7).

Each connection throttles its own. The limit for all of them together is a channel between strangers: who counts how many
challenges are left learns whether a guess about somebody else's connection was right (CVE-2016-5696). So it differs from
second to second by dice, from half of `limit` to one and a half, as Linux's tcp_challenge_ack_limit does.
"""

from __future__ import annotations

from random import Random

from hythe.units import SECOND


class ChallengeLimit:
    """At most about `limit` a second."""

    __slots__ = ("_dice", "_left", "_limit", "_second")

    def __init__(self, limit: int, dice: Random) -> None:
        self._limit = limit
        self._dice = dice
        self._second = -1
        self._left = 0

    def allows(self, now: int) -> bool:
        """May another one leave? Counts it if so."""
        second = now // SECOND
        if second != self._second:
            self._second = second
            half = self._limit >> 1
            self._left = half + self._dice.randrange(self._limit + 1)
        if self._left <= 0:
            return False
        self._left -= 1
        return True
