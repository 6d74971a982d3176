"""A mapped TCP port: whoever connects is led to one of its destinations, and notices nothing of it.

Nothing is sent to a client before its destination has been reached; where none can be, the client is reset, as if its own
connection had been refused late. Half-close, back-pressure and resets pass from end to end (`hythe.via.splice`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hythe.config import FtpConfig
from hythe.proxy.balance import Balance, Target
from hythe.proxy.behind import Behind, follows_ftp
from hythe.proxy.clients import Client, Flow, rested
from hythe.proxy.config import MapConfig
from hythe.proxy.kinds import Destination, destination
from hythe.proxy.passage import Passage
from hythe.proxy.peeking import peek
from hythe.proxy.plain import Plain, Port
from hythe.units import SECOND
from hythe.via.direct import Direct
from hythe.via.pairs import reset
from hythe.via.patterns import is_address
from hythe.wire import tls

if TYPE_CHECKING:
    from hythe.tunnel.accepting import Acceptor, Make, Served
    from hythe.via.base import Way

#: How long a client may take to say its name.
_HELLO: Final = 10 * SECOND
T = TypeVar("T")


class Mapping:
    """`way`: by which destinations are checked, too. `behind`: what is said to them before the client is heard."""

    def __init__(self, config: MapConfig, passage: Passage, way: Way) -> None:
        self._passage = passage
        self._way = way
        self._config = config
        self.behind = Behind(config)
        self.balance = Balance([destination(each) for each in config.to], config.balance, passage.clock)
        self._named = {
            name.lower(): Balance([destination(to)], config.balance, passage.clock) for name, to in config.names.items()
        }
        self._ftp = follows_ftp(config)
        self._carries = not (isinstance(way, Direct) or self._ftp) and self.behind.plain
        self._checking: asyncio.Task[None] | None = None
        if config.check:
            self._checking = asyncio.get_running_loop().create_task(self.balance.check(config.check, self._reach))

    def without_task(self, port: Port) -> Make | None:
        """As `Speaker.without_task`."""
        if not self.plain:
            return None

        def make(near: socket.socket, name: Any, acceptor: Acceptor) -> Served | None:
            ours = self._passage.circles.ports
            if any(each.destination.port in ours for each in self.balance.targets):
                return None  # it might go round, which takes a while to find out (`circles`)
            return _PlainClient(self.balance, port, near, name, acceptor)

        return make

    @property
    def plain(self) -> bool:
        """Is all that clients need a connection to an address (`plain`)?"""
        config = self._config
        if self._named or self._ftp or config.via or config.source or not self.behind.plain:
            return False
        return all(is_address(each.destination.host) for each in self.balance.targets)

    async def speak(self, client: Client, greeted: Callable[[], object]) -> None:
        """Serve a client."""
        balance = self.balance
        if self._named:
            try:
                balance = await self._by_name(client)
            except OSError as error:
                self._passage.log.tell_refused(client, error)
                reset(client.stream)
                return
        greeted()
        first, to = balance.targets[0], balance.targets[0].destination
        try:
            with self._passage.flow(client, to.host, to.port, first.words) as flow:
                if self._carries:
                    await self._try(flow, balance, partial(self._carry, flow))
                    return
                target, far, rest = await self._try(flow, balance, partial(self._open, flow))
                target.connections += 1
                try:
                    await self._join(flow, far, target.destination)
                    await rested(far, rest)
                finally:
                    target.connections -= 1
        except OSError:  # the log has told of it
            reset(client.stream)

    async def _by_name(self, client: Client) -> Balance:
        """By what a TLS client asks for; it is left unread. OSError."""
        hello = await peek(client.stream, tls.read, tls.STREAM_MAX, _HELLO)
        labels = hello.name.split(".")
        patterns = [hello.name, *(".".join(("*", *labels[each:])) for each in range(1, len(labels)))]
        return next((self._named[each] for each in patterns if each in self._named), self.balance)

    async def _join(self, flow: Flow, far: socket.socket, to: Destination) -> None:
        if not self._ftp:
            await self._passage.join(flow, far)
            return
        from hythe.proxy.ftp import DataWay
        from hythe.via.ftp import follow

        way = DataWay(self._passage, flow, self._way.choose(to.host, to.port))
        config = FtpConfig(data_ports=self._config.data_ports)
        told = self._passage.flows.notice
        error = await follow(way, flow.client.stream, far, (to.host, to.port), config, told, tally=flow.tally)
        if error is not None:
            flow.fail(error)

    async def _open(self, flow: Flow, target: Target) -> tuple[Target, socket.socket, asyncio.Event | None]:
        to = target.destination
        far = await self._passage.open(flow, to.host, to.port, mapped=True)
        return target, *await self.behind.begin(flow.client, far, to.host)

    async def _carry(self, flow: Flow, target: Target) -> None:
        """The whole of it, by a way that need not give us a socket."""
        to, counted = target.destination, 0

        def opened(_: socket.socket | None) -> bytes:
            nonlocal counted
            counted = 1
            target.connections += counted
            return b""

        try:
            await self._passage.carry(flow, to.host, to.port, opened, mapped=True)
        finally:
            target.connections -= counted

    async def _try(self, flow: Flow, balance: Balance, use: Callable[[Target], Awaitable[T]]) -> T:
        """`use` one after the other. OSError of the last."""
        tried: list[Target] = []
        while True:
            target = balance.choose(tried)
            assert target is not None
            to = target.destination
            flow.what = target.words
            flow.record.far = (to.host, to.port)
            try:
                return await use(target)
            except PermissionError:
                raise
            except OSError:
                balance.failed(target)
                tried.append(target)
                if len(tried) == len(balance.targets):
                    raise

    async def _reach(self, to: Destination) -> bool:
        try:
            async with asyncio.timeout(self._config.connect / SECOND):
                far = await self._way.open(to.host, to.port)
            await self.behind.check(far, to.host)
        except OSError:
            return False
        return True

    async def close(self) -> None:
        """Check no more."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])


class _PlainClient(Plain):
    """A client that is led to one destination after the other until one can be reached."""

    __slots__ = ("_balance", "_target", "_tried")

    mapped = True

    def __init__(self, balance: Balance, port: Port, near: socket.socket, name: Any, acceptor: Acceptor) -> None:
        super().__init__(port, near, name, acceptor)
        self._balance = balance
        self._tried: tuple[Target, ...] = ()
        self._target: Target | None = None

    def _begin(self) -> None:
        first = self._balance.targets[0]
        self._want(first.destination.host, first.destination.port, first.words)

    def _lead(self, flow: Flow) -> None:
        target = self._target = self._balance.choose(self._tried)
        assert target is not None
        flow.what = target.words
        flow.record.far = (target.destination.host, target.destination.port)
        super()._lead(flow)

    def _opened(self, flow: Flow, far: socket.socket) -> bytes:
        assert self._target is not None
        self._target.connections += 1
        return b""

    def _failed(self, flow: Flow, error: OSError) -> None:
        self._drop()
        assert self._target is not None
        self._balance.failed(self._target)
        self._tried = (*self._tried, self._target)
        if len(self._tried) == len(self._balance.targets):
            self._refused(flow, error)
        else:
            self._lead(flow)

    def _refused(self, flow: Flow, error: OSError) -> None:
        flow.fail(error)
        reset(self.near)
        self._leave()

    def _drop(self) -> None:
        if self._joint is not None and self._target is not None:
            self._target.connections -= 1
        super()._drop()
