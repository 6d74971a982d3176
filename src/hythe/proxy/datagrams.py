"""A mapped UDP port: each client has an association with a destination, which ends by idleness.

A client is an address and port, together with the address of ours that it writes to, because answers must come from there.
There are only so many associations: the one used longest ago makes room. What comes from elsewhere than its destination is
dropped. A client that may not come, or has too many associations already, gets no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections import OrderedDict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from hythe.proxy.balance import Balance, Target
from hythe.proxy.clients import Client, Flow
from hythe.proxy.config import MapConfig
from hythe.proxy.kinds import destination
from hythe.proxy.passage import Passage
from hythe.units import SECOND
from hythe.via.base import Datagrams
from hythe.via.direct import Direct

if TYPE_CHECKING:
    from hythe.proxy.server import Entry

#: After how long without a datagram an association ends, unless the map says otherwise.
IDLE: Final = 60 * SECOND
#: Datagrams received in a row, and those that wait for an association to be made.
_BATCH: Final = 64
_WAITING: Final = 16
_READ: Final = 65_535
#: ip(7), ipv6(7): the local address of a datagram.
_IP_PKTINFO: Final = 8
_PKTINFO4: Final = struct.Struct("=I4s4s")
_ANCILLARY: Final = socket.CMSG_SPACE(32)

_Ancillary = tuple[tuple[int, int, bytes], ...]
#: Which client, and which address of ours it writes to.
_Who = tuple[socket.socket, Any, _Ancillary]


class DatagramMapping:
    """All associations of one map, whatever socket of it they came by."""

    def __init__(self, entry: Entry, config: MapConfig, passage: Passage) -> None:
        self.entry = entry
        self.passage = passage
        self.idle = config.idle or IDLE
        self._most = config.connections
        self.balance = Balance([destination(each, "udp") for each in config.to], config.balance, passage.clock)
        self.associations: OrderedDict[_Who, _Association] = OrderedDict()  # the one used longest ago first
        self._sockets: list[socket.socket] = []
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self.idle / SECOND, self._sweep)

    def listen(self, opened: socket.socket) -> None:
        """Serve a bound socket, ours from now on."""
        self._sockets.append(opened)
        if opened.family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._loop.add_reader(opened, self._read, opened)

    @property
    def listeners(self) -> list[socket.socket]:
        """What is received from."""
        return list(self._sockets)

    def _read(self, opened: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                data, ancillary, _, name = opened.recvmsg(_READ, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue  # what came of an answer that a client no longer waits for
            self._take(data, (opened, name, _reply_from(ancillary)))

    def _take(self, data: bytes, who: _Who) -> None:
        association = self.associations.get(who)
        if association is None:
            if len(self.associations) >= self._most:
                next(iter(self.associations.values())).end()
            try:
                association = _Association(self, who)
            except OSError:
                return  # it has had too much; the log has told of it
            self.associations[who] = association
        self.associations.move_to_end(who)
        association.send(data)

    def _sweep(self) -> None:
        """End what has been idle; the others come later."""
        now = self.passage.clock()
        while self.associations:
            oldest = next(iter(self.associations.values()))
            if oldest.used + self.idle > now:
                break
            oldest.end()
        next_look = next(iter(self.associations.values())).used + self.idle - now if self.associations else self.idle
        self._timer = self._loop.call_later(max(next_look / SECOND, 0.05), self._sweep)

    def hand_over(self) -> None:
        """Another has the sockets from now on."""
        for opened in self._sockets:
            self._loop.remove_reader(opened)
        self._sockets.clear()

    async def close(self) -> None:
        """Receive no more, and forget all clients."""
        self._timer.cancel()
        for opened in self._sockets:
            self._loop.remove_reader(opened)
        for association in list(self.associations.values()):
            association.end()
        for opened in self._sockets:
            opened.close()
        self._sockets.clear()


class _Association:
    """One client. `used`: when it last sent or got something."""

    __slots__ = ("_flow", "_held", "_host", "_mapping", "_opening", "_path", "_target", "_waiting", "_who", "used")

    def __init__(self, mapping: DatagramMapping, who: _Who) -> None:
        self._mapping = mapping
        self._who = who
        self.used = mapping.passage.clock()
        target = mapping.balance.choose(())
        assert target is not None
        self._target: Target = target
        to = target.destination
        client = Client(mapping.entry, who[0], who[1], self.end)
        self._held = ExitStack()
        self._flow: Flow = self._held.enter_context(mapping.passage.flow(client, to.host, to.port, f"-> {to}/udp", "udp"))
        target.connections += 1
        self._host = to.host
        self._path: Datagrams | None = None
        self._waiting: list[bytes] = []
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        """Find out whereto, once, and make the way there."""
        passage, to = self._mapping.passage, self._target.destination
        try:
            way = passage.way(self._flow.client, to.host, to.port, mapped=True)
            if isinstance(way, Direct):
                found = await passage.find(self._flow.client)(to.host, to.port, socket.SOCK_DGRAM, socket.AF_UNSPEC)
                self._host = str(found[0][4][0])
                passage.permit(self._flow.client, to.host, self._host, to.port, mapped=True)
                self._flow.address = self._host
            self._path = await way.datagrams(self._receive, self._fail)
        except OSError as error:
            self._mapping.balance.failed(self._target)
            self._fail(error)
            return
        passage.reached(self._flow, None)
        for data in self._waiting:
            self._send(data)
        self._waiting.clear()

    def send(self, data: bytes) -> None:
        """From the client."""
        self.used = self._mapping.passage.clock()
        if self._path is not None:
            self._send(data)
        elif len(self._waiting) < _WAITING:
            self._waiting.append(data)

    def _send(self, data: bytes) -> None:
        tally = self._flow.tally
        try:
            if tally.pace is not None and tally.pace(len(data)) > 0:
                return  # faster than it may be: lost, as datagrams are
            assert self._path is not None
            self._path.send(data, self._host, self._target.destination.port)
        except OSError as error:
            self._flow.fail(error)
            return
        tally.up += len(data)

    def _receive(self, data: bytes, host: str, port: int) -> None:
        if port != self._target.destination.port or (_is_address(self._host) and host != self._host):
            return
        self.used = self._mapping.passage.clock()
        self._mapping.associations.move_to_end(self._who)
        self._flow.tally.down += len(data)
        opened, name, ancillary = self._who
        with contextlib.suppress(OSError):  # no room, or it has gone: lost, as datagrams are
            opened.sendmsg((data,), ancillary, 0, name)

    def _fail(self, error: OSError) -> None:
        self._flow.fail(error)
        self.end()

    def end(self) -> None:
        """Forget the client. May be called again."""
        if self._mapping.associations.pop(self._who, None) is None:
            return
        self._opening.cancel()
        self._target.connections -= 1
        if self._path is not None:
            self._path.close()
        self._held.close()


def _reply_from(ancillary: list[tuple[int, int, bytes]]) -> _Ancillary:
    """What makes an answer leave from the address that the client wrote to."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            _, local, _ = _PKTINFO4.unpack(data)
            return ((level, kind, _PKTINFO4.pack(0, local, bytes(4))),)
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return ((level, kind, data),)
    return ()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
