"""Ways that several have in common: each is made once, however often it is written, and closed when nobody has it any more.

One tunnel for all is not only less than one for each: two of the same WireGuard file would be one peer in two places, each
of which takes the other's session away. Chains share what they begin with. A server may run for months without anybody at
its terminal, so nobody is asked anything.

What is to be told of ways is told here, once: that one fails, and that it works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence

from hythe.aio.repeating import Repeating
from hythe.errors import HytheError
from hythe.via.base import Broken, BrokenError, Datagrams, Listening, Opened, Receive, Tally, Way
from hythe.via.direct import Direct
from hythe.via.make import make_all, make_hop
from hythe.via.spec import Hop, Route


class Pool:
    """`notice`: takes a sentence for whoever runs this."""

    def __init__(self, notice: Callable[[str], object]) -> None:
        self.notice = notice
        self.made: dict[tuple[Hop, ...], Shared] = {}
        #: To be asked when files of ways may have changed.
        self.rereading = Repeating(self._reread)

    def take(self, routes: Sequence[Route]) -> Way:
        """The way of these, to be closed by who has it. UsageError, MachineError: then nothing is."""
        taken: list[Way] = []

        def chain(route: Route) -> Way:
            taken.append(self._chain(route.hops))
            return taken[-1]

        try:
            return make_all(routes, chain)
        except BaseException:
            for each in taken:
                self._give_back(each)
            raise

    async def _reread(self) -> None:
        """Have every way go by its own files as they are now, and tell what has changed, or is wrong."""
        for each in list(self.made.values()):
            try:
                changed = await each.reread()
            except HytheError as error:
                self.notice(f"{each.name} stays as it was: {error}")
                continue
            if changed:
                self.notice(f"{each.name} read again: {changed}")

    def _chain(self, hops: tuple[Hop, ...]) -> Way:
        if not hops:
            return Direct()
        if hops[-1].scheme == "direct":
            return self._chain(hops[:-1])
        found = self.made.get(hops)
        if found is None:
            before = self._chain(hops[:-1])
            try:
                found = Shared(self, hops, make_hop(hops[-1], before, asks=False), before)
            except BaseException:
                self._give_back(before)
                raise
            self.made[hops] = found
        found.users += 1
        return found

    def _give_back(self, way: Way) -> None:
        """Of what was just taken, so that nothing can be open yet which was not before."""
        if isinstance(way, Shared) and way.released():
            self._give_back(way.before)


class Shared(Way):
    """One of a pool. `users`: those who have it; `before`: what it stands on."""

    def __init__(self, pool: Pool, hops: tuple[Hop, ...], way: Way, before: Way) -> None:
        self.name = way.name
        self.resolves = way.resolves
        self.carries_datagrams = way.carries_datagrams
        self.users = 0
        self.before = before
        self._pool = pool
        self._hops = hops
        self._way = way
        self._fails = False

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        with self._watched():
            return await self._way.open(host, port)

    async def open_unix(self, path: str) -> socket.socket:
        """As `Way.open_unix`."""
        with self._watched():
            return await self._way.open_unix(path)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`."""

        def ready(far: socket.socket | None) -> bytes:
            self._works()
            return opened(far) if opened is not None else b""

        with self._watched():
            return await self._way.carry(client, host, port, opened=ready, tally=tally)

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`."""
        with self._watched():
            return await self._way.datagrams(receive, broken)

    async def listen(self, peer: str) -> Listening:
        """As `Way.listen`."""
        with self._watched():
            return await self._way.listen(peer)

    async def reread(self) -> str:
        """As `Way.reread`."""
        return await self._way.reread()

    async def close(self) -> None:
        """As `Way.close`, for one of those who have it."""
        if self.released():
            await self._way.close()

    def released(self) -> bool:
        """One has it no more; does nobody?"""
        self.users -= 1
        if not self.users:
            del self._pool.made[self._hops]
        return not self.users

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except BrokenError as error:
            self._fail(str(error.strerror))
            raise
        except (TimeoutError, asyncio.CancelledError):  # whoever waits has a limit of his own, it may be
            if reason := self._way.ails():
                self._fail(f"{self.name}: {reason}")
            raise
        self._works()

    def _works(self) -> None:
        if self._fails:
            self._fails = False
            self._pool.notice(f"{self.name} works again")

    def _fail(self, sentence: str) -> None:
        if not self._fails:
            self._fails = True
            self._pool.notice(f"a way out fails: {sentence}")
