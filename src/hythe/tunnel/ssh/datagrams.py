"""UDP inside SSH, to another hythe: a channel that carries datagrams with their addresses.

SSH has no datagrams. Ours are records on a channel of a type of our own (RFC 4250, 4.6.1): the length of the rest (2 bytes),
the length of the host's name and the name, the port (2 bytes), the data. Outwards the address is the destination, inwards
the source. A server of another make does not know the type, and says so.

What finds no room is lost, as datagrams are: a queue would only make them late.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from asyncssh.session import SSHTCPSession

#: The channels: one way out, and what comes to a port that the server listens on for us.
DIRECT: Final = b"direct-udp@hythe"
FORWARDED: Final = b"forwarded-udp@hythe"
#: Asks a server to listen, and to stop.
LISTEN: Final = b"udp-forward@hythe"
UNLISTEN: Final = b"cancel-udp-forward@hythe"

_LENGTH: Final = struct.Struct(">H")
_PORT: Final = struct.Struct(">H")
#: Longest datagram with its address.
_RECORD_MAX: Final = 65_535
#: Bytes that may wait for the channel.
_QUEUE: Final = 256 * 1_024
#: Names that an association remembers, and datagrams that wait for one.
_NAMES: Final = 64
_WAITING: Final = 16
_DATAGRAM: Final = 65_535
_BATCH: Final = 32

Received = Callable[[bytes, str, int], None]


def record(data: bytes | memoryview, host: str, port: int) -> bytes:
    """One datagram as it travels. OSError for one that is too long."""
    name = host.encode()
    size = 1 + len(name) + _PORT.size + len(data)
    if size > _RECORD_MAX or len(name) > 255:
        raise OSError(errno.EMSGSIZE, f"a datagram of {len(data)} bytes is too long for the tunnel")
    return b"".join((_LENGTH.pack(size), bytes((len(name),)), name, _PORT.pack(port), data))


class Records:
    """Takes the channel's bytes apart again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[bytes, str, int]]:
        """The datagrams that are complete. ValueError for what is none."""
        rest = self._rest + data
        found, at = [], 0
        while len(rest) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(rest, at)
            end = at + _LENGTH.size + size
            if end > len(rest):
                break
            start = at + _LENGTH.size + 1
            name = start + rest[start - 1] if size else start
            if name + _PORT.size > end:
                raise ValueError("a datagram without an address")
            (port,) = _PORT.unpack_from(rest, name)
            found.append((rest[name + _PORT.size : end], rest[start:name].decode(), port))
            at = end
        self._rest = rest[at:]
        return found


class DatagramChannel(SSHTCPSession[bytes]):
    """One end of such a channel. `received` gets what comes, `broken` is told once that nothing will any more."""

    def __init__(self, received: Received, broken: Callable[[OSError], None]) -> None:
        self._received = received
        self._broken = broken
        self._records = Records()
        self._channel: Any = None

    def connection_made(self, chan: Any) -> None:
        """The channel is open."""
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Some bytes of it."""
        try:
            datagrams = self._records.feed(bytes(data))
        except ValueError:
            self.close()
            return
        for each in datagrams:
            self._received(*each)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        told = self._channel is not None or exc is not None
        self._channel = None
        if not told:
            return  # we let go ourselves
        self._broken(OSError(errno.ECONNRESET, str(exc) if exc is not None else "the far end closed it"))

    def send(self, data: bytes | bytearray | memoryview, host: str, port: int) -> None:
        """Send one, or lose it. OSError for what cannot go."""
        channel = self._channel
        if channel is None:
            raise OSError(errno.ENOTCONN, "the tunnel's channel has ended")
        if channel.get_write_buffer_size() < _QUEUE and not channel.is_closing():
            channel.write(record(memoryview(data), host, port))

    def close(self) -> None:
        """Let go of it."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


class Outlet:
    """The far half: an association's kernel sockets, one a family. `permits`: may it send there?"""

    def __init__(self, permits: Callable[[str, int], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._permits = permits
        self._sockets: dict[int, socket.socket] = {}
        self._names: OrderedDict[tuple[str, int], tuple[int, Any] | list[bytes] | None] = OrderedDict()
        self._looking: set[asyncio.Task[None]] = set()
        self.channel = DatagramChannel(self._send, self._ended)

    def _send(self, data: bytes, host: str, port: int) -> None:
        key = (host, port)
        if key not in self._names:
            if not self._permits(host, port):
                return
            if len(self._names) >= _NAMES:
                self._names.popitem(last=False)
            self._names[key] = [data]
            task = self._loop.create_task(self._look_up(key))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
            return
        known = self._names[key]
        if isinstance(known, list):
            if len(known) < _WAITING:
                known.append(data)
        elif known is not None:
            self._emit(data, *known)

    async def _look_up(self, key: tuple[str, int]) -> None:
        try:
            found = await self._loop.getaddrinfo(*key, type=socket.SOCK_DGRAM)
            place: tuple[int, Any] | None = (found[0][0], found[0][4])
        except (OSError, UnicodeError):
            place = None  # there is no such name, or cannot be: what is sent there is lost
        waiting = self._names.get(key)
        self._names[key] = place
        if place is not None and isinstance(waiting, list):
            for data in waiting:
                self._emit(data, *place)

    def _emit(self, data: bytes, family: int, address: Any) -> None:
        outside = self._sockets.get(family)
        try:
            if outside is None:
                outside = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self._sockets[family] = outside
                self._loop.add_reader(outside, read, outside, self._back)
            outside.sendto(data, address)
        except OSError:
            return  # lost: no room, no route, or an ICMP error of an earlier one

    def _back(self, data: bytes, host: str, port: int) -> None:
        try:
            self.channel.send(data, host, port)
        except OSError:
            return  # too long with its address, or the channel has just ended

    def _ended(self, error: OSError) -> None:
        for task in self._looking:
            task.cancel()
        for outside in self._sockets.values():
            self._loop.remove_reader(outside)
            outside.close()
        self._sockets.clear()


def read(source: socket.socket, received: Received) -> None:
    """Take what has come to a UDP socket, some at a time."""
    for _ in range(_BATCH):
        if source.fileno() < 0:
            return
        try:
            data, address = source.recvfrom(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error of an earlier one
        received(data, address[0], address[1])
