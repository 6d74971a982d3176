"""`hythe.wire.udp` against scapy in both directions, RFC 768's and RFC 8200's rules, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.packet import Raw

from hythe.errors import ParseError
from hythe.wire import udp
from hythe.wire.checksum import ones_sum, pseudo_sum
from hythe.wire.packet import ABSENT, PARTIAL, VERIFIED, VNET, VNET_PLAIN, Packet
from hythe.wire.segment import make_key
from tests.wire.strategies import addresses4, addresses6, damaged, octet, parse_or_refuse, ports, text4, text6

A4, B4 = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
A6, B6 = b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02"
payloads = st.binary(max_size=100)
pairs = st.one_of(st.tuples(addresses4, addresses4), st.tuples(addresses6, addresses6))


def scapy_packet(
    source: bytes, destination: bytes, sport: int, dport: int, payload: bytes, ttl: int = 64, tos: int = 0
) -> bytes:
    if len(source) == 4:
        head = IP(src=text4(source), dst=text4(destination), flags="DF", id=0, ttl=ttl, tos=tos)
    else:
        head = IPv6(src=text6(source), dst=text6(destination), hlim=ttl, tc=tos)
    return bytes(head / UDP(sport=sport, dport=dport) / Raw(payload))


def read(data: bytes, checksum: int = ABSENT, gso_size: int = 0) -> udp.Datagram | None:
    packet = Packet(2048).fill(data, gso_size, checksum)
    return udp.read4(packet) if data[0] >> 4 == 4 else udp.read6(packet)


@given(pairs, ports, ports, payloads, octet, octet)
def test_both_ways(pair: tuple[bytes, bytes], sport: int, dport: int, payload: bytes, ttl: int, tos: int) -> None:
    data = scapy_packet(*pair, sport, dport, payload, ttl, tos)
    key = make_key(pair[0], sport, pair[1], dport)
    for state in (ABSENT, PARTIAL, VERIFIED):
        datagram = read(data, state)
        assert datagram is not None
        assert (datagram.key, bytes(datagram.payload), datagram.size) == (key, payload, len(payload))
        assert (datagram.tos, datagram.gso_size) == (tos, 0)
    back = udp.envelope(make_key(pair[1], dport, pair[0], sport), ttl, tos)
    assert back.complete_head(memoryview(payload)) + payload == VNET_PLAIN + data
    assert back.packet(payload) == data


@given(pairs, ports, ports, payloads, octet)
def test_partial_head_differs_in_its_checksum_only(
    pair: tuple[bytes, bytes], sport: int, dport: int, payload: bytes, tos: int
) -> None:
    envelope = udp.envelope(make_key(pair[1], dport, pair[0], sport), tos=tos)
    head = envelope.head(len(payload))
    at = 10 + envelope.header_size - 8
    flags, gso_type, header_size, gso_size, start, offset = VNET.unpack_from(head)
    assert (flags, gso_type, header_size, gso_size) == (1, 0, envelope.header_size, 0)
    assert (start, offset) == (at - 10, 6)
    full = envelope.complete_head(payload)
    assert head[10:-2] == full[10:-2]
    # The device adds the rest: from csum_start on, the sum over what the field now holds is the checksum.
    done = ones_sum(head[at:] + payload) ^ 0xFFFF or 0xFFFF
    assert done.to_bytes(2, "big") == full[-2:]
    assert int.from_bytes(head[-2:], "big") == pseudo_sum(*pair, 17, 8 + len(payload))


@pytest.mark.parametrize("pair", [(A4, B4), (A6, B6)])
def test_super_datagram_heads(pair: tuple[bytes, bytes]) -> None:
    envelope = udp.envelope(make_key(pair[1], 2, pair[0], 1))
    shapes = [(4000, 1000), (4000, 1200), (900, 1000), (1000, 1000), (4000, 0), (4000, 1000)]
    seen = [VNET.unpack_from(envelope.head(size, gso_size)) for size, gso_size in shapes]
    assert [(gso_type, gso_size) for _, gso_type, _, gso_size, _, _ in seen] == [
        (5, 1000),
        (5, 1200),
        (0, 0),
        (0, 0),
        (0, 0),
        (5, 1000),
    ]
    assert {(flags, size) for flags, _, size, *_ in seen} == {(1, envelope.header_size)}


def test_super_datagram_is_read_whole() -> None:
    data = scapy_packet(A4, B4, 1, 2, bytes(range(250)) * 4)
    datagram = read(data, PARTIAL, 250)
    assert datagram is not None
    assert (datagram.size, datagram.gso_size) == (1000, 250)


def test_sum_of_zero_is_sent_as_all_ones() -> None:
    for pair in ((A4, B4), (A6, B6)):
        envelope = udp.envelope(make_key(pair[1], 2, pair[0], 1))
        check = int.from_bytes(envelope.complete_head(b"\0\0")[-2:], "big")
        payload = check.to_bytes(2, "big")  # makes the sum 0xFFFF and its complement 0
        assert envelope.complete_head(payload)[-2:] == b"\xff\xff"
        assert envelope.packet(payload) == scapy_packet(*pair, 1, 2, payload)
        assert read(envelope.packet(payload)) is not None


def test_zero_checksum_is_none_over_ipv4_and_wrong_over_ipv6() -> None:
    for source, destination in ((A4, B4), (A6, B6)):
        data = bytearray(scapy_packet(source, destination, 1, 2, b"abcd"))
        data[-6:-4] = bytes(2)
        start = len(data) - 12
        assert (read(bytes(data)) is None) == (len(source) == 16)
        view = memoryview(data)
        if len(source) == 4:
            assert bytes(udp.read(view, start, len(data), source, destination).payload) == b"abcd"
        else:
            with pytest.raises(ParseError, match="UDP checksum is zero"):
                udp.read(view, start, len(data), source, destination)


@pytest.mark.parametrize("pair", [(A4, B4), (A6, B6)])
def test_wrong_checksums_are_refused_unless_vouched_for(pair: tuple[bytes, bytes]) -> None:
    whole = scapy_packet(*pair, 1, 2, b"abcd")
    start = len(whole) - 12
    damage = [len(whole) - 1] + ([8] if len(pair[0]) == 4 else [])  # the data, and IPv4's TTL
    for at in damage:
        data = bytearray(whole)
        data[at] ^= 1
        assert read(bytes(data)) is None
        assert read(bytes(data), PARTIAL) is not None
    data = bytearray(whole)
    data[-1] ^= 1
    with pytest.raises(ParseError, match="UDP checksum is wrong in a datagram of 12 bytes"):
        udp.read(memoryview(data), start, len(data), *pair)
    assert udp.read(memoryview(data), start, len(data), *pair, check=False).size == 4


def test_what_is_not_plain_is_left_to_the_general_path() -> None:
    data = scapy_packet(A4, B4, 1, 2, b"abcd")
    option = bytes(IP(src=text4(A4), dst=text4(B4), options=[IPOption_RR(routers=["192.0.2.9"])]) / UDP() / Raw(b"ab"))
    chain = bytes(IPv6(src=text6(A6), dst=text6(B6)) / IPv6ExtHdrDestOpt() / UDP())
    for other in (
        option,
        chain,
        bytes(IP(data) / Raw(b""))[:27],
        data[:20],
        bytes([0x45]) + bytes(40),
        bytes(IP(flags="MF", src=text4(A4), dst=text4(B4)) / UDP() / Raw(bytes(8))),
    ):
        assert read(other) is None


def test_lengths_are_checked() -> None:
    data = bytearray(scapy_packet(A4, B4, 1, 2, b"abcd"))
    for size, message in ((7, "UDP length is 7"), (13, "UDP length is 13, 12 bytes are there")):
        data[25] = size
        assert read(bytes(data), PARTIAL) is None
        with pytest.raises(ParseError, match=message):
            udp.read(memoryview(data), 20, 32, A4, B4)
    with pytest.raises(ParseError, match="UDP header needs 8 bytes, 7 are there"):
        udp.read(memoryview(data), 20, 27, A4, B4)


def test_bytes_past_the_udp_length_are_ignored() -> None:
    data = bytearray(scapy_packet(A4, B4, 1, 2, b"abcd"))
    data[25] = 10
    datagram = read(bytes(data), PARTIAL)
    assert datagram is not None
    assert bytes(datagram.payload) == b"ab"
    assert bytes(udp.read(memoryview(data), 20, 32, A4, B4, check=False).payload) == b"ab"


def test_packet_that_may_be_fragmented() -> None:
    seen = IP(udp.Envelope4(A4, B4, 1, 2).packet(bytes(3000), identification=0xBEEF))
    assert (seen.id, int(seen.flags), seen.len) == (0xBEEF, 0, 3028)
    assert bytes(seen) == bytes(IP(src=text4(A4), dst=text4(B4), id=0xBEEF) / UDP(sport=1, dport=2) / Raw(bytes(3000)))


def test_payload_that_no_packet_can_carry() -> None:
    assert len(udp.Envelope4(A4, B4, 1, 2).packet(bytes(udp.PAYLOAD_MAX4))) == 65535
    assert len(udp.Envelope6(A6, B6, 1, 2).packet(bytes(udp.PAYLOAD_MAX6))) == 65575
    with pytest.raises(ValueError, match="65507 bytes at most"):
        udp.Envelope4(A4, B4, 1, 2).packet(bytes(udp.PAYLOAD_MAX4 + 1))
    with pytest.raises(ValueError, match="65527 bytes at most"):
        udp.Envelope6(A6, B6, 1, 2).packet(bytes(udp.PAYLOAD_MAX6 + 1))


@given(
    st.sampled_from([ABSENT, PARTIAL]),
    st.one_of(
        st.binary(min_size=1, max_size=80),
        damaged(scapy_packet(A4, B4, 1, 2, b"abcdef")),
        damaged(scapy_packet(A6, B6, 1, 2, b"abcdef")),
    ).filter(bool),
)
def test_garbage_is_none_or_within_bounds(state: int, data: bytes) -> None:
    datagram = read(data, state)
    if datagram is not None:
        assert bytes(datagram.payload) in data
        assert datagram.size == len(datagram.payload) <= len(data) - 28


@given(st.one_of(st.binary(max_size=40), damaged(scapy_packet(A4, B4, 1, 2, b"abcdef")[20:])), st.booleans())
def test_garbage_gives_parse_error_only(data: bytes, check: bool) -> None:
    parse_or_refuse(lambda view, length: bytes(udp.read(memoryview(view), 0, length, A4, B4, 0, check).payload), data)
