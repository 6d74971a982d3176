"""What a client asks of SOCKS, by the proxy's rules (`hythe.tunnel.socks.listening.Outlet`)."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from hythe.config import SocksConfig
from hythe.errors import ParseError
from hythe.proxy.access import canonical
from hythe.proxy.clients import Client, Flow
from hythe.proxy.passage import Passage
from hythe.proxy.plain import Plain, Port
from hythe.tunnel.socks.listening import Check, Receive, SocksService, reply_to
from hythe.tunnel.socks.messages import CONNECT, SUCCEEDED, Bound, Request, reply_of
from hythe.tunnel.socks.server import UnwelcomeError, request
from hythe.tunnel.socks.steps import Exchange
from hythe.via.base import Broken, Buffer, Datagrams
from hythe.via.direct import Direct
from hythe.via.outlet import awaited, bound_of
from hythe.via.patterns import endpoint
from hythe.via.rules import Rules

if TYPE_CHECKING:
    from hythe.proxy.users import Users
    from hythe.tunnel.accepting import Acceptor, Make


class Socks:
    """SOCKS for the clients of one entry. `users`: who may log in; `login`: they must."""

    def __init__(self, passage: Passage, users: Callable[[], Users], *, login: bool) -> None:
        self._passage = passage
        self._users = users
        self._login = login
        self.service = SocksService(SocksConfig())

    async def speak(self, client: Client, greeted: Callable[[], object]) -> None:
        """Serve a client."""
        check: Check | None = partial(self._passage.log_in, self._users(), client) if self._login else None
        outlet = _Outlet(self._passage, client, login=self._login)
        await self.service.serve(client.stream, greeted, outlet, check, partial(self._passage.log.tell_refused, client))

    async def fulfil(self, client: Client, asked: Request) -> None:
        """Serve one from what it has asked for on, where nobody has to log in."""
        outlet = _Outlet(self._passage, client, login=False)
        await self.service.fulfil(asked, client.stream, outlet, partial(self._passage.log.tell_refused, client))

    def without_task(self, port: Port) -> Make | None:
        """As `Speaker.without_task`."""
        return None if self._login else partial(_PlainClient, self, port)

    async def close(self) -> None:
        """Nothing is held."""


class _PlainClient(Plain):
    """A client until it has asked, and from then on if that is a connection to an address."""

    __slots__ = ("_asked", "_asking", "_socks")

    asks = True

    def __init__(self, socks: Socks, port: Port, near: socket.socket, name: Any, acceptor: Acceptor) -> None:
        super().__init__(port, near, name, acceptor)
        self._socks = socks
        self._asking = Exchange(request())
        self._asked: Request | None = None

    def _begin(self) -> None:
        self._listen(self._read, self._socks.service.handshake, self._silent)

    def _read(self) -> None:
        try:
            asked = self._asked = self._asking.go_on(self.near)
        except (ParseError, UnwelcomeError, OSError) as error:
            self._nothing(error)
            return
        if asked is None:
            return
        if asked.command == CONNECT and self._is_near(asked.host, asked.port):
            self._want(asked.host, asked.port, f"CONNECT {endpoint(asked.host, asked.port)}")
        else:
            self._acceptor.greeted(self.near)
            self._go_on(self._socks.fulfil(self.client, asked))

    def _silent(self) -> None:
        self._nothing(TimeoutError())

    def _nothing(self, error: Exception) -> None:
        why = self._socks.service.nothing(error)
        if why is not None:
            self._port.passage.log.tell_refused(self.client, why)
        self._leave()

    def _opened(self, flow: Flow, far: socket.socket) -> bytes:
        assert self._asked is not None
        return reply_to(self._asked, SUCCEEDED, Bound(*far.getsockname()[:2]))

    def _refused(self, flow: Flow, error: OSError) -> None:
        self._end(flow, error)
        assert self._asked is not None
        self._go_on(self._socks.service.refuse(self._asked, self.near, reply_of(error)))

    _failed = _refused


class _Outlet:
    """As `Outlet`, of one client. Without `login`, who it says it is means nothing."""

    __slots__ = ("_client", "_login", "_passage")

    def __init__(self, passage: Passage, client: Client, *, login: bool) -> None:
        self._passage = passage
        self._client = client
        self._login = login

    async def connect(self, request: Request, client: socket.socket, opened: Callable[[Bound], bytes]) -> None:
        """As `Outlet.connect`."""
        self._hear(request)
        host, port = request.host, request.port
        with self._passage.flow(self._client, host, port, f"CONNECT {endpoint(host, port)}") as flow:
            await self._passage.carry(flow, host, port, lambda far: opened(bound_of(far)))

    async def bind(
        self,
        request: Request,
        client: socket.socket,
        listening: Callable[[Bound], Awaitable[None]],
        opened: Callable[[Bound], bytes],
    ) -> None:
        """As `Outlet.bind`."""
        self._hear(request)
        host, port = canonical(request.host), request.port
        with self._passage.flow(self._client, host, port, f"BIND {endpoint(host, port)}") as flow:
            self._passage.permit(self._client, host, "", port)
            door = await self._passage.way(self._client, host, port).listen(host)
            try:
                await listening(Bound(*door.address))
                found = await awaited(door, client)
            finally:
                door.close()
            if found is not None:
                far, peer = found
                self._passage.reached(flow, far)
                await self._passage.join(flow, far, opened(Bound(*peer)))

    async def datagrams(self, request: Request, receive: Receive, broken: Broken) -> Datagrams:
        """As `Outlet.datagrams`: the rules are asked about each destination."""
        self._hear(request)
        with ExitStack() as stack:
            flow = stack.enter_context(self._passage.flow(self._client, "0.0.0.0", 0, "UDP ASSOCIATE", "udp"))
            association = _Association(self._passage, flow, receive)
            way = self._client.entry.way
            if isinstance(way, Direct | Rules):  # which ask when they know what a name means
                way = way.permitting(partial(self._passage.permit, self._client), self._passage.find(self._client))
            association.path = await way.datagrams(association.receive, broken)
            self._passage.reached(flow, None)
            association.held = stack.pop_all()
        return association

    def _hear(self, request: Request) -> None:
        self._client.user = request.user if self._login else ""


class _Association:
    """As `Datagrams`, with rules and figures. `held`: what ends with it."""

    __slots__ = ("_flow", "_passage", "_receive", "held", "path")

    def __init__(self, passage: Passage, flow: Flow, receive: Receive) -> None:
        self._passage = passage
        self._flow = flow
        self._receive = receive
        self.path: Datagrams | None = None
        self.held = ExitStack()

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`."""
        host = canonical(host)
        client = self._flow.client
        if not isinstance(client.entry.way.choose(host, port), Direct):
            self._passage.permit(client, host, "", port)
        assert self.path is not None
        self.path.send(data, host, port)
        self._flow.tally.up += len(data)

    def receive(self, data: bytes, host: str, port: int) -> None:
        """As `hythe.via.base.Receive`."""
        self._flow.tally.down += len(data)
        self._receive(data, host, port)

    def close(self) -> None:
        """As `Datagrams.close`."""
        if self.path is not None:
            self.path.close()
        self.held.close()
