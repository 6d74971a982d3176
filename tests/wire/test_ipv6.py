"""`hythe.wire.ipv6` against scapy in both directions, RFC 8200's rules for the chain, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Jumbo,
    Pad1,
    PadN,
    RouterAlert,
)
from scapy.layers.ipsec import AH
from scapy.packet import Packet, Raw

from hythe.errors import ParseError
from hythe.wire import ipv6
from tests.wire.strategies import addresses6, damaged, octet, parse_or_refuse, text6

A, B = b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02"
FIXED = IPv6(src=text6(A), dst=text6(B))


def parse(packet: Packet) -> ipv6.Header6:
    data = bytes(packet)
    return ipv6.parse(memoryview(data), len(data))


def problem(packet: Packet) -> ipv6.HeaderError:
    with pytest.raises(ipv6.HeaderError) as caught:
        parse(packet)
    return caught.value


@given(addresses6, addresses6, octet, st.integers(0, 65535), octet, octet, st.integers(0, 0xFFFFF))
def test_what_we_build_scapy_reads(
    source: bytes, destination: bytes, protocol: int, size: int, hops: int, traffic_class: int, flow: int
) -> None:
    seen = IPv6(
        ipv6.build(source, destination, protocol, size, hop_limit=hops, traffic_class=traffic_class, flow_label=flow)
    )
    assert (seen.version, seen.tc, seen.fl, seen.plen) == (6, traffic_class, flow, size)
    assert (seen.nh, seen.hlim, seen.src, seen.dst) == (protocol, hops, text6(source), text6(destination))


EXTENSIONS = {
    43: IPv6ExtHdrRouting(segleft=0, addresses=[]),
    51: AH(spi=1, payloadlen=4, icv=b"\x55" * 12),
    60: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0\0"), HBHOptUnknown(otype=0x1E, optdata=b"abc")]),
}


@given(
    addresses6,
    addresses6,
    octet,
    octet,
    st.integers(0, 0xFFFFF),
    st.booleans(),
    st.lists(st.sampled_from(sorted(EXTENSIONS)), max_size=4),
    st.binary(max_size=30),
)
def test_what_scapy_builds_we_read(
    source: bytes,
    destination: bytes,
    hops: int,
    traffic_class: int,
    flow: int,
    hop_by_hop: bool,
    kinds: list[int],
    payload: bytes,
) -> None:
    packet = IPv6(src=text6(source), dst=text6(destination), hlim=hops, tc=traffic_class, fl=flow)
    if hop_by_hop:
        packet /= IPv6ExtHdrHopByHop(options=[RouterAlert(), Pad1()])
    for kind, following in zip(kinds, [*kinds[1:], 17], strict=False):
        packet /= EXTENSIONS[kind].copy()
        packet.lastlayer().nh = following  # scapy does not fill in that of AH
    data = bytes(packet / UDP(sport=1, dport=2) / Raw(payload))
    header = ipv6.parse(memoryview(data), len(data))
    assert (header.source, header.destination, header.hop_limit) == (source, destination, hops)
    assert (header.traffic_class, header.flow_label, header.end) == (traffic_class, flow, len(data))
    assert [kind for kind, _, _ in header.extensions] == [0] * hop_by_hop + kinds
    assert header.protocol == 17
    assert data[header.payload_offset + 8 :] == payload
    assert data[header.named_at] == 17
    assert not header.is_fragment


def test_fragment_header_section_4_5() -> None:
    fragment = IPv6ExtHdrFragment(offset=185, m=1, id=0xDEADBEEF, nh=6)
    packet = FIXED / IPv6ExtHdrDestOpt(options=[]) / fragment / Raw(b"x" * 8)
    header = parse(packet)
    assert header.fragment == ipv6.Fragment(48, 40, 6, 1480, True, 0xDEADBEEF)
    assert header.is_fragment
    assert (header.protocol, header.payload_offset) == (6, 56)


def test_walk_stops_in_the_middle_of_a_datagram() -> None:
    # What follows looks like destination options to the walk, but is somebody's data.
    header = parse(FIXED / IPv6ExtHdrFragment(offset=1, m=0, id=1, nh=60) / Raw(b"\xff" * 8))
    assert header.protocol == 60
    assert header.payload_offset == 48


def test_atomic_fragment_is_no_fragment_rfc6946() -> None:
    header = parse(FIXED / IPv6ExtHdrFragment(offset=0, m=0, id=1) / UDP())
    assert header.fragment is not None
    assert header.fragment.is_atomic
    assert not header.is_fragment
    assert header.protocol == 17


def test_build_fragment_reads_back() -> None:
    data = ipv6.build(A, B, 44, 16) + ipv6.build_fragment(58, 1448, True, 77) + bytes(8)
    seen = IPv6(data)[IPv6ExtHdrFragment]
    assert (seen.nh, seen.offset, seen.m, seen.id) == (58, 181, 1, 77)


def test_hop_by_hop_elsewhere_is_not_recognized() -> None:
    header = parse(FIXED / IPv6ExtHdrDestOpt(options=[]) / IPv6ExtHdrHopByHop(options=[], nh=17) / UDP())
    assert header.protocol == ipv6.HOP_BY_HOP
    assert (header.payload_offset, header.named_at) == (48, 40)


def test_no_next_header_and_unknown_end_the_walk() -> None:
    assert parse(FIXED.copy() / Raw(b"ignored")).protocol == 59
    assert parse(IPv6(src=text6(A), dst=text6(B), nh=253) / Raw(b"ignored")).protocol == 253


def test_too_many_extension_headers_are_refused() -> None:
    packet = FIXED
    for _ in range(9):
        packet = packet / IPv6ExtHdrDestOpt(options=[])
    with pytest.raises(ParseError, match="more than 8 extension headers"):
        parse(packet / UDP())


@pytest.mark.parametrize(("kind", "even_multicast"), [(0x80, True), (0xC0, False), (0xBF, True)])
def test_unknown_option_that_wants_an_answer_section_4_2(kind: int, even_multicast: bool) -> None:
    error = problem(FIXED / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=kind, optdata=b"")]) / UDP())
    assert (error.code, error.pointer, error.even_multicast) == (2, 42, even_multicast)


def test_unknown_option_that_discards_in_silence() -> None:
    with pytest.raises(ParseError) as caught:
        parse(FIXED / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x40)]) / UDP())
    assert not isinstance(caught.value, ipv6.HeaderError)


def test_jumbo_payload_is_an_unknown_option() -> None:
    packet = IPv6(src=text6(A), dst=text6(B), plen=0) / IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70_000)]) / UDP()
    with pytest.raises(ParseError):
        parse(packet)
    packet = FIXED / IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70_000)]) / UDP()
    assert problem(packet).code == ipv6.UNRECOGNIZED_OPTION


def test_option_past_its_header() -> None:
    data = ipv6.build(A, B, 60, 8) + b"\x11\x00\x01\x02" + bytes(2) + b"\x01\x03"
    with pytest.raises(ipv6.HeaderError) as caught:
        ipv6.parse(data, len(data))
    assert (caught.value.code, caught.value.pointer) == (0, 46)


def test_routing_header_with_segments_left_section_4_4() -> None:
    error = problem(FIXED / IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001::9"]) / UDP())
    assert (error.code, error.pointer) == (0, 42)


def test_first_fragment_without_the_whole_chain_rfc7112() -> None:
    error = problem(FIXED / IPv6ExtHdrFragment(m=1, nh=60) / Raw(b"\x06\x04" + bytes(6)))
    assert (error.code, error.pointer) == (3, 0)
    error = problem(FIXED / IPv6ExtHdrFragment(m=1, nh=6) / Raw(bytes(16)))
    assert error.code == 3
    assert parse(FIXED / IPv6ExtHdrFragment(m=1, nh=17) / Raw(bytes(8))).protocol == 17


def test_two_fragment_headers_are_refused() -> None:
    with pytest.raises(ParseError, match="two fragment headers"):
        parse(FIXED / IPv6ExtHdrFragment(m=0) / IPv6ExtHdrFragment(m=0) / UDP())


def test_lengths_are_checked() -> None:
    data = ipv6.build(A, B, 17, 9) + bytes(8)
    with pytest.raises(ParseError, match="payload length is 9, 8 bytes are there"):
        ipv6.parse(data, len(data))
    with pytest.raises(ParseError, match="needs 40 bytes, 39 are there"):
        ipv6.parse(data, 39)
    with pytest.raises(ParseError, match="IP version is 4"):
        ipv6.parse(b"\x45" + data[1:], len(data))
    data = ipv6.build(A, B, 60, 8) + b"\x11\x01" + bytes(6)
    with pytest.raises(ParseError, match="extension header 60 at byte 40 needs 16 bytes, 8 are there"):
        ipv6.parse(data, len(data))
    with pytest.raises(ValueError, match="cannot carry"):
        ipv6.build(A, B, 17, 65536)


def test_cut_off_chain_is_read_as_far_as_it_goes() -> None:
    data = bytes(FIXED / IPv6ExtHdrDestOpt(options=[]) / IPv6ExtHdrRouting(segleft=0, addresses=["2001::1"]) / UDP())
    header = ipv6.parse_start(data, 52)
    assert (header.protocol, header.payload_offset) == (43, 48)


@given(st.binary(max_size=100))
def test_garbage_gives_parse_error_only(data: bytes) -> None:
    parse_or_refuse(ipv6.parse, data)
    parse_or_refuse(ipv6.parse_start, b"\x60" + data)


@given(st.sampled_from([0, 43, 44, 51, 60]), st.binary(max_size=120))
def test_garbage_chains_give_parse_error_only(kind: int, chain: bytes) -> None:
    parse_or_refuse(ipv6.parse, ipv6.build(A, B, kind, len(chain)) + chain)


@given(
    damaged(
        bytes(
            FIXED
            / IPv6ExtHdrHopByHop(options=[RouterAlert()])
            / IPv6ExtHdrRouting(segleft=0, addresses=[])
            / IPv6ExtHdrFragment(m=1)
            / IPv6ExtHdrDestOpt(options=[])
            / UDP()
            / Raw(bytes(8))
        )
    )
)
def test_damaged_packets_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(ipv6.parse, data)
    parse_or_refuse(ipv6.parse_start, data)
