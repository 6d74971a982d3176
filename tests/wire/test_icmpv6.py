"""`hythe.wire.icmpv6` against scapy, RFC 4443's rules about errors, and garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    in6_chksum,
)
from scapy.packet import Raw

from hythe.errors import ParseError
from hythe.wire import icmpv6, ipv6
from hythe.wire.icmp import Echo, Error, Message, Other
from tests.wire.strategies import addresses6, damaged, longs, octet, parse_or_refuse, ports, text6, words

A, B = b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02"


def read(packet: bytes, verify: bool = True) -> Message:
    header = ipv6.parse(memoryview(packet), len(packet))
    assert header.protocol == icmpv6.PROTOCOL
    body = packet[header.payload_offset : header.end]
    return icmpv6.parse(body, len(body), header.source, header.destination, verify)


@given(addresses6, addresses6, st.booleans(), words, words, st.binary(max_size=200), octet)
def test_echo_both_ways(
    source: bytes, destination: bytes, reply: bool, identifier: int, sequence: int, data: bytes, hops: int
) -> None:
    packet = icmpv6.echo_packet(source, destination, reply, identifier, sequence, data, hop_limit=hops)
    kind = ICMPv6EchoReply if reply else ICMPv6EchoRequest
    scapy = bytes(IPv6(src=text6(source), dst=text6(destination), hlim=hops) / kind(id=identifier, seq=sequence, data=data))
    assert packet == scapy
    assert read(scapy) == Echo(reply, identifier, sequence, data)


@given(addresses6, addresses6, ports, ports, longs, st.integers(0, 7), longs, st.booleans())
def test_errors_scapy_builds_we_read(
    source: bytes, destination: bytes, sport: int, dport: int, sequence: int, code: int, value: int, extended: bool
) -> None:
    about = IPv6(src=text6(source), dst=text6(destination))
    if extended:
        about /= IPv6ExtHdrDestOpt(options=[])
    cut = bytes(about / TCP(sport=sport, dport=dport, seq=sequence))[: 56 if extended else 48]
    for scapy in (
        ICMPv6DestUnreach(code=code),
        ICMPv6PacketTooBig(mtu=value),
        ICMPv6TimeExceeded(code=1),
        ICMPv6ParamProblem(code=1, ptr=value),
    ):
        error = read(bytes(IPv6(src=text6(B), dst=text6(source)) / scapy / Raw(cut)))
        assert isinstance(error, Error)
        assert (error.type, error.code) == (scapy.type, scapy.code)
        assert (error.quote.source, error.quote.destination) == (source, destination)
        assert (error.quote.ports, error.quote.sequence) == ((sport, dport), sequence)
        assert error.mtu == (value if scapy.type == 2 else 0)
        assert error.pointer == (value if scapy.type == 4 else 0)


@given(addresses6, addresses6, st.sampled_from([(1, 4), (2, 0), (3, 1), (4, 2)]), st.integers(0, 2000), longs)
def test_errors_we_build_scapy_reads(
    source: bytes, destination: bytes, kind: tuple[int, int], size: int, value: int
) -> None:
    original = bytes(IPv6(src=text6(destination), dst=text6(source)) / UDP(sport=5, dport=6) / Raw(bytes(size)))
    packet = icmpv6.error_packet(
        source, destination, *kind, memoryview(original), **({"mtu": value} if kind[0] == 2 else {"pointer": value})
    )
    assert len(packet) == min(1280, 48 + len(original))
    seen = IPv6(packet)
    assert (seen.src, seen.dst, seen.nh) == (text6(source), text6(destination), 58)
    assert (seen.payload.type, seen.payload.code) == kind
    assert in6_chksum(58, seen, packet[40:]) == 0
    assert packet[44:48] == value.to_bytes(4, "big")
    assert packet[48:] == original[:1232]


def test_quote_of_a_fragment() -> None:
    first = bytes(IPv6(src=text6(A), dst=text6(B)) / IPv6ExtHdrFragment(m=1) / UDP(sport=3, dport=4) / Raw(bytes(8)))
    later = bytes(IPv6(src=text6(A), dst=text6(B)) / IPv6ExtHdrFragment(offset=2, nh=17) / Raw(bytes(16)))
    for about, expected in ((first, (3, 4)), (later, None), (first[:50], None), (first[:40], None)):
        error = read(icmpv6.error_packet(A, B, 1, 0, about))
        assert isinstance(error, Error)
        assert error.quote.ports == expected
    with pytest.raises(ParseError, match="IPv6 header needs 40 bytes, 39"):
        read(icmpv6.error_packet(A, B, 1, 0, first[:39]))


def test_quoted_echo_request() -> None:
    error = read(icmpv6.error_packet(B, A, 1, 3, icmpv6.echo_packet(A, B, False, 7, 8, b"")))
    assert isinstance(error, Error)
    assert error.quote.echo == (7, 8)


def test_unknown_types_section_2_4() -> None:
    about = bytes(IPv6(src=text6(A), dst=text6(B)) / UDP())
    assert isinstance(read(icmpv6.error_packet(B, A, 100, 9, about)), Error)
    assert read(icmpv6.packet(B, A, b"\xc8\x09\0\0abcd")) == Other(200, 9, b"abcd")


def test_wrong_checksum_is_refused_unless_left_to_the_device() -> None:
    packet = bytearray(icmpv6.echo_packet(A, B, False, 1, 2, b"abc"))
    packet[42] ^= 0x40
    with pytest.raises(ParseError, match="ICMPv6 checksum"):
        read(bytes(packet))
    assert isinstance(read(bytes(packet), verify=False), Echo)


def may(packet: Any, kind: int = 1, code: int = 4, multicast: bool = False) -> bool:
    data = bytes(packet)
    return icmpv6.may_send_error(ipv6.parse(data, len(data)), data, kind, code, multicast)


def test_when_an_error_may_be_sent_section_2_4_e() -> None:
    there = {"src": text6(A), "dst": text6(B)}
    assert may(IPv6(**there) / UDP())
    assert may(IPv6(**there) / ICMPv6EchoRequest())
    assert may(IPv6(**there) / IPv6ExtHdrDestOpt(options=[]) / ICMPv6EchoRequest())
    for error in (
        ICMPv6DestUnreach(),
        ICMPv6PacketTooBig(),
        ICMPv6ParamProblem(),
        ICMPv6TimeExceeded(),
        ICMPv6Unknown(type=127),
        ICMPv6ND_Redirect(tgt="::1", dst="::1"),
    ):
        assert not may(IPv6(**there) / error)
        assert not may(IPv6(**there) / IPv6ExtHdrDestOpt(options=[]) / error)
    assert not may(IPv6(**there, nh=58))
    assert not may(IPv6(**there) / IPv6ExtHdrFragment(offset=1, nh=17) / Raw(bytes(8)))
    for source in ("::", "ff02::1"):
        assert not may(IPv6(src=source, dst=text6(B)) / UDP())
    for packet, multicast in ((IPv6(src=text6(A), dst="ff02::1") / UDP(), False), (IPv6(**there) / UDP(), True)):
        assert not may(packet, multicast=multicast)
        assert not may(packet, 4, 1, multicast)
        assert may(packet, 2, 0, multicast)
        assert may(packet, 4, 2, multicast)


@given(octet, octet, st.binary(max_size=120))
def test_garbage_gives_parse_error_only(kind: int, code: int, rest: bytes) -> None:
    for verify in (True, False):
        parse_or_refuse(
            lambda view, length: icmpv6.parse(view, length, A, B, verify),  # noqa: B023
            bytes([kind, code]) + rest,
        )


@given(
    damaged(
        icmpv6.error_packet(
            A,
            B,
            2,
            0,
            bytes(IPv6(src=text6(B), dst=text6(A)) / IPv6ExtHdrDestOpt(options=[]) / IPv6ExtHdrFragment(m=1) / TCP()),
        )[40:]
    )
)
def test_damaged_errors_give_parse_error_only(data: bytes) -> None:
    error = parse_or_refuse(lambda view, length: icmpv6.parse(view, length, A, B, verify=False), data)
    if isinstance(error, Error):
        assert (error.quote.ports is None) == (error.quote.key is None)
        assert error.quote.sequence is None or error.quote.ports is not None
