"""What the command is told of names that go by a way: stand-ins, and of everything else nothing.

A name that any of its ports sends by a way is not asked of anybody; one that goes directly whatever its port is passed on to
this machine's resolvers. So is, with ``--dns``, any question that is not for an address: the resolver it names is asked, by
the way that leads to it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Final

from hythe.gateway.names.zone import Answers
from hythe.gateway.ways.standins import StandIns
from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.wire import dns

#: Seconds that a program may remember a stand-in: none, since another name may get it.
_TTL: Final = 1
#: Hints about services (RFC 9460): there are none, and programs that ask for them go on without.
_HINTS: Final = frozenset({64, 65})
_LOCALHOST: Final = {dns.A: socket.inet_aton("127.0.0.1"), dns.AAAA: bytes(15) + b"\1"}
#: What may be told a proxy; anything else does not exist.
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class WayZone:
    """`inner`: answers for `hythe.internal`. `asks`: is there ``--dns``? `knows`: may the command know a name?

    One that it may not is told a stand-in as well, by which the policy knows what is sought, and nobody is asked.
    """

    __slots__ = ("_asks", "_inner", "_knows", "_standins", "_way")

    def __init__(
        self, inner: Answers, way: Way, standins: StandIns, *, asks: bool, knows: Callable[[str], bool] | None = None
    ) -> None:
        self._knows = knows
        self._inner = inner
        self._way = way
        self._standins = standins
        self._asks = asks

    def answer(self, query: dns.Query, limit: int) -> bytes | None:
        """As `Zone.answer`."""
        address = dns.reverse_address(query.name)
        if address is not None and self._standins.network.contains(address):
            return self._answer_standin(query, self._standins.name(address), limit)
        answered = self._inner.answer(query, limit)
        if answered is not None:
            return answered
        if address is not None:
            return self._answer_reverse(query, address, limit)
        name = query.text
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
            found = _LOCALHOST.get(query.kind)
            return dns.build_answer(query, [found] if found is not None else [], ttl=_TTL, limit=limit)
        known = self._knows is None or self._knows(name)
        if known and all(isinstance(way, Direct) for way in self._way.choices(name)):
            return None
        return self._answer_name(query, name, limit, asks=self._asks and known)

    def _answer_name(self, query: dns.Query, name: str, limit: int, *, asks: bool) -> bytes | None:
        if query.opcode or query.qclass != dns.IN:
            return dns.build_answer(query, rcode=dns.NOTIMP, limit=limit)
        if query.kind in (dns.A, dns.AAAA):
            if _NAME.fullmatch(name) is None:
                return dns.build_answer(query, rcode=dns.NXDOMAIN, limit=limit)
            wanted = (query.kind == dns.A) == (self._standins.version == 4)
            return dns.build_answer(query, [self._standins.address(name)] if wanted else [], ttl=_TTL, limit=limit)
        if asks:
            return None
        rcode = dns.NOERROR if query.kind in _HINTS else dns.REFUSED
        return dns.build_answer(query, rcode=rcode, limit=limit)

    def _answer_standin(self, query: dns.Query, name: str | None, limit: int) -> bytes:
        """Which name is behind one."""
        if name is None:
            return dns.build_answer(query, rcode=dns.NXDOMAIN, limit=limit)
        pointer = dns.build_name(tuple(label.encode("ascii") for label in name.split(".")))
        return dns.build_answer(query, [pointer] if query.kind == dns.PTR else [], ttl=_TTL, limit=limit)

    def _answer_reverse(self, query: dns.Query, address: bytes, limit: int) -> bytes | None:
        text = socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
        if self._asks or all(isinstance(way, Direct) for way in self._way.choices(text)):
            return None
        return dns.build_answer(query, rcode=dns.NXDOMAIN, limit=limit)
