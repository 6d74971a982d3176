"""Which destinations go through a tunnel: all, or what some patterns describe (`hythe.via.patterns`).

A pattern of names means the addresses that those names have led to. They are known from the answers that the command has
got, for as long as their TTL says and a while longer, because programs keep addresses longer than they should. Flows that go
on are not looked at again.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from hythe.host.interfaces import Prefix
from hythe.units import SECOND
from hythe.via.patterns import Pattern

#: Addresses of names remembered.
_LEARNED: Final = 4_096
#: How long after its TTL an address is still taken for the name's.
GRACE: Final = 600 * SECOND
#: Decisions kept.
_KNOWN: Final = 4_096


class Match:
    """`patterns`: none of them for everything. `excepted`: what goes another way before it could come here.

    `inside`: the command's own network, of which nothing goes.
    """

    def __init__(self, patterns: Sequence[Pattern], inside: Iterable[Prefix], excepted: Sequence[Pattern] = ()) -> None:
        self.patterns = patterns
        self._excepted = excepted
        self._inside = list(inside)
        self._known: dict[tuple[bytes, int], bool] = {}
        self._learned: OrderedDict[bytes, tuple[int, list[Pattern]]] = OrderedDict()

    def leads(self, address: bytes, port: int, now: int) -> bool:
        """Does a packet for `port` of `address` (packed) go through the tunnel? Port 0 where it has none."""
        known = self._known.get((address, port))
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            known = self._known[address, port] = self._decide(address, port)
        if known:
            return True
        until, patterns = self._learned.get(address, (0, ()))
        return now < until and any(each.ports is None or port in each.ports for each in patterns)

    def is_inside(self, address: bytes) -> bool:
        """Is it of the command's own network?"""
        return any(prefix.contains(address) for prefix in self._inside)

    def named(self, name: str) -> list[Pattern]:
        """The patterns that `name` (as `patterns.normal` has it) is of."""
        found = [each for each in self.patterns if isinstance(each.hosts, re.Pattern) and each.hosts.fullmatch(name)]
        if any(isinstance(each.hosts, re.Pattern) and each.matches(name, 0) for each in self._excepted):
            return []
        return found

    def asks(self, name: str) -> bool:
        """Are the tunnel's resolvers asked about `name`?"""
        if self.patterns:
            return bool(self.named(name))
        return not any(isinstance(each.hosts, re.Pattern) and each.matches(name, 0) for each in self._excepted)

    def learn(self, address: bytes, patterns: list[Pattern], ttl: int, now: int) -> None:
        """A name of these patterns has led to `address`; `ttl` in nanoseconds."""
        if self.is_inside(address):
            return  # whoever answers may not take over the gateway's address
        until, before = self._learned.get(address, (0, []))
        if now < until:
            patterns = [*before, *(each for each in patterns if each not in before)]
        self._learned[address] = max(now + ttl + GRACE, until), patterns
        self._learned.move_to_end(address)
        if len(self._learned) > _LEARNED:
            self._learned.popitem(last=False)

    def _decide(self, address: bytes, port: int) -> bool:
        if self.is_inside(address):
            return False
        host = ipaddress.ip_address(address)
        if any(each.matches(host, port) for each in self._excepted):
            return False
        return not self.patterns or any(each.matches(host, port) for each in self.patterns)
