"""Answers kept for as long as they say (RFC 1035, 7.4; RFC 2308, 5), the least recently used making room. Sans-I/O."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from hythe.config import ResolverConfig
from hythe.host.inquiry import Outcome
from hythe.units import SECOND
from hythe.wire import dns
from hythe.wire.dnsmessage import Message, Question, lower

#: The last four bytes of an SOA record: how long a negative answer holds.
_MINIMUM: Final = 4


class Answers:
    """By question. Bounded by `ResolverConfig.cache`."""

    __slots__ = ("_config", "_kept")

    def __init__(self, config: ResolverConfig) -> None:
        self._config = config
        self._kept: OrderedDict[tuple[dns.Name, int], tuple[int, Outcome]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Question, now: int) -> Outcome | None:
        """The answer, if there is one that still holds."""
        key = lower(question.name), question.kind
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, outcome = kept
        if now >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return outcome

    def put(self, question: Question, outcome: Outcome, now: int) -> None:
        """Keep an answer, if its records let us."""
        ttl = self._ttl(outcome.message) if outcome.message is not None else 0
        if ttl <= 0 or self._config.cache <= 0:
            return
        key = lower(question.name), question.kind
        self._kept[key] = now + ttl, outcome
        self._kept.move_to_end(key)
        while len(self._kept) > self._config.cache:
            self._kept.popitem(last=False)

    def _ttl(self, message: Message) -> int:
        """How long it holds, in nanoseconds; 0 for what is not to be kept."""
        if message.rcode == dns.NOERROR and message.answers:
            return min(self._config.ttl_max, min(record.ttl for record in message.answers) * SECOND)
        if message.rcode in (dns.NOERROR, dns.NXDOMAIN):
            for record in message.authorities:
                if record.kind == dns.SOA:
                    minimum = int.from_bytes(record.data[-_MINIMUM:], "big")
                    return min(self._config.negative_ttl_max, min(record.ttl, minimum) * SECOND)
        return 0
