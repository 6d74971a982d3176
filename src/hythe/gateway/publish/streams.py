"""Published TCP ports: each client outside becomes a splice whose inner side we open towards the command."""

from __future__ import annotations

import errno
import select
import socket
from typing import Final

from hythe.aio.driver import Driver
from hythe.gateway.layout import Family
from hythe.gateway.publish.clients import Target, targets
from hythe.gateway.pumps import RESET, Splice
from hythe.gateway.session import FlowRecord, Session
from hythe.host.host import Host
from hythe.tcp.connection import Connection
from hythe.tcp.states import ESTABLISHED
from hythe.units import MILLISECOND, NEVER

#: Clients accepted in a row: the others' turn comes after that.
_ACCEPTS: Final = 16
#: How long not to accept when there is no descriptor left.
_PAUSE: Final = 100 * MILLISECOND
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: A port that is in use, and no port left at all.
_TAKEN: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
_READABLE: Final = select.EPOLLIN


class PublishGate:
    """What all published TCP ports share. `flows`: the gateway's set of splices that are open."""

    def __init__(self, host: Host, driver: Driver, session: Session, flows: set[Splice]) -> None:
        self.host = host
        self.driver = driver
        self.session = session
        self.flows = flows

    def admit(self, client: socket.socket, port: int, families: list[Family], now: int) -> None:
        """A client has come for `port` of the command that `families` has."""
        client.setblocking(False)
        try:
            address, client_port = client.getpeername()[:2]
        except OSError:  # gone again already
            client.close()
            return
        ways = targets(address, families)
        connection = self.dial(ways, port, client_port, now)
        if connection is None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        record = self.session.begin("tcp", connection.key, (address, client_port), now)
        record.inbound = True
        flow = PublishedFlow(connection, client, self, record, ways, port)
        self.session.enter(flow)
        self.driver.register(flow.fd, flow, flow.events)

    def dial(self, ways: list[Target], port: int, client_port: int, now: int) -> Connection | None:
        """Connect to the command by the next way, from the client's own port where that is free; None for no way left."""
        while ways:
            way = ways.pop(0)
            for local_port in (client_port, 0):
                try:
                    return self.host.connect(way.remote, port, now, local=way.local, local_port=local_port)
                except OSError as error:
                    if error.errno not in _TAKEN:
                        raise
        return None


class PublishedFlow(Splice):
    """A splice that begins with a client outside. It tries one family, then the other; in the end the client is reset."""

    __slots__ = ("_port", "_ways")

    gate: PublishGate

    def __init__(
        self,
        connection: Connection,
        stream: socket.socket,
        gate: PublishGate,
        record: FlowRecord,
        ways: list[Target],
        port: int,
    ) -> None:
        super().__init__(connection, stream, gate, record, writable=True)
        self._ways = ways
        self._port = port

    def connection_news(self, now: int) -> None:
        """The command has answered."""
        if self.connection.state >= ESTABLISHED:
            self.connected = True
            self.gate.flows.add(self)

    def connection_ended(self, now: int) -> None:
        """Before it was open: the command does not listen there in this family."""
        following = None
        if not self.connected and self.record.outside is not None:
            following = self.gate.dial(self._ways, self._port, self.record.outside[1], now)
        if following is None:
            super().connection_ended(now)
            return
        self.connection.owner = None
        self.connection = following
        following.owner = self
        self.record.key = following.key


class PublishedPort:
    """One listening socket, in the driver's epoll, level-triggered."""

    __slots__ = ("_families", "_gate", "_port", "_socket", "deadline", "filed")

    def __init__(self, listener: socket.socket, port: int, gate: PublishGate, families: list[Family]) -> None:
        self._families = families
        self._socket = listener
        self._port = port
        self._gate = gate
        self.deadline = NEVER
        self.filed = NEVER
        gate.driver.register(listener.fileno(), self, _READABLE)

    def on_events(self, events: int, now: int) -> None:
        """Clients have come."""
        for _ in range(_ACCEPTS):
            try:
                client, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(now)
                    return
                continue  # that client is gone again, or its network is: accept(2)
            self._gate.admit(client, self._port, self._families, now)

    def _pause(self, now: int) -> None:
        """The clients wait in the kernel until a descriptor is free."""
        self._gate.driver.unregister(self._socket.fileno())
        self.deadline = now + _PAUSE
        self._gate.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """The pause is over."""
        self.deadline = NEVER
        self._gate.driver.register(self._socket.fileno(), self, _READABLE)

    def close(self) -> None:
        """Listen no more."""
        self.deadline = NEVER
        self._gate.driver.unregister(self._socket.fileno())
        self._socket.close()
