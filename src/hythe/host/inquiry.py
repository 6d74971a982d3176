"""One question on its way to the name servers: whom to ask next, what to believe, when to give up. Sans-I/O.

Theory of operation. An inquiry asks the servers in turn, `ResolverConfig.attempts` rounds of them, and takes whichever
answer comes first; a server asked in an earlier turn may still answer. What is to be sent is taken with `take`: each `Ask`
names a *channel*, which is a socket of its own, connected to one server, from a port chosen at random, with an identifier
chosen at random (RFC 5452, 9.2). A repeat uses the channel and the message it used before, so that there is never more than
one identifier to guess at a server (RFC 5452, 5).

An answer must be a response with the channel's identifier and the question that was asked (RFC 5452, 9.1); anything else is
ignored, and too much of it over UDP moves the question to TCP, where guessing is no use (RFC 5452, 9.3). So does truncation,
whose records are not looked at (RFC 2181, 9; RFC 7766, 5). A server that cannot read EDNS is asked again without (RFC 6891,
7). One that refuses, fails, knows nothing, cannot be understood or cannot be reached is not asked again, and the next is, at
once.

The driver calls `receive`, `fail` and, at `deadline`, `fire`, and stops when there is an `outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from hythe.config import ResolverConfig
from hythe.errors import ParseError
from hythe.units import MILLISECOND, NEVER
from hythe.wire import dns
from hythe.wire.dnsmessage import BADVERS, Message, Question, build_query, parse_head, parse_message
from hythe.wire.dnstext import rcode_name

#: After these the next server is asked, as by glibc.
_UNHELPFUL: Final = frozenset({dns.FORMERR, dns.SERVFAIL, dns.NOTIMP, dns.REFUSED, BADVERS})
#: How servers that do not know EDNS say so (RFC 6891, 7; older ones NOTIMP).
_NO_EDNS: Final = frozenset({dns.FORMERR, dns.NOTIMP, BADVERS})
#: However many servers share a round, each gets as long.
_PATIENCE_MIN: Final = 500 * MILLISECOND


class Ask(NamedTuple):
    """Send `message` to server number `server` by `channel`, which is to be opened if it is new.

    `stream`: over TCP, where its length goes before the message (RFC 7766, 8); else over UDP.
    """

    channel: int
    server: int
    stream: bool
    message: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `message`: the answer, perhaps an unhelpful one, or None; `server`: whose, -1 without one.

    `failures`: what is wrong with each server that did not help, by number. `asked`: queries sent.
    """

    message: Message | None
    server: int
    stream: bool
    asked: int
    failures: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Channel:
    ask: Ask
    identifier: int
    edns: bool
    forgeries: int = 0


class Inquiry:
    """`first`: the number of the server to begin with. `deadline`: when to call `fire`."""

    __slots__ = (
        "_asks",
        "_channels",
        "_current",
        "_failures",
        "_fallback",
        "_order",
        "_plain",
        "_random",
        "_sent",
        "_turn",
        "config",
        "deadline",
        "ignored",
        "outcome",
        "question",
    )

    def __init__(self, question: Question, config: ResolverConfig, random: Random, now: int, first: int = 0) -> None:
        count = len(config.servers)
        self.question = question
        self.config = config
        self.deadline = NEVER
        self.outcome: Outcome | None = None
        #: Messages that were no answer to this question.
        self.ignored = 0
        self._random = random
        self._order = [(first + step) % count for step in range(count)]
        self._turn = 0
        self._asks: list[Ask] = []
        self._sent = 0
        self._channels: list[_Channel] = []
        self._current: dict[int, _Channel] = {}  # by server: the one that a repeat uses
        self._failures: dict[int, str] = {}
        self._fallback: tuple[Message, _Channel] | None = None
        self._plain: set[int] = set()  # servers that do not know EDNS
        self._next(now)

    def take(self) -> list[Ask]:
        """What is to be sent now, each once."""
        asks, self._asks = self._asks, []
        return asks

    def listens(self, channel: int) -> bool:
        """May anything that matters still come by this channel?"""
        server = self._channels[channel].ask.server
        current = self._current[server] is self._channels[channel]
        return self.outcome is None and current and server not in self._failures

    def receive(self, channel: int, raw: bytes, now: int) -> None:
        """A datagram, or one message of a stream, has come by a channel."""
        if not self.listens(channel):
            return
        there = self._channels[channel]
        try:
            head = parse_head(raw, len(raw))
        except ParseError:
            head = None
        if head is None or not self._answers(head, there):
            self._ignore(there, now)
            return
        if head.truncated and not there.ask.stream:
            self._ask(there.ask.server, now, stream=True)
            return
        try:
            message = parse_message(raw, len(raw))
        except ParseError as error:
            self._rule_out(there, f"sent what cannot be read: {error}", now)
            return
        if message.rcode in _NO_EDNS and there.edns:
            self._plain.add(there.ask.server)
            self._ask(there.ask.server, now, stream=there.ask.stream)
        elif message.rcode in _UNHELPFUL:
            self._fallback = message, there
            self._rule_out(there, f"answered {rcode_name(message.rcode)}", now)
        elif message.lame:
            self._rule_out(there, "neither knows the answer nor asks others", now)
        else:
            self._finish(message, there)

    def fail(self, channel: int, reason: str, now: int) -> None:
        """A channel cannot be opened, or has ended: `reason` in words."""
        if self.listens(channel):
            self._rule_out(self._channels[channel], reason, now)

    def fire(self, now: int) -> None:
        """The deadline is there: ask the next server, or end."""
        if now >= self.deadline and self.outcome is None:
            self._next(now)

    # --- What to believe

    def _answers(self, head: Message, channel: _Channel) -> bool:
        if head.identifier != channel.identifier:
            return False
        if head.question is None:  # RFC 6891, 7: who cannot read a query may be unable to repeat it
            return head.rcode in _UNHELPFUL
        return head.question.same(self.question)

    def _ignore(self, channel: _Channel, now: int) -> None:
        self.ignored += 1
        channel.forgeries += 1
        if channel.ask.stream:
            self._rule_out(channel, "answers another question", now)
        elif channel.forgeries == self.config.forgeries_max:
            self._ask(channel.ask.server, now, stream=True)

    # --- Whom to ask

    def _next(self, now: int) -> None:
        """The next turn, of a server that is not ruled out."""
        count = len(self._order)
        while self._turn < count * self.config.attempts and len(self._failures) < count:
            again, place = divmod(self._turn, count)
            self._turn += 1
            server = self._order[place]
            if server in self._failures:
                continue
            there = self._current.get(server)
            if there is None or there.ask.stream:  # a stream that is silent is opened anew
                self._ask(server, now, stream=there is not None or self.config.use_tcp)
            else:
                self._send(there.ask, now)
            patience = self.config.timeout << again
            if again:
                patience = max(patience // count, min(self.config.timeout, _PATIENCE_MIN))
            self.deadline = now + patience
            return
        self._finish(None, None)

    def _ask(self, server: int, now: int, *, stream: bool) -> None:
        """By a channel of its own."""
        identifier = self._random.getrandbits(16)
        edns = self.config.edns_size > 0 and server not in self._plain
        size = self.config.edns_size if edns else 0
        message = build_query(identifier, self.question, edns_size=size, authentic=self.config.trust_ad)
        ask = Ask(len(self._channels), server, stream, message)
        channel = _Channel(ask, identifier, edns)
        self._channels.append(channel)
        self._current[server] = channel
        self._send(ask, now)

    def _send(self, ask: Ask, now: int) -> None:
        self._asks.append(ask)
        self._sent += 1
        self.deadline = max(now + self.config.timeout, self.deadline if self.deadline != NEVER else 0)

    def _rule_out(self, channel: _Channel, reason: str, now: int) -> None:
        server = channel.ask.server
        waited_for = self._order[(self._turn - 1) % len(self._order)] == server
        self._failures.setdefault(server, reason)
        if waited_for or len(self._failures) == len(self._order):
            self._next(now)

    def _finish(self, message: Message | None, channel: _Channel | None) -> None:
        self.deadline = NEVER
        if message is None and self._fallback is not None:
            message, channel = self._fallback
        for server in self._order:
            if message is None:
                self._failures.setdefault(server, "did not answer")
        server, stream = (channel.ask.server, channel.ask.stream) if channel is not None else (-1, False)
        self.outcome = Outcome(message, server, stream, self._sent, dict(self._failures))
