"""The names by which the command knows addresses: what DNS answers have told, and when.

A flow is called by the name that its address had last been given when it began. Of an address asked for again and again
only the changes are kept: else the first of many connections that were opened at once would lose their name to the look-ups
of the later ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from operator import itemgetter
from typing import Final

from hythe.errors import ParseError
from hythe.wire import dns
from hythe.wire.dnsmessage import Message, parse_message
from hythe.wire.dnstext import name_text

#: Changes remembered, of all addresses together; the oldest go first.
CHANGES: Final = 16_384
_WHEN: Final = itemgetter(0)


class KnownNames:
    """Learns from answers in the order in which they came."""

    __slots__ = ("_changes", "_names")

    def __init__(self) -> None:
        self._names: dict[bytes, list[tuple[int, str]]] = {}  # (when, name), the oldest first
        self._changes: deque[bytes] = deque()  # whose name changed, the oldest first

    def learn(self, now: int, message: bytes) -> None:
        """An answer went to the command at `now`."""
        for address, name in addresses(message):
            known = self._names.setdefault(address, [])
            if known and known[-1][1] == name:
                continue
            known.append((now, name))
            self._changes.append(address)
            if len(self._changes) > CHANGES:
                self._forget(self._changes.popleft())

    def _forget(self, address: bytes) -> None:
        known = self._names[address]
        del known[0]
        if not known:
            del self._names[address]

    def at(self, address: bytes, now: int) -> str:
        """The name of `address` at that time; empty for none."""
        known = self._names.get(address, ())
        before = bisect_right(known, now, key=_WHEN)
        return known[before - 1][1] if before else ""


def addresses(message: bytes) -> list[tuple[bytes, str]]:
    """What a DNS answer tells: (address, name that was asked for); nothing where it cannot be read."""
    parsed = parsed_answer(message)
    if parsed is None or parsed.question is None:
        return []
    name = name_text(parsed.question.name).rstrip(".")
    return [(record.data, name) for record in parsed.answers if record.kind in (dns.A, dns.AAAA)]


def parsed_answer(message: bytes) -> Message | None:
    """None for a message that cannot be read."""
    try:
        return parse_message(message, len(message))
    except ParseError:
        return None
