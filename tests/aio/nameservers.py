"""A name server that misbehaves further than the gateway's: its answers are built by scapy, independently of our code.

Below ``test``: ``alias`` and ``away`` lead to ``plain``, which the answer has or has not with it; ``ring`` and ``loop`` lead
back to themselves. ``noedns`` is a FORMERR for whoever speaks EDNS. ``lame`` knows nothing, and asks nobody. ``garbage`` has
an A record of two bytes. ``spoofed`` comes from somebody else first, ``guessed`` with twenty wrong identifiers. ``deaf`` is
not heard the first time.
"""

from __future__ import annotations

import socket
from typing import Any

from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRMX, DNSRRSOA, DNSRRSRV

from hythe.wire import dns
from tests.gateway.nameserver import WRONG, NameServer


def a(name: str, address: str) -> DNSRR:
    return DNSRR(rrname=name, type="A", ttl=60, rdata=address)


def alias(name: str, target: str) -> DNSRR:
    return DNSRR(rrname=name, type="CNAME", ttl=60, rdata=target)


PLAIN = "192.0.2.1"
ANSWERS: dict[tuple[str, int], list[Any]] = {
    ("alias.test", dns.A): [a("plain.test", PLAIN), alias("alias.test", "plain.test")],
    ("away.test", dns.A): [alias("away.test", "plain.test")],
    ("ring.test", dns.A): [alias("ring.test", "loop.test"), alias("loop.test", "ring.test")],
    ("loop.test", dns.A): [alias("loop.test", "back.test")],
    ("back.test", dns.A): [alias("back.test", "loop.test")],
    ("noedns.test", dns.A): [a("noedns.test", PLAIN)],
    ("spoofed.test", dns.A): [a("spoofed.test", PLAIN)],
    ("guessed.test", dns.A): [a("guessed.test", PLAIN)],
    ("deaf.test", dns.A): [a("deaf.test", PLAIN)],
    ("www.domain.test", dns.A): [a("www.domain.test", PLAIN)],
    ("plain.test", 15): [DNSRRMX(rrname="plain.test", preference=10, exchange="mail.test")],
    ("plain.test", 731): [DNSRR(rrname="plain.test", type=731, rdata=b"\x0a\xff")],
    ("plain.test", 16): [DNSRR(rrname="plain.test", type="TXT", rdata=[b"a b", b"\x1b[31m"])],
    ("plain.test", 2): [DNSRR(rrname="plain.test", type="NS", rdata="ns.test")],
    ("plain.test", 6): [DNSRRSOA(rrname="plain.test", mname="ns.test", rname="me.test", serial=7)],
    ("_sip._udp.plain.test", 33): [
        DNSRRSRV(rrname="_sip._udp.plain.test", priority=1, weight=2, port=5060, target="plain.test"),
    ],
    ("cname.test", 5): [alias("cname.test", "plain.test")],
    ("1.2.0.192.in-addr.arpa", dns.PTR): [DNSRR(rrname="1.2.0.192.in-addr.arpa", type="PTR", rdata="plain.test")],
    ("6.ip6.test", dns.AAAA): [DNSRR(rrname="6.ip6.test", type="AAAA", rdata="2001:db8::1")],
}
REVERSE6 = "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"
ANSWERS[REVERSE6, dns.PTR] = [DNSRR(rrname=REVERSE6, type="PTR", rdata="6.ip6.test")]


class Peculiar(NameServer):
    """As NameServer, and all of the above. `edns`: of each query, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.edns: list[tuple[str, int]] = []

    def _disturb(self, query: dns.Query, client: tuple[str, int]) -> None:
        super()._disturb(query, client)
        wrong = dns.build_answer(query, [WRONG])
        if query.text == "spoofed.test":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 0))
                other.sendto(wrong, client)
        elif query.text == "guessed.test":
            for guess in range(1, 21):
                self._datagrams.sendto((query.identifier ^ guess).to_bytes(2, "big") + wrong[2:], client)

    def _answer(self, query: dns.Query, limit: int) -> bytes | None:
        self.edns.append((query.text, query.edns_size))
        records = ANSWERS.get((query.text, query.kind))
        if query.text == "lame.test":
            return _message(query, [], ra=0)
        if query.text == "garbage.test":
            return dns.build_answer(query, [b"\1\2"])
        if query.text == "noedns.test" and query.edns_size:
            return _message(query, [], rcode=1)
        if query.text == "guessed.test" and limit < dns.TCP_MAX:
            return None
        if query.text == "deaf.test" and sum(name == query.text for _, _, name in self.asked) == 1:
            return None
        if records is None:
            return super()._answer(query, limit)
        return _message(query, records)


def _message(query: dns.Query, records: list[Any], **fields: int) -> bytes:
    question = DNSQR(qname=query.text, qtype=query.kind)
    return bytes(DNS(id=query.identifier, **{"qr": 1, "ra": 1, **fields}, qd=question, an=records))
