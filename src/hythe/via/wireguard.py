"""Streams and datagrams through a WireGuard tunnel: a host of our own stands in its network.

`hythe run --via wg:FILE` sends the command's own packets through the tunnel, and needs none of this (`gateway/relay`). Here
are the connections of hythe itself: of `connect`, `host`, forwards, and of chains. Names are asked of the file's ``DNS =``
servers, through the tunnel. The tunnel's own datagrams leave by this machine's sockets, so it comes first in a chain.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any, Final

from hythe.aio.host import Host
from hythe.aio.resolver import Resolver
from hythe.errors import HytheError, UsageError
from hythe.host.routes import Route
from hythe.tunnel.wireguard.config import Configuration, read
from hythe.tunnel.wireguard.link import WireguardLink
from hythe.tunnel.wireguard.renewal import Renewal
from hythe.tunnel.wireguard.report import PeerReport
from hythe.units import SECOND
from hythe.via.base import Broken, Buffer, Datagrams, Receive, Way, broken, failure
from hythe.via.direct import Direct
from hythe.via.naming import NamedSending
from hythe.via.pairs import Pairs
from hythe.via.patterns import is_address
from hythe.via.spec import Hop

_CHUNK: Final = 256 * 1_024
#: Seconds until the next address of a name is tried as well (RFC 8305, 5).
_STAGGER: Final = 0.25


class Wireguard(Way):
    """The tunnel comes up with the first stream, or by `up`. Raises `UsageError`, `MachineError` for what the file says.

    `keepalive`: seconds between signs of life to those peers for which the file has none.
    """

    carries_datagrams = True

    def __init__(self, hop: Hop, before: Way, *, keepalive: float = 0) -> None:
        if not isinstance(before, Direct):
            raise UsageError(f"{hop}: a tunnel's datagrams leave by this machine's own sockets: write it first in a chain")
        self.name = str(hop)
        self._keepalive = round(keepalive * SECOND)
        self.configuration: Configuration = _alive(read(hop.path).require_client(), self._keepalive)
        self._link: WireguardLink | None = None
        self._making = asyncio.Lock()
        self._host: Host | None = None
        self._resolver: Resolver | None = None
        self._pairs = Pairs()
        self._streams: set[_Stream] = set()

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        stack = await self._up(host, port)
        try:
            address = await self._address(host)
        except socket.gaierror as error:
            raise failure(errno.EHOSTUNREACH, self.name, host, port, str(error.strerror or error)) from error
        if self._link is not None and not self._link.has(ipaddress.ip_address(address).packed):
            words = f"no peer of {self.configuration.source} has {address} in AllowedIPs"
            raise failure(errno.ENETUNREACH, self.name, host, port, words)
        try:
            reader, writer = await stack.open_connection(address, port, happy_eyeballs_delay=_STAGGER)
        except OSError as error:
            raise failure(error.errno or errno.ETIMEDOUT, self.name, host, port) from error
        stream = _Stream(reader, writer, self._streams)
        return self._pairs.make(stream.up, stream.down, stream.end)

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`."""
        stack = await self._up("datagrams", 0)
        made = _Datagrams(self.name, receive, self._find)
        for address in self.configuration.addresses:
            if address.version not in made.transports:
                transport, _ = await stack.create_datagram_endpoint(lambda: made, local_addr=(str(address.ip), 0))
                made.transports[address.version] = transport
        return made

    async def up(self) -> None:
        """Shake hands without waiting for a stream. Raises `UsageError`, `MachineError` where there can be no tunnel."""
        async with self._making:
            if self._host is None:
                self._host = await self._make()
        self.greet()

    def greet(self) -> None:
        """Shake hands anew, where the last time was long ago."""
        if self._link is not None:
            self._link.greet(monotonic_ns())

    def peers(self) -> list[PeerReport]:
        """What there is to tell of the tunnel's peers; none before it comes up."""
        return self._link.peers(monotonic_ns()) if self._link is not None else []

    def ails(self) -> str:
        """As `Way.ails`: a handshake that is under way has not come to its end in all that time."""
        vain = [each for each in self.peers() if each.trying]
        if not vain:
            return ""
        return f"{vain[0].name or vain[0].public_key} does not answer at {vain[0].endpoint}"

    async def reread(self) -> str:
        """As `Way.reread`. Streams go on, unless [Interface] says otherwise than before: then it is another tunnel."""
        wanted = _alive(read(self.configuration.source).require_client(), self._keepalive)
        async with self._making:
            before, self.configuration = self.configuration, wanted
            renewal = Renewal.between(before, wanted)
            said = [str(renewal)] if str(renewal) else []
            if self._link is not None and self._host is not None:
                if renewal.rest:
                    await self.close()
                else:
                    try:
                        await self._renew(self._link, self._host, renewal)
                    except HytheError:
                        self.configuration = before
                        raise
            if renewal.rest:
                said.append("[Interface] has changed, so it begins anew")
            elif renewal.names:
                said.append("names are asked elsewhere")
            return ", ".join(said)

    async def _renew(self, link: WireguardLink, host: Host, renewal: Renewal) -> None:
        # Names of endpoints are looked up where nobody waits for it.
        located = await asyncio.get_running_loop().run_in_executor(None, link.locate, renewal.moved)
        if self._link is not link:
            return  # closed meanwhile
        link.renew(renewal, located)
        interface = host.core.interfaces[0]
        for network in _networks(renewal.before) - _networks(renewal.after):
            host.core.routes.discard(Route.parse(network, interface))
        for network in _networks(renewal.after) - _networks(renewal.before):
            host.core.routes.add(Route.parse(network, interface))
        if renewal.names:
            self._resolver = _resolver(renewal.after, host)
        for stream in list(self._streams):
            if not link.has(stream.remote):
                stream.cut()

    async def close(self) -> None:
        """As `Way.close`."""
        await self._pairs.close()
        self._link = None
        stack, self._host = self._host, None
        if stack is not None:
            await stack.close()

    async def _find(self, name: str) -> str | None:
        try:
            return await self._address(name)
        except OSError:
            return None

    async def _address(self, host: str) -> str:
        """`host`, or its best address. `socket.gaierror`."""
        if is_address(host):
            return host
        if self._resolver is None:
            words = f"{self.configuration.source} has no DNS = line, by which names could be looked up"
            raise socket.gaierror(socket.EAI_NONAME, words)
        return (await self._resolver.resolve(host))[0]

    async def _up(self, host: str, port: int) -> Host:
        async with self._making:
            if self._host is None:
                try:
                    self._host = await self._make()
                except HytheError as error:
                    raise broken(self.name, host, port, str(error)) from error
            return self._host

    async def _make(self) -> Host:
        configuration = self.configuration
        # Names of endpoints are looked up at once: not where others would wait for it.
        link = await asyncio.get_running_loop().run_in_executor(None, WireguardLink, configuration)
        self._link = link
        host = Host(*map(str, configuration.addresses), link=link, routes=sorted(_networks(configuration)))
        await host.start()
        self._resolver = _resolver(configuration, host)
        return host


def _alive(configuration: Configuration, keepalive: int) -> Configuration:
    """With signs of life to everybody."""
    peers = [dataclasses.replace(each, keepalive=each.keepalive or keepalive) for each in configuration.peers]
    return dataclasses.replace(configuration, peers=tuple(peers))


def _networks(configuration: Configuration) -> set[str]:
    """Where the tunnel leads."""
    return {str(network) for peer in configuration.peers for network in peer.allowed_ips}


def _resolver(configuration: Configuration, host: Host) -> Resolver | None:
    """Asks through the tunnel, where there is somebody to ask."""
    if not configuration.dns:
        return None
    return Resolver(*map(_server, configuration.dns), search=configuration.search, via=host)


def _server(address: Any) -> str:
    return f"[{address}]:53" if address.version == 6 else f"{address}:53"


class _Stream:
    """A connection of the host, pumped. `remote`: its far end's address, packed. `among`: those that go on."""

    __slots__ = ("_among", "_is_cut", "_reader", "_writer", "remote")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, among: set[_Stream]) -> None:
        host = writer.get_extra_info("peername")[0]
        self.remote = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        self._reader = reader
        self._writer = writer
        self._is_cut = False
        self._among = among
        among.add(self)

    async def up(self, theirs: socket.socket) -> None:
        """From the pair to the far end."""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(theirs, _CHUNK):
            self._writer.write(data)
            await self._writer.drain()
        self._writer.write_eof()

    async def down(self, theirs: socket.socket) -> None:
        """From the far end to the pair."""
        loop = asyncio.get_running_loop()
        while data := await self._reader.read(_CHUNK):
            await loop.sock_sendall(theirs, data)
        if self._is_cut:
            raise ConnectionAbortedError(errno.ECONNABORTED, "its peer is not in the tunnel's file any more")
        theirs.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Its far end is reached no more: that is no end of it."""
        self._is_cut = True
        self._writer.transport.abort()

    def end(self, whole: bool) -> None:
        """Both have ended, or one has broken."""
        self._among.discard(self)
        if whole:
            self._writer.close()
        else:
            self._writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """An association: an endpoint of the host for each version of IP that it has. `transports`: by version."""

    def __init__(self, name: str, receive: Receive, find: Callable[[str], Awaitable[str | None]]) -> None:
        self._name = name
        self._receive = receive
        self._names = NamedSending(find, self._send)
        self.transports: dict[int, asyncio.DatagramTransport] = {}

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`."""
        if is_address(host):
            self._send(data, host, port)
        elif not self._names.send(data, host, port):
            raise failure(errno.ENOBUFS, self._name, host, port, "too many names")

    def _send(self, data: Buffer, host: str, port: int) -> None:
        transport = self.transports.get(6 if ":" in host else 4)
        if transport is None:
            raise failure(errno.ENETUNREACH, self._name, host, port, "the tunnel has no address of that family")
        transport.sendto(data, (host, port))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Something has come."""
        self._receive(data, addr[0], addr[1])

    def close(self) -> None:
        """As `Datagrams.close`."""
        self._names.close()
        for transport in self.transports.values():
            transport.close()
        self.transports.clear()
