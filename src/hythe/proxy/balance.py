"""Several destinations of one mapped port: which is taken, and which are left out for a while.

Failover takes the first that works, least-connections the one that has the fewest (of equals, the first). A destination that
could not be reached is left out for `REST`, or until a check reaches it; if all are, each is tried all the same: one that is
thought to be down may still be better than none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from hythe.proxy.kinds import Destination
from hythe.units import SECOND

#: How long one that has failed is left out, where nothing checks it.
REST: Final = 10 * SECOND


class Target:
    """A destination. `connections`: through us at the moment; `until`: when it is tried again after a failure.

    `words`: of the log.
    """

    __slots__ = ("connections", "destination", "until", "words")

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.connections = 0
        self.until = 0
        self.words = f"-> {destination}"


class Balance:
    """`balance`: how to choose. `clock`: nanoseconds."""

    def __init__(self, destinations: Sequence[Destination], balance: str, clock: Callable[[], int]) -> None:
        self.targets = [Target(each) for each in destinations]
        self._fewest = balance == "least-connections"
        self._clock = clock

    def choose(self, tried: Collection[Target]) -> Target | None:
        """The next one to try; None where all have been."""
        if len(self.targets) == 1:
            return None if tried else self.targets[0]
        left = [each for each in self.targets if each not in tried]
        if not left:
            return None
        now = self._clock()
        up = [each for each in left if each.until <= now] or left
        return min(up, key=lambda each: each.connections) if self._fewest else up[0]

    def failed(self, target: Target, rest: int = REST) -> None:
        """It could not be reached."""
        target.until = self._clock() + rest

    async def check(self, every: int, reach: Callable[[Destination], Awaitable[bool]]) -> None:
        """Try each of them again and again. One that fails rests until the check after next at least."""
        while True:
            await asyncio.gather(*(self._check(each, every, reach) for each in self.targets))
            await asyncio.sleep(every / SECOND)

    async def _check(self, target: Target, every: int, reach: Callable[[Destination], Awaitable[bool]]) -> None:
        if await reach(target.destination):
            target.until = 0
        else:
            self.failed(target, 3 * every)
