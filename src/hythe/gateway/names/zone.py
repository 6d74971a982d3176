"""`hythe.internal`: the names that the gateway answers by itself, forwards and backwards.

ICANN has set the top-level domain `internal` aside for private use (2024), so no public name is shadowed.
"""

from __future__ import annotations

from typing import Final, Protocol

from hythe.gateway.layout import Family
from hythe.host.interfaces import Prefix
from hythe.wire import dns

DOMAIN: Final = (b"hythe", b"internal")
#: Seconds. The addresses never change during a run.
_TTL: Final = 60


class Answers(Protocol):
    """Answers questions by itself."""

    def answer(self, query: dns.Query, limit: int) -> bytes | None:
        """The answer of at most `limit` bytes, or None for a question that is to be passed on."""


class Zone:
    """`host.hythe.internal` (with `host_loopback`) and `gateway.hythe.internal` in the families inside."""

    __slots__ = ("_inside", "_names", "_reverse")

    def __init__(self, families: list[Family], *, host_loopback: bool) -> None:
        self._names = {b"gateway": [family.gateway for family in families]}
        if host_loopback:
            self._names[b"host"] = [family.host for family in families]
        self._reverse = {address: (label, *DOMAIN) for label, addresses in self._names.items() for address in addresses}
        self._inside = [Prefix(family.gateway, family.prefix) for family in families]

    def answer(self, query: dns.Query, limit: int) -> bytes | None:
        """The answer of at most `limit` bytes, or None for a question about somebody else."""
        name = tuple(label.lower() for label in query.name)
        if name[-2:] == DOMAIN:
            return self._answer_name(query, name[:-2], limit)
        address = dns.reverse_address(query.name)
        if address is None or not any(prefix.contains(address) for prefix in self._inside):
            return None
        pointer = self._reverse.get(address)
        if pointer is None:
            return dns.build_answer(query, rcode=dns.NXDOMAIN, limit=limit)
        records = [dns.build_name(pointer)] if query.kind == dns.PTR else []
        return dns.build_answer(query, records, ttl=_TTL, limit=limit)

    def _answer_name(self, query: dns.Query, labels: dns.Name, limit: int) -> bytes:
        if query.opcode or query.qclass != dns.IN or query.kind == dns.ANY:
            return dns.build_answer(query, rcode=dns.NOTIMP, limit=limit)
        if not labels:
            return dns.build_answer(query, limit=limit)  # the domain exists, and has no records
        addresses = self._names.get(labels[0]) if len(labels) == 1 else None
        if addresses is None:
            return dns.build_answer(query, rcode=dns.NXDOMAIN, limit=limit)
        size = {dns.A: 4, dns.AAAA: 16}.get(query.kind)
        return dns.build_answer(query, [each for each in addresses if len(each) == size], ttl=_TTL, limit=limit)
