"""Several ways, each for some destinations: the first whose patterns match is taken.

What none matches goes by the last way without `for`, or directly. A way that fails is not replaced by another: what was to
go through a tunnel must not go round it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Final

from hythe.via.base import Broken, Buffer, Datagrams, Listening, Opened, Receive, Tally, Way
from hythe.via.direct import Direct, Find, Permit
from hythe.via.patterns import Pattern, normal

#: Datagrams that wait for an association to be made.
_WAITING: Final = 16


class Rules(Way):
    """`ways`: each with what it is for, nothing being everything."""

    def __init__(self, ways: Sequence[tuple[tuple[Pattern, ...], Way]]) -> None:
        self._ways = list(ways)
        if not self._ways or self._ways[-1][0]:
            self._ways.append(((), Direct()))
        self.carries_datagrams = any(way.carries_datagrams for _, way in self._ways)
        self.name = ", ".join(f"{way.name} for {' '.join(each.text for each in to)}" for to, way in self._ways[:-1])
        self.name += f", else {self._ways[-1][1].name}" if self.name else self._ways[-1][1].name

    def choose(self, host: str, port: int) -> Way:
        """As `Way.choose`: the first that is for it."""
        sought = normal(host)
        for patterns, way in self._ways[:-1]:
            if any(each.matches(sought, port) for each in patterns):
                return way
        return self._ways[-1][1]

    def choices(self, host: str) -> list[Way]:
        """As `Way.choices`."""
        sought, found = normal(host), []
        for patterns, way in self._ways[:-1]:
            meant = [each for each in patterns if each.covers(sought)]
            if meant:
                found.append(way)
            if any(each.ports is None for each in meant):
                return found
        return [*found, self._ways[-1][1]]

    def permitting(self, permit: Permit, find: Find | None = None) -> Rules:
        """The same, with permissions for what goes directly."""
        return Rules([(to, way.permitting(permit, find) if isinstance(way, Direct) else way) for to, way in self._ways])

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        return await self.choose(host, port).open(host, port)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`."""
        return await self.choose(host, port).carry(client, host, port, opened=opened, tally=tally)

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`; each way's own association is made when something is first sent by it."""
        return _Datagrams(self, receive, broken)

    async def listen(self, peer: str) -> Listening:
        """As `Way.listen`."""
        return await self.choose(peer, 0).listen(peer)

    async def close(self) -> None:
        """As `Way.close`."""
        for _, way in self._ways:
            await way.close()


class _Datagrams:
    """An association of each way that has been needed, or the task that makes it."""

    __slots__ = ("_broken", "_making", "_open", "_receive", "_rules")

    def __init__(self, rules: Rules, receive: Receive, broken: Broken) -> None:
        self._rules = rules
        self._receive = receive
        self._broken = broken
        self._open: dict[Way, Datagrams] = {}
        self._making: dict[Way, tuple[asyncio.Task[None], list[tuple[bytes, str, int]]]] = {}

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`."""
        way = self._rules.choose(host, port)
        found = self._open.get(way)
        if found is not None:
            found.send(data, host, port)
            return
        if way not in self._making:
            self._making[way] = asyncio.get_running_loop().create_task(self._make(way)), []
        waiting = self._making[way][1]
        if len(waiting) < _WAITING:
            waiting.append((bytes(data), host, port))

    async def _make(self, way: Way) -> None:
        try:
            made = self._open[way] = await way.datagrams(self._receive, self._broken)
        except OSError:
            return  # what waits is lost, and so is what follows: `_making` stays, so that it is tried once
        _, waiting = self._making.pop(way)
        for each in waiting:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                made.send(*each)

    def close(self) -> None:
        """As `Datagrams.close`."""
        for task, _ in self._making.values():
            task.cancel()
        for each in self._open.values():
            each.close()
        self._open.clear()
