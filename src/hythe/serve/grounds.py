"""What a server stands on: this machine's kernel, or a hythe host behind a gateway that publishes its ports.

Both listen outside on sockets of this machine. On the kernel the server reads them itself; on our own stack the gateway
does, and carries each client over a pair of links to the host, whose TCP and UDP the server then speaks to: as a server in
`hythe run --publish`, in one process and without any right.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hythe.errors import MachineError
from hythe.gateway.publish.listening import bound
from hythe.gateway.publish.publications import LOOPBACK, Publication

if TYPE_CHECKING:
    from hythe.aio.host import Host
    from hythe.link.watch import Watcher

#: Where a server on our own stack listens, whatever leads there from outside.
_INSIDE: Final = 8_080
#: Ports picked at random that are free for one address and protocol may be taken for the next.
_PICKS: Final = 16
_BACKLOG: Final = 4_096
_NO_SUCH_LOOPBACK: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

Factory = Callable[[], asyncio.BaseProtocol]
DatagramFactory = Callable[[], asyncio.DatagramProtocol]


class Place(NamedTuple):
    """Where clients find it."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Wanted(NamedTuple):
    """Where to listen. `addresses`: empty for loopback. `port`: 0 picks one. `written`: the port as it was asked for."""

    addresses: tuple[str, ...]
    port: int
    written: str
    tcp: bool = True
    udp: bool = False


class Ground(Protocol):
    """`places`: for the banner, each address once."""

    places: Sequence[Place]

    async def streams(self, factory: Factory, tls: ssl.SSLContext | None = None) -> Sequence[asyncio.AbstractServer]:
        """Serve TCP clients."""

    async def datagrams(self, factory: DatagramFactory) -> None:
        """Serve UDP clients, until the ground is left."""


class Kernel:
    """The kernel's sockets, bound at once. Raises `MachineError`."""

    def __init__(self, wanted: Wanted) -> None:
        self._tcp, self._udp = _bound(wanted)
        self._transports: list[asyncio.DatagramTransport] = []
        names = [Place(*each.getsockname()[:2]) for each in [*self._tcp, *self._udp]]
        self.places: Sequence[Place] = list(dict.fromkeys(names))

    async def streams(self, factory: Factory, tls: ssl.SSLContext | None = None) -> Sequence[asyncio.AbstractServer]:
        """Serve TCP clients."""
        loop = asyncio.get_running_loop()
        return [await loop.create_server(factory, sock=each, ssl=tls, backlog=_BACKLOG) for each in self._tcp]

    async def datagrams(self, factory: DatagramFactory) -> None:
        """Serve UDP clients."""
        loop = asyncio.get_running_loop()
        for each in self._udp:
            transport, _ = await loop.create_datagram_endpoint(factory, sock=each)
            self._transports.append(transport)

    def close(self) -> None:
        """Give the sockets back."""
        for transport in self._transports:
            transport.close()
        for each in [*self._tcp, *self._udp]:
            each.close()


@contextlib.asynccontextmanager
async def kernel(wanted: Wanted) -> AsyncIterator[Ground]:
    """The kernel as a ground. Raises `MachineError`."""
    ground = Kernel(wanted)
    try:
        yield ground
    finally:
        ground.close()


@contextlib.asynccontextmanager
async def own_stack(wanted: Wanted, watcher: Watcher | None = None) -> AsyncIterator[Ground]:
    """A hythe host of its own as a ground; `watcher` is shown its packets. Raises `MachineError`."""
    from hythe.gateway.guest import behind  # our own stack, for those who want it
    from hythe.gateway.options import RunOptions

    probe = Kernel(wanted)  # says what cannot be, in this command's words, and picks the port
    places = probe.places
    probe.close()
    kinds = [udp for udp, asked in ((False, wanted.tcp), (True, wanted.udp)) if asked]
    addresses = tuple(place.address for place in places)
    publish = [Publication(wanted.written, addresses, places[0].port, _INSIDE, udp=udp) for udp in kinds]
    async with behind(RunOptions((), publish=publish), watcher) as (host, _, _):
        yield _Guest(host, places)


class _Guest:
    def __init__(self, host: Host, places: Sequence[Place]) -> None:
        self._host = host
        self.places = places

    async def streams(self, factory: Factory, tls: ssl.SSLContext | None = None) -> Sequence[asyncio.AbstractServer]:
        return [await self._host.create_server(factory, None, _INSIDE, ssl=tls, backlog=_BACKLOG)]

    async def datagrams(self, factory: DatagramFactory) -> None:
        await self._host.create_datagram_endpoint(factory, (None, _INSIDE))


def _bound(wanted: Wanted) -> tuple[list[socket.socket], list[socket.socket]]:
    for _ in range(_PICKS):
        try:
            return _bound_once(wanted)
        except OSError as error:
            if wanted.port or error.errno != errno.EADDRINUSE:
                raise _explained(wanted, error) from error
    raise MachineError("no free port was found: name one with --port")


def _bound_once(wanted: Wanted) -> tuple[list[socket.socket], list[socket.socket]]:
    port = wanted.port
    opened: tuple[list[socket.socket], list[socket.socket]] = ([], [])
    try:
        for address in wanted.addresses or LOOPBACK:
            for udp in [udp for udp, asked in ((False, wanted.tcp), (True, wanted.udp)) if asked]:
                try:
                    opened[udp].append(bound(address, port, udp=udp))
                except OSError as error:
                    if wanted.addresses or address == LOOPBACK[0] or error.errno not in _NO_SUCH_LOOPBACK:
                        raise
                    continue  # a machine without IPv6 has one loopback
                port = opened[udp][-1].getsockname()[1]
    except BaseException:
        for each in [*opened[0], *opened[1]]:
            each.close()
        raise
    return opened


def _explained(wanted: Wanted, error: OSError) -> MachineError:
    addresses = " or ".join(wanted.addresses or LOOPBACK)
    port = wanted.written if wanted.written == str(wanted.port) else f"{wanted.port} ({wanted.written})"
    if error.errno == errno.EADDRINUSE:
        return MachineError(f"port {port} of {addresses} is in use: end what listens there, or name another with --port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return MachineError(
            f"port {port} is below 1024, and binding it is a right of root's: name another with --port, or as root run: "
            f"sysctl net.ipv4.ip_unprivileged_port_start={wanted.port}"
        )
    if error.errno in _NO_SUCH_LOOPBACK or isinstance(error, socket.gaierror):
        return MachineError(
            f"this machine has no address {addresses}: name one that `ip address` shows, or 0.0.0.0 or :: for all"
        )
    return MachineError(f"port {port} of {addresses} cannot be listened on ({error.strerror}): name another with --port")
