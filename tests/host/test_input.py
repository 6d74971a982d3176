"""`hythe.host.input`: options, fragments, extension headers, unknown protocols, and whatever else may arrive."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_SSRR
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    ICMPv6ParamProblem,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.host.fragments import fragment4, fragment6
from hythe.units import SECOND
from hythe.wire.checksum import checksum
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone, packed
from tests.wire.strategies import damaged

V4: dict[str, Any] = {"src": RIGHT4, "dst": LEFT4}
US6 = IPv6(src=RIGHT6, dst=LEFT6)
DATA = Random(1).randbytes(5000)


def listening(**config: Any) -> Lone:
    """A host with a listener at port 80 and an endpoint at port 5000."""
    lone = Lone(allow_privileged_ports=True, **config)
    lone.host.listen(None, 80)
    lone.host.bind(None, 5000)
    return lone


def datagrams(lone: Lone) -> list[bytes]:
    (end,) = lone.host.endpoints
    return [bytes(datagram.payload) for datagram in end.take()]


@pytest.mark.parametrize("options", [[IPOption_NOP()], [IPOption_RR(routers=["192.0.2.9"] * 3)]], ids=["nop", "record"])
def test_ipv4_options_change_nothing(options: list[Scapy]) -> None:
    lone = listening()
    lone.send(IP(**V4, options=options) / UDP(sport=1, dport=5000) / b"hello")
    assert datagrams(lone) == [b"hello"]
    (answer,) = lone.send(IP(**V4, options=options) / TCP(sport=1, dport=80, flags="S"))
    assert answer[TCP].flags == "SA"
    (answer,) = lone.send(IP(**V4, options=options) / ICMP())
    assert answer[ICMP].type == 0


@pytest.mark.parametrize("option", [IPOption_LSRR(routers=["192.0.2.9"]), IPOption_SSRR(routers=["192.0.2.9"])], ids=str)
def test_source_routes_are_dropped(option: Scapy) -> None:
    lone = listening()
    assert lone.send(IP(**V4, options=[option]) / ICMP()) == []
    assert lone.host.counters.martian == 1


@pytest.mark.rfc("1122", "3.2.2.5", "SHOULD")
@pytest.mark.parametrize("option", [b"\x07\x28\4\0", b"\1\x07\1\4", b"\1\1\1\x07"], ids=["long", "short", "cut"])
def test_an_option_of_a_wrong_length_is_told_to_the_sender(option: bytes) -> None:
    lone = listening()
    data = ICMP(id=1) / b"abc"
    whole = bytearray(bytes(IP(**V4, ihl=6, len=24 + len(data), proto=1))[:20] + option + bytes(data))
    whole[10:12] = b"\0\0"
    assert lone.send(bytes(whole)) == []  # of a header that is damaged nothing is believed
    whole[10:12] = checksum(whole[:24]).to_bytes(2, "big")
    (error,) = lone.send(bytes(whole))
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].ptr) == (12, 0, 20 + option.index(7))
    assert (error[ICMP].length, lone.host.counters.malformed) == (0, 2)
    whole[12:16] = packed("224.0.0.1")
    whole[10:12] = b"\0\0"
    whole[10:12] = checksum(whole[:24]).to_bytes(2, "big")
    assert lone.send(bytes(whole)) == []


@pytest.mark.rfc("8200", "4.5", "SHOULD")
def test_a_fragment_past_the_longest_packet_is_told_to_the_sender() -> None:
    (error,) = listening().send(US6 / IPv6ExtHdrFragment(nh=17, id=6, offset=8_190, m=0) / Raw(b"z" * 100))
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (0, 42)


def test_fragments_of_datagrams_segments_and_pings_in_any_order(rng: Random) -> None:
    lone = listening()
    whole = bytes(IP(**V4, id=1) / UDP(sport=1, dport=5000) / Raw(DATA))
    whole6 = bytes(US6 / UDP(sport=1, dport=5000) / Raw(DATA))
    syn = bytes(IP(**V4, id=2) / TCP(sport=1, dport=80, flags="S", options=[("MSS", 1460)]))
    pieces = [*fragment4(whole, 576), *fragment6(whole6, 1280, 7), *fragment4(syn, 28)]
    rng.shuffle(pieces)
    answers = lone.send(*pieces)
    assert [answer[TCP].flags for answer in answers] == ["SA"]
    assert datagrams(lone) == [DATA, DATA]
    assert lone.host.counters.reassembled == 3


def test_a_reassembled_datagram_is_verified() -> None:
    lone = listening()
    whole = bytearray(bytes(IP(**V4, id=1) / UDP(sport=1, dport=5000) / Raw(DATA)))
    whole[3000] ^= 1
    lone.send(*fragment4(bytes(whole), 576))
    assert (datagrams(lone), lone.host.counters.malformed) == ([], 1)


def test_fragments_of_a_closed_port_are_quoted_from_the_start() -> None:
    lone = listening()
    whole = bytes(IP(**V4, id=1) / UDP(sport=1, dport=5001) / Raw(DATA))
    (error,) = lone.send(*fragment4(whole, 1500))
    assert (error[ICMP].type, error[ICMP].code) == (3, 3)


def test_ipv6_extension_headers_are_walked() -> None:
    lone = listening()
    chain = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(segleft=0, addresses=[]) / IPv6ExtHdrDestOpt()
    lone.send(US6 / chain / UDP(sport=1, dport=5000) / b"hello")
    lone.send(US6 / IPv6ExtHdrFragment(id=5) / UDP(sport=1, dport=5000) / b"atomic")
    assert datagrams(lone) == [b"hello", b"atomic"]
    (answer,) = lone.send(US6 / chain / TCP(sport=1, dport=80, flags="S"))
    assert answer[TCP].flags == "SA"
    (answer,) = lone.send(US6 / chain / ICMPv6EchoRequest(data=b"x"))
    assert answer.payload.type == 129


def test_unknown_protocols_are_reported() -> None:
    lone = listening()
    (error,) = lone.send(IP(**V4, proto=200) / Raw(b"what?"))
    assert (error[ICMP].type, error[ICMP].code, error.src) == (3, 2, LEFT4)
    (error,) = lone.send(IPv6(src=RIGHT6, dst=LEFT6, nh=200) / Raw(b"what?"))
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (1, 6)
    (error,) = lone.send(US6 / IPv6ExtHdrDestOpt(nh=200) / Raw(b"what?"))
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (1, 40)
    assert lone.send(IPv6(src=RIGHT6, dst=LEFT6, nh=59)) == []
    assert lone.host.counters.unknown == 3


@pytest.mark.parametrize(
    ("kind", "answered", "to_many"),
    [(0x1E, False, False), (0x5E, False, False), (0x9E, True, True), (0xDE, True, False)],
    ids=["skip", "drop", "tell", "tell-one"],
)
def test_unknown_options_do_as_their_bits_say(kind: int, answered: bool, to_many: bool) -> None:
    """RFC 8200, 4.2."""
    lone = listening(any_destination=True)
    options = IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=kind, optdata=b"1234")])
    answers = lone.send(US6 / options / UDP(sport=1, dport=5000) / b"x")
    assert [(error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) for error in answers] == [(2, 42)] * answered
    assert datagrams(lone) == [b"x"] * (kind == 0x1E)
    many = IPv6(src=RIGHT6, dst="ff02::1") / options / UDP(sport=1, dport=5001) / b"x"
    assert len(lone.send(many)) == to_many


def test_a_routing_header_that_wants_more_is_refused() -> None:
    (error,) = listening().send(US6 / IPv6ExtHdrRouting(segleft=1, addresses=["2001:db8::9"]) / UDP(dport=5000))
    assert (error[ICMPv6ParamProblem].code, error[ICMPv6ParamProblem].ptr) == (0, 42)


def test_a_syn_with_bad_options_leaves_nothing() -> None:
    lone = listening()
    syn = IP(**V4) / TCP(sport=1, dport=80, flags="S", dataofs=6) / Raw(b"\x02\x09\x05\xb4")
    assert lone.send(syn) == []
    assert (lone.host.connections, lone.host.counters.malformed) == ({}, 1)


@pytest.mark.rfc("1122", "3.2.1.3", "MUST")
@pytest.mark.parametrize("flags", ["S", "A", "FA"])
@pytest.mark.parametrize(
    "source",
    [
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.255",
        "0.0.0.0",
        "127.0.0.1",
        "240.0.0.1",
        "::",
        "::1",
        "ff02::1",
    ],
)
def test_segments_that_nobody_can_have_sent_are_not_answered(source: str, flags: str) -> None:
    """Neither where somebody listens nor where nobody does: a RST would go to many."""
    lone = listening()
    network = IPv6(src=source, dst=LEFT6) if ":" in source else IP(src=source, dst=LEFT4)
    for port in (80, 81):
        assert lone.send(network / TCP(sport=1, dport=port, flags=flags)) == []
    assert (lone.host.connections, lone.host.counters.martian) == ({}, 2)


BEGINNINGS = [
    bytes(each)
    for each in (
        IP(**V4) / UDP(sport=1, dport=5000) / b"datagram",
        IP(**V4) / TCP(sport=1, dport=80, flags="S", options=[("MSS", 1460)]),
        IP(**V4) / ICMP() / b"echo",
        IP(**V4) / ICMP(type=3, code=4) / IP(src=LEFT4, dst=RIGHT4) / UDP(sport=5000, dport=1),
        IP(**V4, flags="MF", id=3) / UDP(sport=1, dport=5000, len=99) / b"12345678",
        IP(**V4, options=[IPOption_NOP()]) / ICMP(),
        US6 / UDP(sport=1, dport=5000) / b"datagram",
        US6 / TCP(sport=1, dport=80, flags="S"),
        US6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(m=1, id=4) / UDP(sport=1, dport=5000, len=99) / b"1234567890123456",
        US6 / ICMPv6EchoRequest(data=b"x"),
        US6 / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x9E, optdata=b"12")]),
    )
]


@given(
    st.one_of(st.binary(max_size=200), st.sampled_from(BEGINNINGS).flatmap(damaged)),
    st.booleans(),
    st.integers(0, 2),
    st.integers(0, 2000),
)
@settings(max_examples=20 * settings().max_examples)
def test_nothing_that_arrives_raises(data: bytes, gateway: bool, checksum: int, gso_size: int) -> None:
    """Whatever the bytes, and whatever the link says of them; and once time has passed, nothing is left of it."""
    lone = listening(any_destination=gateway)
    lone.far.peer.deliver((data,), gso_size, checksum)
    lone.drain()
    for _ in range(10):
        lone.drain(after=60 * SECOND)
    assert lone.host.input.reassembler.held == 0
    assert lone.host.connections == {}
