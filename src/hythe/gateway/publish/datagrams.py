"""Published UDP ports: each client outside becomes an association with the command.

Theory of operation. A client is one address and port outside, together with the address of ours that it writes to, because
answers must come from there. Its association is an endpoint on the gateway's host, connected to the command's port and
bound to an address that stands for the client. Until the command has answered, what the client sent is kept: when ICMP
says that nobody listens in one family, it is sent again in the other. Associations end by idleness, and the least
recently used makes room where there are too many.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections import OrderedDict
from typing import Any, Final

from hythe.aio.driver import Driver
from hythe.config import RelayConfig
from hythe.gateway.egress.kernel import MARKS4, MARKS6, Ancillary, mark_of, tell_marks
from hythe.gateway.layout import Family
from hythe.gateway.publish.clients import Target, targets
from hythe.gateway.session import FlowRecord, Session
from hythe.host.host import Host
from hythe.host.udp import Endpoint
from hythe.units import NEVER
from hythe.wire.segment import make_key

#: Datagrams received in a row: the others' turn comes after that.
_BATCH: Final = 32
#: Datagrams kept until the command has answered once.
_KEPT: Final = 8
_READ: Final = 65_535
#: ip(7), ipv6(7): the local address of a datagram, as ``struct in_pktinfo`` (interface, local address, destination in the
#: header) and ``struct in6_pktinfo``.
_IP_PKTINFO: Final = 8
_PKTINFO4: Final = struct.Struct("=I4s4s")
_ANCILLARY: Final = 2 * socket.CMSG_SPACE(32)


class DatagramPublishGate:
    """What all published UDP ports share."""

    def __init__(self, host: Host, driver: Driver, session: Session, config: RelayConfig) -> None:
        self.host = host
        self.driver = driver
        self.session = session
        self.config = config
        self.associations: OrderedDict[tuple[Any, ...], _Association] = OrderedDict()  # the least recently used first

    def find(self, port: PublishedDatagrams, client: Any, ancillary: Ancillary, now: int) -> _Association:
        """The association of a client, a new one if need be."""
        key = (port, client, ancillary)
        association = self.associations.get(key)
        if association is not None:
            self.associations.move_to_end(key)
            return association
        if len(self.associations) >= self.config.udp_mappings:
            next(iter(self.associations.values())).end(now)
        association = self.associations[key] = _Association(self, port, client, ancillary, now)
        return association

    def forget(self, port: PublishedDatagrams, now: int) -> None:
        """Forget the clients of a port: nothing can be sent to them any more."""
        for association in [each for key, each in self.associations.items() if key[0] is port]:
            association.end(now)


class PublishedDatagrams:
    """One socket outside, in the driver's epoll, level-triggered."""

    __slots__ = ("_gate", "_marks", "_socket", "_told", "_wanted", "families", "inside")

    def __init__(self, outside: socket.socket, inside: int, gate: DatagramPublishGate, families: list[Family]) -> None:
        self.families = families
        self._socket = outside
        self._gate = gate
        self.inside = inside
        if outside.family == socket.AF_INET:
            self._wanted = (socket.IPPROTO_IP, _IP_PKTINFO)
            self._told, self._marks = (socket.IPPROTO_IP, socket.IP_TOS), MARKS4
            outside.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            self._wanted = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
            self._told, self._marks = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS), MARKS6
            outside.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        tell_marks(outside)
        gate.driver.register(outside.fileno(), self, select.EPOLLIN)

    def on_events(self, events: int, now: int) -> None:
        """Datagrams of clients."""
        for _ in range(_BATCH):
            try:
                payload, ancillary, _, client = self._socket.recvmsg(_READ, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue  # what came of an answer that a client no longer waits for
            ecn = 0
            for level, kind, value in ancillary:
                if (level, kind) == self._told:
                    ecn = mark_of(value)
            self._gate.find(self, client, self._reply_from(ancillary), now).send(payload, ecn, now)

    def _reply_from(self, ancillary: list[tuple[int, int, bytes]]) -> Ancillary:
        """What makes an answer leave from the address that the client wrote to."""
        for level, kind, data in ancillary:
            if (level, kind) == self._wanted:
                if level == socket.IPPROTO_IP:
                    _, local, _ = _PKTINFO4.unpack(data)
                    data = _PKTINFO4.pack(0, local, bytes(4))
                return ((level, kind, data),)
        return ()

    def answer(self, payload: memoryview, ecn: int, client: Any, ancillary: Ancillary) -> int:
        """Send to a client; the errno of what went wrong, or 0."""
        try:
            self._socket.sendmsg((payload,), ancillary + self._marks[ecn], 0, client)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def close(self) -> None:
        """Receive no more."""
        self._gate.driver.unregister(self._socket.fileno())
        self._socket.close()


class _Association:
    """One client of one published port."""

    __slots__ = ("_ancillary", "_client", "_endpoint", "_gate", "_kept", "_port", "_ways", "deadline", "filed", "record")

    def __init__(
        self, gate: DatagramPublishGate, port: PublishedDatagrams, client: Any, ancillary: Ancillary, now: int
    ) -> None:
        self._gate = gate
        self._port = port
        self._client = client
        self._ancillary = ancillary
        self._ways: list[Target] = targets(client[0], port.families)
        self._kept: list[tuple[bytes, int]] | None = []  # None once the command has answered
        self._endpoint, key = self._bind(self._ways.pop(0))
        self.record: FlowRecord = gate.session.begin("udp", key, (client[0], client[1]), now)
        self.record.inbound = True
        self.record.state = "UNREPLIED"
        self.deadline = now + gate.config.udp_idle
        self.filed = NEVER
        gate.session.enter(self)
        gate.host.around.timers.file(self)

    def _bind(self, way: Target) -> tuple[Endpoint, bytes]:
        """An endpoint at the client's own port, where that is free."""
        remote = (way.remote, self._port.inside)
        try:
            endpoint = self._gate.host.bind(way.local, self._client[1], remote)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            endpoint = self._gate.host.bind(way.local, 0, remote)
        endpoint.owner = self
        return endpoint, make_key(*remote, way.local, endpoint.port)

    def send(self, payload: bytes, ecn: int, now: int) -> None:
        """From the client to the command."""
        self.deadline = now + self._gate.config.udp_idle
        self.record.bytes_down += len(payload)
        if self._kept is not None and len(self._kept) < _KEPT:
            self._kept.append((payload, ecn))
        self._pass_on(payload, ecn, now)

    def _pass_on(self, payload: bytes, ecn: int, now: int) -> None:
        try:
            self._endpoint.send(now, payload, ecn=ecn)
        except OSError as error:  # 20 bytes more fit over IPv6 than over IPv4
            self.record.error = error.errno or errno.EIO

    def visit(self, endpoint: Endpoint, now: int) -> None:
        """The command has answered, or ICMP for it."""
        endpoint.news = 0
        for datagram in endpoint.take():
            self._kept = None
            self.deadline = now + self._gate.config.udp_idle
            self.record.state = "ASSURED"
            self.record.bytes_up += datagram.size
            for payload in datagram.pieces():
                self.record.error = self._port.answer(payload, datagram.ecn, self._client, self._ancillary)
        complaints = endpoint.take_complaints()
        if complaints and self._kept is not None:
            self.record.error = complaints[-1].number
            if self._ways:
                self._turn(now)

    def _turn(self, now: int) -> None:
        """Nobody listens in this family: try the other."""
        self._endpoint.owner = None
        self._endpoint.close()
        self._endpoint, self.record.key = self._bind(self._ways.pop(0))
        for payload, ecn in self._kept or ():
            self._pass_on(payload, ecn, now)

    def refresh(self) -> None:
        """The record's figures are always fresh."""

    def fileno(self) -> int:
        """The published port's."""
        return self._port.fileno()

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`; the client's next datagram begins an association anew."""
        self.record.error = errno.ECONNABORTED
        self.end(now)

    def fire(self, now: int) -> None:
        """It has been idle for long enough."""
        self.end(now)

    def end(self, now: int) -> None:
        """Forget the client."""
        self.deadline = NEVER
        self._endpoint.owner = None
        self._endpoint.close()
        self._gate.associations.pop((self._port, self._client, self._ancillary), None)
        self._gate.session.end(self.record, now)
