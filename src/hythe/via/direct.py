"""The direct way: this machine's own sockets and resolvers."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Any, Final

from hythe.via.base import Broken, Buffer, Receive, Way, failure

#: Seconds until the next address of a name is tried beside the one that has not answered (RFC 8305, 5).
_STAGGER: Final = 0.25
#: Longest datagram.
_DATAGRAM: Final = 65_535
#: Datagrams taken in a row before others have their turn.
_BATCH: Final = 32

_Address = tuple[socket.AddressFamily, Any]


class Direct(Way):
    """Kernel sockets, without Nagle: whoever writes has put together what belongs together."""

    name = "direct"
    resolves = False

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`. Of several addresses whichever answers first; `socket.gaierror` for a name without any."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return await _first(host, port, _interleaved([(family, address) for family, _, _, _, address in found]))

    async def datagrams(self, receive: Receive, broken: Broken, *, version: int = 4) -> KernelDatagrams:
        """As `Way.datagrams`; sent to addresses alone."""
        return KernelDatagrams(receive, version)


class KernelDatagrams:
    """A kernel UDP socket in the loop."""

    __slots__ = ("_loop", "_receive", "socket")

    def __init__(self, receive: Receive, version: int) -> None:
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.socket, self._read)

    def send(self, data: Buffer, host: str, port: int) -> None:
        """As `Datagrams.send`; `host` is an address. OSError for a name: looking it up would make others wait."""
        try:
            self.socket.sendto(data, _numeric(self.socket.family, host, port))
        except BlockingIOError:
            return  # lost, as datagrams are

    def close(self) -> None:
        """Let go."""
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                data, address = self.socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier one: datagrams may be lost
            self._receive(data, address[0], address[1])
            if self.socket.fileno() < 0:
                return  # the receiver has closed it


def _numeric(family: int, host: str, port: int) -> Any:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        raise failure(errno.EHOSTUNREACH, "direct", host, port, "datagrams are sent to addresses, not to names") from error
    return found[0][4]


def _interleaved(found: Sequence[_Address]) -> list[_Address]:
    """The families by turns, that of the first address first (RFC 8305, 4)."""
    first = [each for each in found if each[0] == found[0][0]]
    other = [each for each in found if each[0] != found[0][0]]
    turns = [each for pair in zip(first, other, strict=False) for each in pair]
    return turns + first[len(other) :] + other[len(first) :]


async def _first(host: str, port: int, waiting: list[_Address]) -> socket.socket:
    """Connect to the first that answers; the next is begun when one has failed, or after a while (RFC 8305, 5)."""
    if len(waiting) == 1:
        return await _connect(host, port, *waiting[0])
    failures: list[OSError] = []
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.ensure_future(_connect(host, port, *waiting.pop(0))))
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


async def _connect(host: str, port: int, family: socket.AddressFamily, address: Any) -> socket.socket:
    stream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(stream, address)
    except OSError as error:
        stream.close()
        raise failure(error.errno or errno.EIO, "direct", host, port) from error
    except BaseException:
        stream.close()
        raise
    return stream
