"""Stand-ins for names, and what is answered of them."""

from __future__ import annotations

import socket

import pytest

from hythe.gateway.ways.standins import NETWORK4, StandIns, network6
from hythe.gateway.ways.zone import WayZone
from hythe.via.make import make_all
from hythe.via.spec import parse_all
from hythe.wire import dns
from hythe.wire.dnsmessage import parse_message


class Nothing:
    """Knows no names."""

    def answer(self, query: dns.Query, limit: int) -> bytes | None:
        return None


def test_a_name_keeps_its_address() -> None:
    standins = StandIns(NETWORK4)
    one, two = standins.address("one.test"), standins.address("two.test")
    assert one != two
    assert standins.address("one.test") == one
    assert standins.network.contains(one)
    assert standins.name(one) == "one.test"
    assert standins.known("two.test") == two
    assert standins.known("three.test") is None
    assert standins.name(bytes((198, 19, 0, 0))) is None


def test_who_was_asked_for_the_longest_time_ago_makes_room() -> None:
    standins = StandIns(network6(bytes(15) + b"\1"), limit=3)
    first, second, _ = (standins.address(f"{number}.test") for number in range(3))
    standins.address("0.test")
    assert standins.address("3.test") == second
    assert standins.name(second) == "3.test"
    assert standins.known("1.test") is None
    assert standins.known("0.test") == first
    assert standins.version == 6


def answer(zone: WayZone, name: str, kind: int, qclass: int = dns.IN) -> tuple[int, list[bytes]] | None:
    query = dns.Query(7, 0x0100, tuple(label.encode() for label in name.split(".")), kind, qclass)
    message = zone.answer(query, 512)
    if message is None:
        return None
    parsed = parse_message(message, len(message))
    return parsed.rcode, [record.data for record in parsed.answers]


def zone(*texts: str, asks: bool = False) -> WayZone:
    return WayZone(Nothing(), make_all(parse_all(texts)), StandIns(NETWORK4), asks=asks)


FIRST = socket.inet_aton("198.18.0.1")


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("www.example", dns.A, (dns.NOERROR, [FIRST])),
        ("WWW.example", dns.A, (dns.NOERROR, [FIRST])),
        ("www.example", dns.AAAA, (dns.NOERROR, [])),
        ("www.example", 65, (dns.NOERROR, [])),
        ("www.example", 15, (dns.REFUSED, [])),
        ("a b.example", dns.A, (dns.NXDOMAIN, [])),
        ("localhost", dns.A, (dns.NOERROR, [socket.inet_aton("127.0.0.1")])),
        ("a.localhost", dns.AAAA, (dns.NOERROR, [bytes(15) + b"\1"])),
        ("1.2.0.192.in-addr.arpa", dns.PTR, (dns.NXDOMAIN, [])),
        ("1.0.18.198.in-addr.arpa", dns.PTR, (dns.NXDOMAIN, [])),
    ],
)
def test_without_dns_all_is_answered_here(name: str, kind: int, expected: tuple[int, list[bytes]]) -> None:
    assert answer(zone("socks5://a.example"), name, kind) == expected


def test_a_standin_backwards() -> None:
    it = zone("socks5://a.example")
    answer(it, "www.example", dns.A)
    assert answer(it, "1.0.18.198.in-addr.arpa", dns.PTR) == (dns.NOERROR, [dns.build_name((b"www", b"example"))])


def test_with_dns_what_is_no_address_is_passed_on() -> None:
    it = zone("socks5://a.example", asks=True)
    assert answer(it, "www.example", 15) is None
    assert answer(it, "www.example", dns.A) == (dns.NOERROR, [FIRST])


def test_what_goes_directly_whatever_its_port_is_passed_on() -> None:
    it = zone("socks5://a.example for *.test, :81", "direct for *.example", "socks5://b.example for *.example, 10.0.0.0/8")
    assert answer(it, "a.test", dns.A) == (dns.NOERROR, [FIRST])
    assert answer(it, "www.example", dns.A) == (dns.NOERROR, [socket.inet_aton("198.18.0.2")]), "port 81 goes by a way"
    it = zone("direct for *.example", "socks5://b.example for *.example, 10.0.0.0/8")
    assert answer(it, "www.example", dns.A) is None
    assert answer(it, "www.other", dns.A) is None
    assert answer(it, "1.0.0.10.in-addr.arpa", dns.PTR) == (dns.NXDOMAIN, [])
    assert answer(it, "1.0.0.11.in-addr.arpa", dns.PTR) is None


def test_no_class_but_the_internet() -> None:
    assert answer(zone("socks5://a.example"), "www.example", dns.A, qclass=3) == (dns.NOTIMP, [])
