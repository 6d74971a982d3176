"""The SOCKS server on asyncio: clients accepted, their requests handed to an *outlet*, which knows the way out.

Theory of operation. A client is one task of an `Acceptor`. Until its request is read it may take `SocksConfig.handshake`
in all, not from byte to byte. What one request may hold is bounded by its form (`server`). From the success on, the outlet
joins the client's socket to the far end, and the task merely waits.

The relay of a UDP association is bound to the address that its client connected to, takes datagrams of that client's
address alone, and of one port, and lasts as long as the client's connection (RFC 1928, 7).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from hythe.config import SocksConfig
from hythe.errors import ParseError
from hythe.tunnel.accepting import Acceptor
from hythe.tunnel.socks import server
from hythe.tunnel.socks.messages import (
    ASSOCIATE,
    BIND,
    COMMAND_NOT_SUPPORTED,
    CONNECT,
    SOCKS4,
    SUCCEEDED,
    UNKNOWN,
    Bound,
    Request,
    build_datagram,
    build_reply4,
    build_reply5,
    parse_datagram,
    reply_of,
)
from hythe.tunnel.socks.steps import exchange
from hythe.units import SECOND

#: Datagrams taken in a row before others have their turn.
_BATCH: Final = 64
_DATAGRAM: Final = 65_535

#: Is this the password of this user?
Check = Callable[[str, str], Awaitable[bool]]
#: Takes what came from a host and port.
Receive = Callable[[bytes, str, int], None]


class Datagrams(Protocol):
    """As `hythe.via.base.Datagrams`."""

    def send(self, data: bytes, host: str, port: int) -> None:
        """Send one. OSError."""

    def close(self) -> None:
        """Let go."""


class Outlet(Protocol):
    """Where requests go: it decides whether, and by which way. OSError is told to the client, in SOCKS's few words.

    Where a method has called `opened`, the client's socket is its own, and is closed when it returns.
    """

    async def connect(self, request: Request, client: socket.socket, opened: Callable[[Bound], bytes]) -> None:
        """Join the client to the far end, which gets first what `opened` returns for the address used there."""

    async def bind(
        self,
        request: Request,
        client: socket.socket,
        listening: Callable[[Bound], Awaitable[None]],
        opened: Callable[[Bound], bytes],
    ) -> None:
        """Listen for one connection of the host that the request names, tell where, and join the client to it."""

    async def datagrams(self, request: Request, receive: Receive, broken: Callable[[OSError], None]) -> Datagrams:
        """An association outside."""


class SocksServer:
    """`check`: clients must log in, and by SOCKS5."""

    def __init__(self, outlet: Outlet, *, check: Check | None = None, config: SocksConfig | None = None) -> None:
        config = config or SocksConfig()
        self._outlet = outlet
        self._check = check
        self._service = SocksService(config)
        self._acceptor = Acceptor(self._serve, "a client of SOCKS", clients=config.clients, greeting=config.greeting)

    def listen(self, listener: socket.socket) -> None:
        """Serve a listening socket, ours from now on."""
        self._acceptor.listen(listener)

    def take(self, client: socket.socket) -> asyncio.Task[None] | None:
        """Serve a connected socket, ours from now on; None where there is no room for one more."""
        return self._acceptor.take(client)

    @property
    def clients(self) -> int:
        """How many there are now."""
        return self._acceptor.clients

    @property
    def counts(self) -> dict[str, int]:
        """Of clients that came to nothing, by why."""
        return self._service.counts | self._acceptor.counts

    async def close(self) -> None:
        """Stop listening, and end every client."""
        await self._acceptor.close()

    async def _serve(self, client: socket.socket, greeted: Callable[[], object]) -> None:
        await self._service.serve(client, greeted, self._outlet, self._check)


class SocksService:
    """What is said to clients, wherever they come from. `counts`: of those that came to nothing, by why."""

    def __init__(self, config: SocksConfig) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._associations = 0
        self.counts = {"malformed": 0, "unwelcome": 0, "late": 0}
        #: Seconds that a client may take until it has asked.
        self.handshake = config.handshake / SECOND

    async def serve(
        self,
        client: socket.socket,
        greeted: Callable[[], object],
        outlet: Outlet,
        check: Check | None = None,
        amiss: Callable[[OSError], object] = lambda _: None,
    ) -> None:
        """Serve one connected non-blocking socket until it ends, and close it. `greeted` is called when it has asked.

        `amiss` hears why no request of it came to the outlet; of a login that is refused, `check` knows.
        """
        with client:
            request = await self._negotiate(client, check, amiss)
            greeted()
            if request is not None:
                await self.fulfil(request, client, outlet, amiss)

    async def fulfil(
        self, request: Request, client: socket.socket, outlet: Outlet, amiss: Callable[[OSError], object] = lambda _: None
    ) -> None:
        """Do what a client has asked for, until it ends."""
        try:
            await self._fulfil(request, client, outlet, amiss)
        except OSError as error:
            if client.fileno() >= 0:
                await self.refuse(request, client, reply_of(error))

    async def _negotiate(
        self, client: socket.socket, check: Check | None, amiss: Callable[[OSError], object]
    ) -> Request | None:
        try:
            async with asyncio.timeout(self.handshake):
                greeting = await exchange(client, server.greeting(password=check is not None))
                if greeting.request is not None:
                    return greeting.request
                user = ""
                if greeting.login is not None and check is not None:
                    user = greeting.login[0]
                    await exchange(client, server.verdict(accepted=await check(*greeting.login)))
                return await exchange(client, server.request5(user))
        except (ParseError, server.UnwelcomeError, OSError) as error:
            why = self.nothing(error)
            if why is not None:
                amiss(why)
        return None

    def nothing(self, error: Exception) -> OSError | None:
        """Count a negotiation that came to nothing; why, unless who checks logins has told of it."""
        if isinstance(error, TimeoutError):
            self.counts["late"] += 1
            return OSError(errno.ETIMEDOUT, f"no request within {self.handshake:g} s")
        if isinstance(error, server.UnwelcomeError):
            self.counts["unwelcome"] += 1
            return None if isinstance(error, server.LoginError) else OSError(errno.EACCES, str(error))
        self.counts["malformed"] += 1  # or it ended in the middle
        return error if isinstance(error, OSError) else OSError(errno.EPROTO, str(error))

    async def _fulfil(
        self, request: Request, client: socket.socket, outlet: Outlet, amiss: Callable[[OSError], object]
    ) -> None:
        if request.command == ASSOCIATE and request.version != SOCKS4:
            await self._associate(request, client, outlet, amiss)
            return
        async with asyncio.timeout(self._config.connect / SECOND) as limit:

            def opened(bound: Bound) -> bytes:
                limit.reschedule(None)
                return reply_to(request, SUCCEEDED, bound)

            async def listening(bound: Bound) -> None:
                await self._loop.sock_sendall(client, reply_to(request, SUCCEEDED, bound))

            if request.command == CONNECT:
                await outlet.connect(request, client, opened)
            elif request.command == BIND:
                await outlet.bind(request, client, listening, opened)
            else:
                amiss(OSError(errno.EOPNOTSUPP, f"SOCKS has no command {request.command}"))
                await self.refuse(request, client, COMMAND_NOT_SUPPORTED)

    async def refuse(self, request: Request, client: socket.socket, reply: int) -> None:
        """Tell the client, and see to it that it gets to know: closing with something unread would be a reset."""
        with contextlib.suppress(OSError):  # it need not wait for it
            await self._loop.sock_sendall(client, reply_to(request, reply, UNKNOWN))
            client.shutdown(socket.SHUT_WR)
            client.recv(_DATAGRAM)

    async def _associate(
        self, request: Request, client: socket.socket, outlet: Outlet, amiss: Callable[[OSError], object]
    ) -> None:
        why = None
        if client.family == socket.AF_UNIX:
            why = OSError(errno.EOPNOTSUPP, "a client that has no address cannot send datagrams to a relay")
        elif self._associations >= self._config.associations:
            why = OSError(errno.ENOBUFS, f"there are {self._associations} associations already")
        if why is not None:
            amiss(why)
            raise why
        self._associations += 1
        relay = None
        try:
            relay = Relay(request, client)
            relay.path = await outlet.datagrams(request, relay.deliver, relay.broken)
            await self._loop.sock_sendall(client, reply_to(request, SUCCEEDED, relay.bound))
            await relay.last(client)
        finally:
            self._associations -= 1
            if relay is not None:
                relay.close()


class Relay:
    """Where one client sends its datagrams. `bound`: the address that it is told. `path`: to the outside."""

    __slots__ = ("_client", "_ended", "_loop", "_port", "_socket", "bound", "path")

    def __init__(self, request: Request, client: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._client: Any = client.getpeername()[0]
        self._port = request.port  # 0: that of the first datagram
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self.path: Datagrams | None = None
        self._socket = socket.socket(client.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind((client.getsockname()[0], 0))
        except OSError:
            self._socket.close()
            raise
        host, port = self._socket.getsockname()[:2]
        self.bound = Bound(host.removeprefix("::ffff:") if "." in host else host, port)
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                data, (host, port, *_) = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # what came of one sent to the client: datagrams may be lost
            if host != self._client or (self._port and port != self._port) or self.path is None:
                continue
            self._port = port
            with contextlib.suppress(ParseError, OSError):  # dropped in silence (RFC 1928, 7)
                (host, port), payload = parse_datagram(data)
                self.path.send(payload, host, port)

    def deliver(self, data: bytes, host: str, port: int) -> None:
        """To the client, once it has been heard of."""
        if self._port:
            with contextlib.suppress(OSError):  # no room: lost, as datagrams are
                self._socket.sendto(build_datagram(host, port, data), (self._client, self._port))

    def broken(self, error: OSError) -> None:
        """The association outside has ended: so does the client's connection."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def last(self, client: socket.socket) -> None:
        """Until the client ends its connection, or the outside breaks. What it says there means nothing."""
        listening = asyncio.ensure_future(self._until_end(client))
        try:
            await asyncio.wait([listening, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def _until_end(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a reset is an end, too
            while await self._loop.sock_recv(client, _DATAGRAM):
                continue

    def close(self) -> None:
        """Let go of both sides."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self.path is not None:
            self.path.close()


def reply_to(request: Request, reply: int, bound: Bound) -> bytes:
    """As the version of a request has it."""
    return build_reply4(reply == SUCCEEDED, bound) if request.version == SOCKS4 else build_reply5(reply, bound)
