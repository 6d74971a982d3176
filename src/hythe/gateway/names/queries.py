"""Queries over UDP: answered from the zone, or passed on to the resolvers.

Theory of operation. A query that is passed on keeps everything but its identifier, which becomes a random one, and leaves
from a socket, and so a port, of its own: whoever would forge an answer has to guess both (RFC 5452, 9). The first
resolver gets `PATIENCE`; then, or as soon as ICMP or a refusal says that it will not help, the next is asked as well, and
any of them may answer until `GIVE_UP`. What a resolver answers, truncation included, goes back as it is.
"""

from __future__ import annotations

import select
import socket
from random import Random
from typing import Final

from hythe.aio.driver import Driver
from hythe.errors import ParseError
from hythe.gateway.names.resolvers import Resolver, Resolvers
from hythe.gateway.names.zone import Answers
from hythe.gateway.session import Session
from hythe.host.udp import Endpoint
from hythe.units import NEVER, SECOND
from hythe.wire import dns

#: How long a resolver is waited for before the next is asked; glibc waits 5 s and has no other to hide.
PATIENCE: Final = 2 * SECOND
#: Then the answer is SERVFAIL.
GIVE_UP: Final = 10 * SECOND
#: Queries on their way at once; each has a descriptor. What is beyond gets no answer, and is asked again.
OUTSTANDING: Final = 256

_READ: Final = 65_535
#: Answers after which glibc, too, asks the next resolver.
_UNHELPFUL: Final = frozenset({dns.SERVFAIL, dns.NOTIMP, dns.REFUSED})


class QueryService:
    """Owner of the endpoints at port 53."""

    def __init__(self, driver: Driver, zone: Answers, resolvers: Resolvers, random: Random, session: Session) -> None:
        self.driver = driver
        self.resolvers = resolvers
        self.random = random
        self.session = session
        self.outstanding: dict[tuple[bytes, bytes], _Errand] = {}
        self.dropped = 0
        self._zone = zone

    def visit(self, endpoint: Endpoint, now: int) -> None:
        """Queries have come."""
        endpoint.news = 0
        endpoint.take_complaints()  # a command that no longer waits for its answer
        for datagram in endpoint.take():
            for payload in datagram.pieces():
                self._receive(endpoint, datagram.key, bytes(payload), now)

    def _receive(self, endpoint: Endpoint, key: bytes, message: bytes, now: int) -> None:
        try:
            query = dns.parse_query(message, len(message))
        except ParseError:
            self.dropped += 1
            return
        answer = self._zone.answer(query, query.udp_max)
        if answer is None and not self.resolvers.choose(query.text):
            answer = dns.build_answer(query, rcode=dns.REFUSED, limit=query.udp_max)
        if answer is not None:
            self.session.answer(now, 0, answer)
            endpoint.sender(key).send(now, answer)
        elif (key, message) in self.outstanding:
            return  # asked again: the answer is on its way
        elif len(self.outstanding) >= OUTSTANDING:
            self.dropped += 1
        else:
            errand = self.outstanding[key, message] = _Errand(self, endpoint, key, query, message, now)
            errand.ask(now)

    def close(self) -> None:
        """Forget every query."""
        for errand in list(self.outstanding.values()):
            errand.end()


class _Errand:
    """One query on its way: which resolvers have been asked, which may still answer."""

    __slots__ = (
        "_asked",
        "_attempts",
        "_began",
        "_endpoint",
        "_fallback",
        "_identifier",
        "_key",
        "_message",
        "_query",
        "_question",
        "_resolvers",
        "_service",
        "_until",
        "deadline",
        "filed",
    )

    def __init__(
        self, service: QueryService, endpoint: Endpoint, key: bytes, query: dns.Query, message: bytes, now: int
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._key = key
        self._query = query
        self._message = message
        self._identifier = service.random.randbytes(2)
        self._question = message[dns.HEADER_SIZE : dns.HEADER_SIZE + len(dns.build_name(query.name)) + 4].lower()
        self._resolvers = list(service.resolvers.choose(query.text))
        self._asked = 0
        self._attempts: dict[int, _Attempt] = {}  # by the resolver's number
        self._fallback: bytes | None = None
        self._began = now
        self._until = now + GIVE_UP
        self.deadline = NEVER
        self.filed = NEVER

    def ask(self, now: int) -> None:
        """Ask the next resolver that may still help, or end with the best there is."""
        message = self._identifier + self._message[2:]
        while self._asked < len(self._resolvers):  # nobody has been asked twice yet
            number = self._asked
            self._asked += 1
            if self._begin(number, message):
                self._wait(now)
                return
        if not self._attempts:
            self._answer(self._fallback, now)
            return
        alive = sorted(self._attempts)
        attempt = self._attempts[alive[self._asked % len(alive)]]
        self._asked += 1
        attempt.send(message)
        self._wait(now)

    def _begin(self, number: int, message: bytes) -> bool:
        try:
            attempt = _Attempt(self, number, self._resolvers[number])
        except OSError:
            return False  # no route, or no descriptor
        self._attempts[number] = attempt
        self._service.driver.register(attempt.fd, attempt, select.EPOLLIN)
        attempt.send(message)
        return True

    def _wait(self, now: int) -> None:
        self.deadline = min(now + PATIENCE, self._until)
        self._service.driver.host.around.timers.file(self)

    def fire(self, now: int) -> None:
        """Patience is at an end."""
        if now >= self._until:
            self._answer(self._fallback, now)
        else:
            self.ask(now)

    def heard(self, number: int, message: bytes, now: int) -> None:
        """Resolver `number` has sent something: is it the answer?"""
        # QR set, our identifier, our question; a server that cannot read the query may leave the question out.
        if len(message) < dns.HEADER_SIZE or message[:2] != self._identifier or not message[2] & 0x80:
            return
        start = message[dns.HEADER_SIZE : dns.HEADER_SIZE + len(self._question)].lower()
        if start != self._question and len(message) > dns.HEADER_SIZE:
            return
        if message[3] & 0x0F in _UNHELPFUL:
            self._fallback = message
            self.lost(number, now)
        else:
            self._answer(message, now)

    def lost(self, number: int, now: int) -> None:
        """Resolver `number` will not help."""
        self._attempts.pop(number).close()
        if self._asked < len(self._resolvers) or not self._attempts:
            self.ask(now)

    def _answer(self, message: bytes | None, now: int) -> None:
        self.end()
        if message is None:
            self._service.resolvers.silent()
            answer = dns.build_answer(self._query, rcode=dns.SERVFAIL, limit=self._query.udp_max)
        else:
            answer = self._message[:2] + message[2:]
            self._service.resolvers.heard(self._query.text, answer, now)
        self._service.session.answer(now, now - self._began, answer)
        self._endpoint.sender(self._key).send(now, answer)

    def end(self) -> None:
        """No more waiting."""
        self.deadline = NEVER
        for attempt in self._attempts.values():
            attempt.close()
        self._attempts.clear()
        self._service.outstanding.pop((self._key, self._message), None)

    def unregister(self, fd: int) -> None:
        """An attempt's socket is about to be closed."""
        self._service.driver.unregister(fd)


class _Attempt:
    """One resolver asked about one query: a connected socket, so that only the resolver's datagrams and errors arrive."""

    __slots__ = ("_errand", "_number", "_socket", "fd")

    def __init__(self, errand: _Errand, number: int, resolver: Resolver) -> None:
        self._errand = errand
        self._number = number
        self._socket = resolver.open(socket.SOCK_DGRAM)
        self.fd = self._socket.fileno()

    def send(self, message: bytes) -> None:
        """Send it; an error that an earlier datagram has met comes by `on_events`."""
        try:
            self._socket.send(message)
        except OSError:
            return  # like a lost datagram: the next attempt is a matter of time

    def on_events(self, events: int, now: int) -> None:
        """An answer or an ICMP error."""
        try:
            message = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            self._errand.lost(self._number, now)
        else:
            if message:
                self._errand.heard(self._number, message, now)
            else:
                self._errand.lost(self._number, now)  # the end of a stream of messages, or nonsense

    def close(self) -> None:
        """Not interested any more."""
        self._errand.unregister(self.fd)
        self._socket.close()
