"""Names at the far end of a tunnel: its resolvers are asked by a small host of our own, whose packets go through it.

Theory of operation. The services that answer the command (`gateway/names`) know a resolver as something that opens a
connected socket. Here that is one end of a socket pair; the other is joined to a connection or an endpoint of the host. The
host has the tunnel's addresses, which the command's kernel has as well, so its ports are those that no kernel picks
(ip_local_port_range ends at 60999 in a new network namespace): that tells its packets from the command's.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import Callable, Sequence
from typing import Final

from hythe.aio.driver import Driver
from hythe.aio.host import DEFAULTS, Host
from hythe.errors import ParseError
from hythe.gateway.names.resolvconf import packed
from hythe.gateway.names.resolvers import Resolver, Resolvers
from hythe.gateway.relay.match import Match
from hythe.gateway.relay.passing import outgoing
from hythe.gateway.relay.relay import Relay
from hythe.gateway.relay.shape import Look
from hythe.host.interfaces import Interface
from hythe.link.pair import pair
from hythe.units import SECOND
from hythe.wire import dns
from hythe.wire.dnsmessage import parse_message
from hythe.wire.packet import Packet
from hythe.wire.resolvconf import PORT, Server

_FIRST_PORT: Final = 61_000
_LAST_PORT: Final = 65_535
_MESSAGE: Final = 65_535
_PORTED: Final = (6, 17)


class Asker:
    """The host. `addresses`: the tunnel's, packed; `servers`: whom it asks. `start` it before the first question."""

    def __init__(self, relay: Relay, driver: Driver, addresses: Sequence[bytes], servers: Sequence[Server]) -> None:
        near, self._far = pair(relay.tunnel.link.mtu)
        config = dataclasses.replace(DEFAULTS, ephemeral_ports=(_FIRST_PORT, _LAST_PORT))
        texts = [socket.inet_ntop(socket.AF_INET if len(each) == 4 else socket.AF_INET6, each) for each in addresses]
        routes = ["::/0" if ":" in each else "0.0.0.0/0" for each in texts]
        self._host = Host(*texts, link=near, routes=routes, config=config)
        self._relay = relay
        self._servers = frozenset(packed(host) for host, _ in servers)
        self._errands: set[asyncio.Task[None]] = set()
        relay.resolver = self._receive
        relay.asked = self._is_ours
        driver.add_link(Interface("names", self._far, ()), self._send)

    async def start(self) -> None:
        """Its ports are open from now on."""
        await self._host.start()

    async def close(self) -> None:
        """Ask no more."""
        for errand in self._errands:
            errand.cancel()
        if self._errands:
            await asyncio.wait(self._errands)
        await self._host.close(grace=0)
        self._far.close()

    def resolver(self, server: Server) -> Resolver:
        """One that is asked through the tunnel."""
        return _TunnelResolver(server, self)

    # --- Its packets

    def _is_ours(self, seen: Look) -> bool:
        """An answer of a server's to one of our ports; the identifier of a ping is none."""
        return seen.protocol in _PORTED and seen.far_port >= _FIRST_PORT and seen.source in self._servers

    def _send(self, packet: Packet, now: int, interface: Interface) -> None:
        self._relay.tunnel.send(now, *outgoing(packet))

    def _receive(self, packet: Packet, now: int, interface: Interface) -> None:
        self._far.send(now, *outgoing(packet))

    # --- Its connections

    def dispatch(self, theirs: socket.socket, kind: socket.SocketKind, server: tuple[str, int]) -> None:
        """Join `theirs` to the resolver until either end closes."""
        carry = self._datagrams if kind == socket.SOCK_DGRAM else self._stream
        task = asyncio.get_running_loop().create_task(carry(theirs, *server))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _datagrams(self, theirs: socket.socket, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        with theirs, contextlib.suppress(OSError):
            transport, _ = await self._host.create_datagram_endpoint(lambda: _Answers(theirs), remote_addr=(host, port))
            try:
                while message := await loop.sock_recv(theirs, _MESSAGE):
                    transport.sendto(message)
            finally:
                transport.close()

    async def _stream(self, theirs: socket.socket, host: str, port: int) -> None:
        with theirs, contextlib.suppress(OSError):
            reader, writer = await self._host.open_connection(host, port)
            try:
                back = asyncio.ensure_future(self._back(reader, theirs))
                try:
                    await self._there(theirs, writer)
                finally:
                    back.cancel()
            finally:
                writer.transport.abort()

    async def _there(self, theirs: socket.socket, writer: asyncio.StreamWriter) -> None:
        while data := await asyncio.get_running_loop().sock_recv(theirs, _MESSAGE):
            writer.write(data)
            await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, theirs: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_MESSAGE):
                await asyncio.get_running_loop().sock_sendall(theirs, data)
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_RDWR)  # ends the other direction as well


class _Answers(asyncio.DatagramProtocol):
    """What a resolver sends goes to whoever asks; an ICMP error ends it, which says that nothing will come."""

    def __init__(self, theirs: socket.socket) -> None:
        self._theirs = theirs

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # who asked has the answer already
            self._theirs.send(data)

    def error_received(self, exc: Exception) -> None:
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)


class _TunnelResolver(Resolver):
    """As `Resolver`, but its sockets are joined to the asker's."""

    __slots__ = ("_asker", "_server")

    def __init__(self, server: Server, asker: Asker) -> None:
        host, port = server
        self._asker = asker
        self._server = server
        self.text = host if port == PORT else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def open(self, kind: socket.SocketKind) -> socket.socket:
        """As `Resolver.open`; messages keep their bounds, and the end is seen."""
        pair_kind = socket.SOCK_SEQPACKET if kind == socket.SOCK_DGRAM else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, pair_kind | socket.SOCK_NONBLOCK)
        self._asker.dispatch(theirs, kind, self._server)
        return ours


class SplitResolvers(Resolvers):
    """Some names are asked at the far end, by `far`; what they lead to goes through the tunnel. `fixed` as `Resolvers`'."""

    __slots__ = ("_far", "_match")

    def __init__(self, fixed: list[Server] | None, notice: Callable[[str], None], match: Match, far: list[Resolver]) -> None:
        super().__init__(fixed, notice)
        self._match = match
        self._far = far

    def choose(self, name: str) -> list[Resolver]:
        """As `Resolvers.choose`. A tunnel without resolvers leaves its names to the others."""
        return self._far if self._far and self._match.asks(normal_name(name)) else self.all

    def heard(self, name: str, message: bytes, now: int) -> None:
        """As `Resolvers.heard`: remember where a name has led."""
        patterns = self._match.named(normal_name(name))
        if not patterns:
            return
        try:
            answers = parse_message(message, len(message)).answers
        except ParseError:
            return
        for record in answers:
            if record.kind in (dns.A, dns.AAAA):
                self._match.learn(record.data, patterns, record.ttl * SECOND, now)


def normal_name(name: str) -> str:
    """As patterns have it."""
    return name.rstrip(".").lower()
