"""Queries over TCP (RFC 7766): answered from the zone, or passed on to a resolver over TCP.

Theory of operation. A message is preceded by two bytes of length. A client's connection has at most one connection to a
resolver, made when the first query needs it, and made again, to the next resolver, when it is lost or silent while
queries wait; they are asked again there. Answers go back as they come, which need not be the order of the queries. A
client that does not read its answers, or has too many queries waiting, is not read from: its window closes.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Final

from hythe.aio.driver import EDGE, Driver
from hythe.errors import ParseError
from hythe.gateway.names.resolvers import Resolver, Resolvers
from hythe.gateway.names.zone import Answers
from hythe.gateway.session import Session
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener
from hythe.tcp.states import CLOSED
from hythe.units import NEVER, SECOND
from hythe.wire import dns

#: How long a resolver may be silent while queries wait; after `_ATTEMPTS` silences the answer is SERVFAIL.
PATIENCE: Final = 5 * SECOND
_ATTEMPTS: Final = 2
#: Queries of one connection that may wait at once.
WAITING: Final = 64
#: Bytes of queries read ahead: the longest message and its length.
_AHEAD: Final = 65_537
_READ: Final = 65_536
_LENGTH: Final = struct.Struct(">H")


class StreamService:
    """Owner of the listeners at port 53."""

    def __init__(self, driver: Driver, zone: Answers, resolvers: Resolvers, session: Session) -> None:
        self.driver = driver
        self.zone = zone
        self.resolvers = resolvers
        self.session = session
        self.clients: set[_Client] = set()

    def visit(self, listener: Listener, now: int) -> None:
        """Connections have come."""
        listener.news = 0
        for connection in listener.take():
            self.clients.add(_Client(self, connection))

    def close(self) -> None:
        """Let go of every resolver."""
        for client in self.clients:
            client.hang_up()
        self.clients.clear()


class _Client:
    """One connection of the command, and the queries on it that wait for an answer."""

    __slots__ = (
        "_ahead",
        "_connection",
        "_resolver",
        "_resolvers",
        "_service",
        "_tries",
        "_upstream",
        "_waiting",
        "deadline",
        "filed",
    )

    def __init__(self, service: StreamService, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._ahead = bytearray()
        self._waiting: list[tuple[dns.Query, bytes, int]] = []  # and when it came
        self._upstream: _Upstream | None = None
        self._resolvers: list[Resolver] = []  # for what waits
        self._resolver = 0  # whose turn it is
        self._tries = 0  # without any answer
        self.deadline = NEVER
        self.filed = NEVER
        connection.owner = self
        connection.note(0)

    # --- The command's side

    def visit(self, connection: Connection, now: int) -> None:
        """Take queries, as many as may wait."""
        connection.news = 0
        if connection.state == CLOSED:
            self._end()
            return
        while connection.owner is self and len(self._waiting) < WAITING and connection.room() > 0:
            message = self._next(connection)
            if message is None:
                if connection.fin_received and not self._waiting:
                    self._end()
                    connection.close(now)
                return
            if not self._handle(message, now):
                self._ahead[:0] = _LENGTH.pack(len(message)) + message
                return

    def _next(self, connection: Connection) -> bytes | None:
        """The next message, if all of it is here; without one everything received has been taken."""
        ahead = self._ahead
        end = 2
        while True:
            if len(ahead) >= 2:
                end = 2 + _LENGTH.unpack_from(ahead)[0]
            if len(ahead) >= end:
                message = bytes(ahead[2:end])
                del ahead[:end]
                return message
            views = connection.views()
            if not views:
                return None
            taken = views[0][: _AHEAD - len(ahead)]
            ahead += taken
            connection.consume(len(taken))

    def _handle(self, message: bytes, now: int) -> bool:
        """False for one whose turn has not come: it is for other resolvers than those that wait."""
        try:
            query = dns.parse_query(message, len(message))
        except ParseError:
            self._end()
            self._connection.abort()  # there is no telling where the next message begins
            return True
        answer = self._service.zone.answer(query, dns.TCP_MAX)
        resolvers = self._service.resolvers.choose(query.text)
        if answer is None and not resolvers:
            answer = dns.build_answer(query, rcode=dns.REFUSED)
        if answer is not None:
            self._reply(answer, now, now)
            return True
        if resolvers is not self._resolvers:
            if self._waiting:
                return False
            self.hang_up()
            self._resolvers = resolvers
        if not self._waiting:
            self._tries = 0
            self._wait(now)
        self._waiting.append((query, message, now))
        if self._upstream is None:
            self._dial(now)
        else:
            self._upstream.ask(message)
        return True

    def _reply(self, message: bytes, asked: int, now: int) -> None:
        self._service.session.answer(now, now - asked, message)
        self._connection.write(_LENGTH.pack(len(message)) + message)

    # --- The resolver's side

    def heard(self, message: bytes, now: int) -> None:
        """An answer has come."""
        for number, (query, _, _) in enumerate(self._waiting):
            if message[:2] == query.identifier.to_bytes(2, "big"):
                _, _, asked = self._waiting.pop(number)
                self._service.resolvers.heard(query.text, message, now)
                break
        else:
            return  # asked twice, after a lost connection, or not at all
        self._tries = 0
        self._reply(message, asked, now)
        if self._waiting:
            self._wait(now)
        else:
            self.deadline = NEVER
            self._connection.note(0)  # one for other resolvers may have waited

    def lost(self, now: int) -> None:
        """The resolver has closed, failed or kept silent: ask the next one what still waits."""
        self.hang_up()
        if self._waiting:
            self._resolver += 1
            self._dial(now)

    def _dial(self, now: int) -> None:
        resolvers = self._resolvers
        while resolvers and self._tries < max(_ATTEMPTS, len(resolvers)):
            self._tries += 1
            try:
                upstream = _Upstream(self, resolvers[self._resolver % len(resolvers)], self._service.driver)
            except OSError:
                self._resolver += 1
                continue
            self._upstream = upstream
            for _, message, _ in self._waiting:
                upstream.ask(message)
            self._wait(now)
            return
        self._service.resolvers.silent()
        for query, _, asked in self._waiting:
            self._reply(dns.build_answer(query, rcode=dns.SERVFAIL), asked, now)
        self._waiting.clear()
        self.deadline = NEVER

    def _wait(self, now: int) -> None:
        self.deadline = now + PATIENCE
        self._service.driver.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Patience is at an end."""
        self.deadline = NEVER
        self.lost(now)

    def hang_up(self) -> None:
        """The connection to the resolver goes."""
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    def _end(self) -> None:
        self.deadline = NEVER
        self.hang_up()
        self._connection.owner = None
        self._service.clients.discard(self)


class _Upstream:
    """A connection to a resolver. Registered with the driver from the beginning to `close`."""

    __slots__ = ("_client", "_driver", "_inward", "_outward", "_socket", "_writable", "fd")

    def __init__(self, client: _Client, resolver: Resolver, driver: Driver) -> None:
        self._client = client
        self._driver = driver
        self._outward = bytearray()
        self._inward = bytearray()
        self._writable = False
        self._socket = resolver.open(socket.SOCK_STREAM)
        self.fd = self._socket.fileno()
        driver.register(self.fd, self, EDGE)

    def ask(self, message: bytes) -> None:
        """Send a query, now or when the connection takes it."""
        self._outward += _LENGTH.pack(len(message)) + message
        if self._writable:
            self._flush()

    def on_events(self, events: int, now: int) -> None:
        """The connection is made, takes more, brings an answer, or is lost."""
        if events & select.EPOLLOUT:
            self._writable = True
        if self._flush() and (not events & ~select.EPOLLOUT or self._receive(now)):
            return
        self._client.lost(now)

    def _flush(self) -> bool:
        """Send what is to be sent; False when the connection is lost."""
        try:
            while self._outward and self._writable:
                sent = self._socket.send(self._outward)
                del self._outward[:sent]
        except BlockingIOError:
            self._writable = False
        except OSError:
            return False  # said again by the next event, where it is acted upon
        return True

    def _receive(self, now: int) -> bool:
        """Read to the end of what is there; False when the connection is lost."""
        while True:
            try:
                data = self._socket.recv(_READ)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            self._inward += data
            while len(self._inward) >= 2:
                end = 2 + _LENGTH.unpack_from(self._inward)[0]
                if len(self._inward) < end:
                    break
                message = bytes(self._inward[2:end])
                del self._inward[:end]
                self._client.heard(message, now)

    def close(self) -> None:
        """Let go."""
        self._driver.unregister(self.fd)
        self._socket.close()
