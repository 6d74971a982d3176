"""Attacks by fragments and extension headers on a whole host, by RFC and section."""

from __future__ import annotations

from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.units import SECOND
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone

US6 = IPv6(src=RIGHT6, dst=LEFT6)


def echo6(data: bytes) -> bytes:
    """An echo request's bytes, its checksum right for the whole packet."""
    return bytes(US6 / ICMPv6EchoRequest(id=1, seq=1, data=data))[40:]


def piece6(payload: bytes, offset: int, more: int, ident: int = 7) -> Scapy:
    return US6 / IPv6ExtHdrFragment(nh=58, offset=offset // 8, m=more, id=ident) / Raw(payload)


def pieces6(data: bytes, size: int = 64, ident: int = 7) -> list[Scapy]:
    whole = echo6(data)
    return [piece6(whole[at : at + size], at, at + size < len(whole), ident) for at in range(0, len(whole), size)]


# --- Overlaps


@pytest.mark.parametrize("shift", [8, 16, 56])
def test_rfc5722_3_an_overlap_discards_the_whole_datagram(shift: int) -> None:
    lone = Lone()
    parts = pieces6(bytes(200))
    evil = piece6(bytes(64), 64 - shift, 1)
    assert lone.send(parts[0], evil, *parts[1:]) == []
    assert lone.send(*parts) == []  # and what still comes of it (RFC 8200, 4.5)
    (answer,) = lone.send(*pieces6(bytes(200), ident=8))
    assert answer[ICMPv6EchoReply].data == bytes(200)


def test_rfc5722_3_a_header_cannot_be_written_twice() -> None:
    """The classic: a harmless first fragment, its ports then overwritten by a second one."""
    lone = Lone()
    endpoint = lone.host.bind(None, 5_000)
    whole = bytes(US6 / UDP(sport=9, dport=5_000) / Raw(bytes(24)))[40:]
    first = US6 / IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=3) / Raw(bytes(US6 / UDP(sport=9, dport=80))[40:48] + bytes(8))
    over = US6 / IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=3) / Raw(whole[:16])
    last = US6 / IPv6ExtHdrFragment(nh=17, offset=2, m=0, id=3) / Raw(whole[16:])
    assert lone.send(first, over, last) == []
    assert endpoint.take() == []


def test_rfc1858_4_tiny_overlapping_ipv4_fragments_are_discarded() -> None:
    lone = Lone()
    endpoint = lone.host.bind(None, 5_000)
    whole = bytes(IP(src=RIGHT4, dst=LEFT4) / UDP(sport=9, dport=5_000) / Raw(bytes(24)))[20:]
    head = IP(src=RIGHT4, dst=LEFT4, proto=17, id=5)
    parts = []
    for offset, data, more in ((0, whole[:8], 1), (0, whole[:2] + b"\0\x50" + whole[4:8], 1), (8, whole[8:], 0)):
        part = head.copy()
        part.frag, part.flags = offset // 8, "MF" if more else 0
        parts.append(part / Raw(data))
    assert lone.send(*parts) == []
    assert endpoint.take() == []


def test_rfc5722_3_a_repeated_fragment_is_no_attack() -> None:
    parts = pieces6(bytes(300))
    (answer,) = Lone().send(*(part for part in parts for _ in range(2)))
    assert answer[ICMPv6EchoReply].data == bytes(300)


# --- Atomic fragments


def test_rfc6946_4_an_atomic_fragment_stands_alone_whatever_else_waits() -> None:
    lone = Lone()
    parts = pieces6(bytes(100))
    lone.send(parts[0])
    (atomic,) = lone.send(piece6(echo6(b"atomic"), 0, 0))  # the same addresses and identification
    assert atomic[ICMPv6EchoReply].data == b"atomic"
    (answer,) = lone.send(*parts[1:])
    assert answer[ICMPv6EchoReply].data == bytes(100)


def test_rfc8021_2_nobody_makes_us_send_atomic_fragments() -> None:
    """A Packet Too Big below 1280 must not add a fragment header to whole packets (RFC 8201, 4)."""
    lone = Lone()
    endpoint = lone.host.bind(None, 5_000)
    lone.send(US6 / UDP(sport=9, dport=5_000) / Raw(b"hello"))
    remote, port = bytes.fromhex("20010db8000000000000000000000002"), 9
    endpoint.send(lone.now, bytes(1_200), remote, port)
    (sent,) = lone.run()
    lone.send(US6 / ICMPv6PacketTooBig(mtu=600) / Raw(bytes(sent)[:1_000]))
    endpoint.send(lone.now, bytes(1_200), remote, port)
    (sent,) = lone.run()
    assert IPv6ExtHdrFragment not in sent
    assert len(sent) == 1_248


# --- Memory


def test_rfc8200_4_5_a_flood_of_fragments_is_bounded_and_the_honest_get_through(rng: Random) -> None:
    lone = Lone(fragment_memory=1 << 20)
    for ident in range(3_000):
        lone.far.send(lone.now, bytes(10) + bytes(piece6(rng.randbytes(64), 8 * rng.randrange(100), 1, 1_000 + ident)))
        if not ident % 8:
            lone.drain()
    assert lone.host.input.reassembler.held <= 1 << 20
    (answer,) = lone.send(*pieces6(bytes(500), ident=1))
    assert answer[ICMPv6EchoReply].data == bytes(500)
    lone.drain(after=61 * SECOND)
    assert lone.host.input.reassembler.held == 0


def test_rfc791_3_2_the_ping_of_death_is_dropped() -> None:
    """A last fragment that ends beyond 65,535."""
    lone = Lone()
    head = IP(src=RIGHT4, dst=LEFT4, proto=1, id=9)
    whole = bytes(ICMP(id=1, seq=1) / Raw(bytes(65_560)))
    parts = []
    for at in range(0, len(whole), 1_480):
        part = head.copy()
        part.frag, part.flags = at // 8, "MF" if at + 1_480 < len(whole) else 0
        parts.append(part / Raw(whole[at : at + 1_480]))
    assert lone.send(*parts) == []


# --- Extension headers


def test_rfc8200_4_1_headers_in_any_order_are_walked() -> None:
    packet = US6 / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(segleft=0) / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(data=b"x")
    (answer,) = Lone().send(packet)
    assert answer[ICMPv6EchoReply].data == b"x"


def test_rfc8200_4_1_hop_by_hop_options_stand_first_or_not_at_all() -> None:
    (answer,) = Lone().send(US6 / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest())
    assert (answer[ICMPv6ParamProblem].code, answer[ICMPv6ParamProblem].ptr) == (1, 40)


def test_rfc5095_3_a_type_0_routing_header_is_refused() -> None:
    packet = US6 / IPv6ExtHdrRouting(type=0, addresses=["2001:db8::7"], segleft=1) / UDP(sport=1, dport=9)
    (answer,) = Lone().send(packet)
    assert (answer[ICMPv6ParamProblem].code, answer[ICMPv6ParamProblem].ptr) == (0, 42)


def test_rfc8504_5_3_a_long_chain_of_headers_costs_no_more_than_its_first_links() -> None:
    packet = US6
    for _ in range(100):
        packet = packet / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    lone = Lone()
    assert lone.send(packet / ICMPv6EchoRequest()) == []
    assert lone.host.counters.malformed == 1


def test_rfc7112_5_the_first_fragment_holds_the_whole_chain() -> None:
    chain = bytes(US6 / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=9))[40:]
    (answer,) = Lone().send(US6 / IPv6ExtHdrFragment(nh=60, offset=0, m=1, id=1) / Raw(chain[:8]))
    assert answer[ICMPv6ParamProblem].code == 3
