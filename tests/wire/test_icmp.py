"""`hythe.wire.icmp` and its quotes against scapy, RFC 792 and 1122's rules about errors, and garbage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from hythe.errors import ParseError
from hythe.wire import icmp, ipv4
from hythe.wire.checksum import verify
from tests.wire.strategies import addresses4, damaged, longs, octet, parse_or_refuse, ports, text4, words

A, B = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])


def payload_of(packet: bytes) -> bytes:
    header = ipv4.parse(packet, len(packet))
    assert header.protocol == icmp.PROTOCOL
    assert header.total_length == len(packet)
    return packet[header.header_length :]


@given(addresses4, addresses4, st.booleans(), words, words, st.binary(max_size=200))
def test_echo_both_ways(source: bytes, destination: bytes, reply: bool, identifier: int, sequence: int, data: bytes) -> None:
    packet = icmp.echo_packet(source, destination, reply, identifier, sequence, data)
    scapy = bytes(
        IP(src=text4(source), dst=text4(destination), flags="DF", id=0)
        / ICMP(type=0 if reply else 8, id=identifier, seq=sequence)
        / Raw(data)
    )
    assert packet == scapy
    message = payload_of(scapy)
    assert icmp.parse(memoryview(message), len(message)) == icmp.Echo(reply, identifier, sequence, data)


@given(addresses4, addresses4, ports, ports, longs, st.integers(0, 15), octet, words)
def test_errors_scapy_builds_we_read(
    source: bytes, destination: bytes, sport: int, dport: int, sequence: int, code: int, pointer: int, mtu: int
) -> None:
    about = IP(src=text4(source), dst=text4(destination)) / TCP(sport=sport, dport=dport, seq=sequence) / Raw(b"data")
    cut = bytes(about)[:28]
    for scapy in (
        ICMP(type=3, code=code, nexthopmtu=mtu),
        ICMP(type=4),
        ICMP(type=11, code=1),
        ICMP(type=5, code=1, gw="192.0.2.77"),
        ICMP(type=12, code=0, ptr=pointer),
    ):
        message = bytes(scapy / Raw(cut))
        error = icmp.parse(message, len(message))
        assert isinstance(error, icmp.Error)
        assert (error.type, error.code) == (scapy.type, scapy.code)
        assert error.quote.ports == (sport, dport)
        assert error.quote.sequence == sequence
        assert error.quote.key == destination + source + dport.to_bytes(2, "big") + sport.to_bytes(2, "big")
        assert error.quote.echo is None
        assert error.mtu == (mtu if scapy.type == 3 and code == 4 else 0)
        assert error.pointer == (pointer if scapy.type == 12 else 0)
        assert error.gateway == (bytes([192, 0, 2, 77]) if scapy.type == 5 else None)


@given(
    addresses4,
    addresses4,
    st.sampled_from([(3, 3), (3, 4), (11, 1), (12, 0)]),
    st.integers(0, 2000),
    st.integers(0, 70_000),
    octet,
)
def test_errors_we_build_scapy_reads(
    source: bytes, destination: bytes, kind: tuple[int, int], size: int, mtu: int, pointer: int
) -> None:
    original = bytes(IP(src=text4(destination), dst=text4(source)) / UDP(sport=5, dport=6) / Raw(bytes(size)))
    packet = icmp.error_packet(source, destination, *kind, memoryview(original), mtu=mtu, pointer=pointer)
    assert len(packet) == min(576, 28 + len(original))
    seen = IP(packet)
    assert (seen.src, seen.dst, seen.tos, seen.ttl) == (text4(source), text4(destination), 0xC0, 64)
    assert (seen[ICMP].type, seen[ICMP].code) == kind
    assert verify(packet[20:])
    assert packet[28:] == original[:548]
    if kind == (3, 4):
        assert seen[ICMP].nexthopmtu == min(mtu, 65535)
    if kind[0] == 12:
        assert seen[ICMP].ptr == pointer


def quote_of(about: bytes) -> Any:
    message = bytes(ICMP(type=3, code=1) / Raw(about))
    error = icmp.parse(message, len(message))
    assert isinstance(error, icmp.Error)
    return error.quote


def test_quote_goes_as_far_as_it_is_there() -> None:
    about = bytes(IP(src="192.0.2.1", dst="198.51.100.2") / TCP(sport=1, dport=2, seq=3))
    assert (quote_of(about[:20]).ports, quote_of(about[:20]).source) == (None, A)
    assert quote_of(about[:23]).key is None
    assert (quote_of(about[:24]).ports, quote_of(about[:27]).sequence) == ((1, 2), None)
    assert quote_of(about[:28]).sequence == 3
    with pytest.raises(ParseError, match="IPv4 header needs 20 bytes, 19"):
        quote_of(about[:19])


def test_quote_skips_options_and_stops_at_total_length() -> None:
    about = ipv4.build(A, B, 17, 4, raw_options=b"\x07\x07\x04\0\0\0\0") + b"\0\x05\0\x06" + b"link padding"
    assert quote_of(about).transport == b"\0\x05\0\x06"


def test_quote_of_echo_and_of_a_later_fragment() -> None:
    assert quote_of(icmp.echo_packet(A, B, False, 7, 8, b"")).echo == (7, 8)
    assert quote_of(icmp.echo_packet(A, B, True, 7, 8, b"")).echo is None
    quote = quote_of(ipv4.build(A, B, 17, 8, fragment_offset=8, dont_fragment=False) + bytes(8))
    assert (quote.ports, quote.transport) == (None, b"")


def test_other_types_are_kept() -> None:
    message = bytes(ICMP(type=13, id=1, seq=2))
    parsed = icmp.parse(message, len(message))
    assert parsed == icmp.Other(13, 0, message[4:])


def test_wrong_checksum_is_refused_unless_left_to_the_device() -> None:
    message = bytearray(icmp.echo_message(False, 1, 2, b"abc"))
    message[8] ^= 1
    with pytest.raises(ParseError, match="ICMP checksum"):
        icmp.parse(message, len(message))
    assert isinstance(icmp.parse(message, len(message), verify=False), icmp.Echo)


def may(packet: Any, broadcast: bool = False) -> bool:
    data = bytes(packet)
    return icmp.may_send_error(ipv4.parse(data, len(data)), data, broadcast)


def test_when_an_error_may_be_sent_rfc1122_section_3_2_2() -> None:
    there = {"src": "198.51.100.2", "dst": "192.0.2.1"}
    assert may(IP(**there) / UDP())
    assert may(IP(**there) / ICMP(type=8))
    assert may(IP(**there, flags="MF") / UDP() / Raw(bytes(8)))
    assert not may(IP(**there, frag=1) / Raw(bytes(8)))
    assert not may(IP(**there) / UDP(), broadcast=True)
    assert not may(IP(**there, proto=1))
    for kind in (3, 4, 5, 11, 12):
        assert not may(IP(**there) / ICMP(type=kind) / Raw(bytes(28)))
    for destination in ("224.0.0.1", "255.255.255.255", "239.1.2.3"):
        assert not may(IP(src="198.51.100.2", dst=destination) / UDP())
    for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"):
        assert not may(IP(src=source, dst="192.0.2.1") / UDP())


@given(octet, octet, st.binary(max_size=80))
def test_garbage_gives_parse_error_only(kind: int, code: int, rest: bytes) -> None:
    parse_or_refuse(icmp.parse, bytes([kind, code]) + rest)
    parse_or_refuse(lambda view, length: icmp.parse(view, length, verify=False), bytes([kind, code]) + rest)


@given(damaged(payload_of(icmp.error_packet(A, B, 3, 4, ipv4.build(B, A, 6, 20) + bytes(20)))))
def test_damaged_errors_give_parse_error_only(data: bytes) -> None:
    error = parse_or_refuse(lambda view, length: icmp.parse(view, length, verify=False), data)
    if isinstance(error, icmp.Error):
        assert (error.quote.ports is None) == (error.quote.key is None)
        assert error.quote.sequence is None or error.quote.ports is not None
        assert error.quote.echo is None or error.quote.ports is None
