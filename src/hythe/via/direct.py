"""The direct way: this machine's own sockets and resolvers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from hythe.via.base import Broken, Buffer, Receive, Way, failure
from hythe.via.naming import NamedSending
from hythe.via.patterns import ascii_name, is_address

#: Seconds until the next address of a name is tried beside the one that has not answered (RFC 8305, 5).
_STAGGER: Final = 0.25
#: Longest datagram.
_DATAGRAM: Final = 65_535
#: Datagrams taken in a row before others have their turn.
_BATCH: Final = 32

#: ip(7): the port is chosen when the destination is known, so that one of ours may lead to many.
_IP_BIND_ADDRESS_NO_PORT: Final = 24

#: connect(2): it has connected, or does so.
_CONNECTING: Final = frozenset((0, errno.EINPROGRESS, errno.EALREADY))

_Address = tuple[socket.AddressFamily, Any]

#: Raises OSError where nothing may go to a host, as it was asked for, at an address (as text) and port.
Permit = Callable[[str, str, int], None]
#: What `socket.getaddrinfo` finds of a host, port, kind and family, without holding anybody up.
Find = Callable[[str, int, int, int], Awaitable[list[tuple[Any, ...]]]]


class Direct(Way):
    """Kernel sockets, without Nagle: whoever writes has put together what belongs together.

    `source`: an address of this machine's that connections come from; `interface`: by which they leave. `permit` is asked
    about each address of a name, and those that it has let pass are connected to: no name is looked up twice, so that it
    cannot mean something else the second time. `find` looks names up.
    """

    name = "direct"
    resolves = False
    carries_datagrams = True

    def __init__(
        self, *, source: str = "", interface: str = "", permit: Permit | None = None, find: Find | None = None
    ) -> None:
        self._source = source
        self._interface = interface
        self._permit = permit
        self._find = find or _find
        self.name = " ".join(("direct", *filter(None, (source and f"from {source}", interface and f"by {interface}"))))

    @property
    def plain(self) -> bool:
        """Would any socket do?"""
        return not (self._source or self._interface or self._permit)

    def permitting(self, permit: Permit, find: Find | None = None) -> Direct:
        """The same with other permissions."""
        return Direct(source=self._source, interface=self._interface, permit=permit, find=find)

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`. Of several addresses whichever answers first; `socket.gaierror` for a name without any."""
        return await self.reach(host, port, self._permit)

    async def reach(
        self, host: str, port: int, permit: Permit | None, seconds: float | None = None, find: Find | None = None
    ) -> socket.socket:
        """The same with other permissions and names, within so many seconds; TimeoutError. What is near costs no timer."""
        near = _literal(host, port) if not self._source else None
        if near is not None:  # a thread for what needs no waiting would cost more than the connection
            if permit is not None:
                permit(host, host, port)
            stream, connected = self._begin(host, port, *near)
            if not connected:
                async with asyncio.timeout(seconds):
                    await self._finish(stream, host, port, near[1])
            return stream
        async with asyncio.timeout(seconds):
            family = (socket.AF_INET6 if ":" in self._source else socket.AF_INET) if self._source else socket.AF_UNSPEC
            if is_address(host):
                found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            else:
                found = await (find or self._find)(host, port, socket.SOCK_STREAM, family)
            addresses: list[_Address] = [(each, address) for each, _, _, _, address in found]
            if permit is not None:
                addresses = _permitted(host, addresses, permit)
            return await self._first(host, port, _interleaved(addresses))

    def is_near(self, host: str) -> bool:
        """Is it an address, to which `begin` can connect?"""
        return not self._source and is_address(host)

    def begin(self, host: str, port: int) -> tuple[socket.socket, bool]:
        """A socket that connects to an address, and whether it has already. OSError."""
        return self._begin(host, port, socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))

    async def datagrams(self, receive: Receive, broken: Broken) -> KernelDatagrams:
        """As `Way.datagrams`."""
        return KernelDatagrams(receive, self._permit, self._prepare, self._find)

    async def listen(self, peer: str) -> KernelListening:
        """As `Way.listen`: on the address of this machine that `peer` is reached from."""
        return KernelListening(peer)

    async def _first(self, host: str, port: int, waiting: list[_Address]) -> socket.socket:
        """Connect to the first that answers; the next is begun when one has failed, or after a while (RFC 8305, 5)."""
        if len(waiting) == 1:
            return await self._connect(host, port, *waiting[0])
        failures: list[OSError] = []
        attempts: set[asyncio.Task[socket.socket]] = set()
        try:
            while waiting or attempts:
                if waiting:
                    attempts.add(asyncio.ensure_future(self._connect(host, port, *waiting.pop(0))))
                limit = _STAGGER if waiting else None
                done, _ = await asyncio.wait(attempts, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    attempts.remove(task)
                    try:
                        return task.result()
                    except OSError as error:
                        failures.append(error)
            raise failures[0]
        finally:
            for attempt in attempts:
                attempt.cancel()
            for made in await asyncio.gather(*attempts, return_exceptions=True):
                if isinstance(made, socket.socket):
                    made.close()

    async def _connect(self, host: str, port: int, family: socket.AddressFamily, address: Any) -> socket.socket:
        stream, connected = self._begin(host, port, family, address)
        if not connected:
            await self._finish(stream, host, port, address)
        return stream

    def _begin(self, host: str, port: int, family: socket.AddressFamily, address: Any) -> tuple[socket.socket, bool]:
        """A socket that connects, and whether it has. A second look at once spares what is on this machine a wait."""
        stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._prepare(stream)
            number = stream.connect_ex(address)
            if number == errno.EINPROGRESS:
                number = stream.connect_ex(address)
            if number not in _CONNECTING:
                raise OSError(number, "")
        except OSError as error:
            stream.close()
            raise failure(error.errno or errno.EIO, self.name, host, port) from error
        except BaseException:
            stream.close()
            raise
        return stream, not number

    async def _finish(self, stream: socket.socket, host: str, port: int, address: Any) -> None:
        try:
            await asyncio.get_running_loop().sock_connect(stream, address)
        except OSError as error:
            stream.close()
            raise failure(error.errno or errno.EIO, self.name, host, port) from error
        except BaseException:
            stream.close()
            raise

    def _prepare(self, opened: socket.socket) -> None:
        """Let it leave as it is to."""
        if self._interface:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
        if self._source:
            if opened.type & socket.SOCK_STREAM:
                opened.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            mapped = opened.family == socket.AF_INET6 and ":" not in self._source
            opened.bind((f"::ffff:{self._source}" if mapped else self._source, 0))


def leaving(source: str) -> Direct:
    """The direct way from an address, or by an interface, or as it comes where nothing is said."""
    return Direct(source=source) if is_address(source) else Direct(interface=source)


class KernelDatagrams:
    """A kernel UDP socket in the loop: one of IPv6 that speaks IPv4 as well, where there is IPv6 (RFC 3493, 3.7)."""

    __slots__ = ("_asked", "_find", "_loop", "_names", "_permit", "_receive", "_socket")

    def __init__(
        self,
        receive: Receive,
        permit: Permit | None = None,
        prepare: Callable[[socket.socket], None] | None = None,
        find: Find | None = None,
    ) -> None:
        try:
            self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        except OSError:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if prepare is not None:
            try:
                prepare(self._socket)
            except BaseException:
                self._socket.close()
                raise
        self._receive = receive
        self._permit = permit
        self._asked: dict[str, str] = {}  # the names of addresses
        self._loop = asyncio.get_running_loop()
        self._find = find or _find
        self._names = NamedSending(self._address, self._send)
        self._loop.add_reader(self._socket, self._read)

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`. A name is looked up once; what is sent until it is known waits for that."""
        if is_address(host):
            self._send(data, host, port)
            return
        if not self._names.send(data, host, port):
            raise failure(errno.ENOBUFS, "direct", host, port, "too many names")

    def close(self) -> None:
        """Let go."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._names.close()

    def _send(self, data: Buffer, host: str, port: int) -> None:
        if self._permit is not None:
            self._permit(self._asked.get(host, host), host, port)
        family = self._socket.family
        if family == socket.AF_INET6 and ":" not in host:
            host = f"::ffff:{host}"
        try:
            self._socket.sendto(data, socket.getaddrinfo(host, port, family, flags=socket.AI_NUMERICHOST)[0][4])
        except BlockingIOError:
            return  # lost, as datagrams are
        except OSError as error:
            raise failure(error.errno or errno.EHOSTUNREACH, "direct", host, port) from error

    async def _address(self, host: str) -> str | None:
        try:
            found = await self._find(host, 0, socket.SOCK_DGRAM, socket.AF_UNSPEC)
        except OSError:
            return None
        address = str(found[0][4][0])
        self._asked[address] = host
        return address

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                data, address = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier one: datagrams may be lost
            self._receive(data, address[0].removeprefix("::ffff:"), address[1])
            if self._socket.fileno() < 0:
                return  # the receiver has closed it


class KernelListening:
    """As `Listening`: for connections of `peer` alone.

    `local`: the address to listen on, unless it is the one that `peer` is reached from. `ports`: the first and the last
    that will do.
    """

    __slots__ = ("_peer", "_socket", "address")

    def __init__(self, peer: str, local: str = "", ports: tuple[int, int] = (0, 0)) -> None:
        family = socket.AF_INET6 if ":" in peer else socket.AF_INET
        if not is_address(peer):
            raise failure(errno.EADDRNOTAVAIL, "direct", peer, 0, "only an address can be waited for")
        self._peer = socket.inet_pton(family, peer)
        self._socket = _listening(family, local or _local(family, peer), *ports)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    async def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """As `Listening.accept`."""
        while True:
            stream, address = await asyncio.get_running_loop().sock_accept(self._socket)
            if socket.inet_pton(stream.family, address[0].partition("%")[0]) == self._peer:
                return stream, address[:2]
            stream.close()

    def close(self) -> None:
        """As `Listening.close`."""
        self._socket.close()


async def _find(host: str, port: int, kind: int, family: int) -> list[tuple[Any, ...]]:
    """As `Find`, by the threads of the loop."""
    return list(await asyncio.get_running_loop().getaddrinfo(raw_name(host), port, type=kind, family=family))


def raw_name(host: str) -> bytes:
    """A name as the C library takes it: Python's own form of it chokes on labels that are none. `socket.gaierror`."""
    try:
        raw = ascii_name(host).encode("ascii")
    except UnicodeEncodeError:
        raw = b"\0"
    if b"\0" in raw:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return raw


def _local(family: socket.AddressFamily, peer: str) -> str:
    """The address that `peer` is reached from."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing, but is told the way there
        probe.connect((peer, 9))
        return str(probe.getsockname()[0])


def _listening(family: socket.AddressFamily, local: str, first: int, last: int) -> socket.socket:
    """On the first of these ports that is free."""
    for port in range(first, last + 1):
        try:
            found = socket.create_server((local, port), family=family, backlog=1)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == last:
                raise
            continue
        found.setblocking(False)
        return found
    raise failure(errno.EADDRINUSE, "direct", local, first, f"there is no port up to {last}")


def _literal(host: str, port: int) -> _Address | None:
    """Where to connect to, if `host` is an address; IPv6 without a zone."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except OSError:
        return None
    return family, (host, port)


def _interleaved(found: Sequence[_Address]) -> list[_Address]:
    """The families by turns, that of the first address first (RFC 8305, 4)."""
    first = [each for each in found if each[0] == found[0][0]]
    other = [each for each in found if each[0] != found[0][0]]
    turns = [each for pair in zip(first, other, strict=False) for each in pair]
    return turns + first[len(other) :] + other[len(first) :]


def _permitted(host: str, addresses: list[_Address], permit: Permit) -> list[_Address]:
    """Those that may be connected to. OSError of the first that may not, where there is none."""
    refusals: list[OSError] = []
    found = []
    for family, address in addresses:
        try:
            permit(host, address[0], address[1])
            found.append((family, address))
        except OSError as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    return found
