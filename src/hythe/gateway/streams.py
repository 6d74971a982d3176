"""The gate for streams: every SYN of the command comes here, held, and becomes a flow or is turned down.

A connection is first made outside and only then accepted inside, so the command sees what the world does: refused is RST
at once, unreachable is ICMP, a time-out stays a time-out.
"""

from __future__ import annotations

import errno
from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.destinations import Leads
from hythe.gateway.egress.base import Destination, Stream, StreamEgress
from hythe.gateway.flows import StreamFlow
from hythe.gateway.pumps import Splice
from hythe.gateway.session import FlowRecord, Session
from hythe.host.host import Host
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener
from hythe.wire.segment import split_key

#: What is told to the command as ICMP "unreachable"; a time-out is told by silence, anything else as a refusal.
_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL}
)


class StreamGate:
    """Owner of the host's catch-all listener."""

    def __init__(self, host: Host, driver: Driver, egress: StreamEgress, destinations: Leads, session: Session) -> None:
        self.host = host
        self.driver = driver
        self.egress = egress
        self.destinations = destinations
        self.session = session
        self.listener = host.listen(None, 0, hold=True)
        self.listener.owner = self
        self.flows: set[Splice] = set()
        self.exhausted = False

    @property
    def sending(self) -> bool:
        """Is anything that the command sent, or may still send, on its way out? A held SYN is not."""
        return any(flow.connected and not flow.ended_up for flow in self.flows)

    @property
    def received(self) -> int:
        """Bytes received from the command by the flows that go on, plus those of the ended."""
        return self.session.bytes_up + sum(flow.connection.bytes_received for flow in self.flows)

    def visit(self, listener: Listener, now: int) -> None:
        """SYNs have come."""
        listener.news = 0
        for connection in listener.take():
            self._begin(connection, now)

    def _begin(self, connection: Connection, now: int) -> None:
        _, _, address, port = split_key(connection.key)
        try:
            destination = self.destinations.stream(address, port)
        except OSError as error:  # it could not be found out
            self.say_exhausted()
            record = self.session.begin("tcp", connection.key, None, now)
            self.turn_down(connection, record, error.errno or errno.EACCES, now)
            return
        outside = (destination.host, destination.port) if destination is not None else None
        record = self.session.begin("tcp", connection.key, outside, now)
        if destination is None:
            self.turn_down(connection, record, self.destinations.reason(address), now)
            return
        record.via = destination.via
        self.reach(connection, record, destination, now)

    def reach(self, connection: Connection, record: FlowRecord, destination: Destination, now: int) -> None:
        """Begin to connect outside."""
        try:
            stream, connected = self.egress.open_stream(destination)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self.say_exhausted()
            self.turn_down(connection, record, error.errno or errno.ECONNREFUSED, now)
            return
        if connected:
            connection.accept()
            connection.emit(now)  # so that the command goes on while we do the rest
        flow = self.flow(connection, stream, record, connected=connected)
        self.flows.add(flow)
        self.session.enter(flow)
        self.driver.register(flow.fd, flow, flow.events)

    def flow(self, connection: Connection, stream: Stream, record: FlowRecord, *, connected: bool) -> StreamFlow:
        """A flow from a stream."""
        return StreamFlow(connection, stream, self, record, connected=connected)

    def say_exhausted(self) -> None:
        """Once is enough: what follows is refused the same way."""
        if not self.exhausted:
            self.exhausted = True
            self.session.notice(
                f"no more descriptors after {len(self.flows)} connections: further ones are refused "
                "while these last; raise the hard limit (ulimit -Hn)"
            )

    def close(self) -> None:
        """Close every stream; the records stay as they are."""
        for flow in list(self.flows):
            flow.let_go()

    def turn_down(self, connection: Connection, record: FlowRecord, number: int, now: int) -> None:
        """Tell the command that `number` (errno) came of its SYN, in the words of its own network."""
        if number == errno.ETIMEDOUT:
            connection.drop()
        elif number in _UNREACHABLE:
            self.host.control.turn_down(connection.key, connection.irs, number, now)
            connection.drop()
        else:
            connection.refuse()
        record.error = number
        record.state = "CLOSED"
        self.session.end(record, now, refused=True)
