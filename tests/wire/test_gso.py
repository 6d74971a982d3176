"""`hythe.wire.gso`: the pieces of a super-segment are the packets that scapy builds one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Packet, Raw

from hythe.errors import ParseError
from hythe.wire import gso
from hythe.wire.packet import ABSENT, PARTIAL
from hythe.wire.segment import Envelope4
from hythe.wire.udp import Envelope6
from tests.wire.strategies import damaged, longs, octet, parse_or_refuse, words

OPTIONS = [("NOP", None), ("NOP", None), ("Timestamp", (77, 88))]
NETWORKS = ["ipv4", "ipv4 with options", "ipv6", "ipv6 with a chain"]


def network(kind: str, identification: int = 0) -> Packet:
    if kind.startswith("ipv4"):
        options = [IPOption_RR(routers=["192.0.2.9"])] if "options" in kind else []
        return IP(src="192.0.2.1", dst="198.51.100.2", id=identification, flags="DF", tos=2, ttl=9, options=options)
    head = IPv6(src="2001:db8::1", dst="2001:db8::2", tc=1, fl=0x12345, hlim=9)
    return head / IPv6ExtHdrDestOpt(options=[]) if "chain" in kind else head


def with_wrong_checksum(packet: bytes, at: int) -> bytes:
    """The packet with nonsense in its transport checksum field, which must not matter where it is partial."""
    return packet[:at] + b"\x12\x34" + packet[at + 2 :]


def split(payload: bytes, size: int) -> list[bytes]:
    return [payload[at : at + size] for at in range(0, len(payload), size)]


@given(
    st.sampled_from(NETWORKS),
    st.binary(min_size=2, max_size=400),
    st.integers(1, 300),
    words,
    longs,
    octet,
    st.booleans(),
    words,
)
def test_tcp_pieces(
    kind: str, payload: bytes, size: int, identification: int, seq: int, flags: int, stamped: bool, window: int
) -> None:
    flags &= ~0x20

    def one(payload: bytes, index: int, offset: int, flags: int) -> bytes:
        return bytes(
            network(kind, (identification + index) & 0xFFFF)
            / TCP(
                sport=1,
                dport=2,
                seq=(seq + offset) & 0xFFFFFFFF,
                ack=5,
                flags=flags,
                window=window,
                options=OPTIONS if stamped else [],
            )
            / Raw(payload)
        )

    whole = one(payload, 0, 0, flags)
    chunks = split(payload, size)
    expected = [
        one(chunk, index, index * size, flags & ~(0x80 if index else 0) & ~(0x09 if index + 1 < len(chunks) else 0))
        for index, chunk in enumerate(chunks)
    ]
    at = len(whole) - len(payload) - (32 if stamped else 20) + 16
    given_to_us = with_wrong_checksum(whole, at)
    pieces = gso.cut(memoryview(given_to_us + b"next slot of the ring"), len(whole), size, PARTIAL)
    assert pieces == expected


@given(st.sampled_from(NETWORKS), st.binary(min_size=2, max_size=400), st.integers(1, 300), words)
def test_udp_pieces(kind: str, payload: bytes, size: int, identification: int) -> None:
    def one(payload: bytes, index: int) -> bytes:
        return bytes(network(kind, (identification + index) & 0xFFFF) / UDP(sport=1, dport=2) / Raw(payload))

    whole = one(payload, 0)
    expected = [one(chunk, index) for index, chunk in enumerate(split(payload, size))]
    given_to_us = with_wrong_checksum(whole, len(whole) - len(payload) - 2)
    assert gso.cut(memoryview(given_to_us), len(whole), size, PARTIAL) == expected


def test_urgent_pointer_keeps_pointing_at_its_octet() -> None:
    whole = bytes(network("ipv4") / TCP(seq=100, flags="PUA", urgptr=250) / Raw(bytes(400)))
    pieces = [IP(piece)[TCP] for piece in gso.cut(whole, len(whole), 100, PARTIAL)]
    assert [(piece.seq, piece.urgptr, str(piece.flags)) for piece in pieces] == [
        (100, 250, "AU"),
        (200, 150, "AU"),
        (300, 50, "AU"),
        (400, 0, "PA"),
    ]
    assert all(bytes(piece) == bytes(remade(piece)) for piece in (IP(p) for p in gso.cut(whole, 440, 100, PARTIAL)))


def remade(packet: Packet) -> Packet:
    """The same packet with the transport checksum computed by scapy."""
    packet = packet.copy()
    del packet[TCP].chksum
    return packet


def test_sequence_numbers_and_identifications_wrap() -> None:
    whole = bytes(network("ipv4", 0xFFFF) / TCP(seq=0xFFFFFFF0) / Raw(bytes(64)))
    pieces = [IP(piece) for piece in gso.cut(whole, len(whole), 32, PARTIAL)]
    assert [(piece.id, piece[TCP].seq) for piece in pieces] == [(0xFFFF, 0xFFFFFFF0), (0, 16)]


def test_full_super_segment() -> None:
    payload = bytes(range(256)) * 255
    head = Envelope4(b"\x0a\0\0\1", b"\x0a\0\0\2", 1, 2).head(7, 8, 0x18, 100, len(payload), 1460)
    whole = head[10:] + payload
    pieces = gso.cut(memoryview(bytearray(whole)), len(whole), 1460, PARTIAL)
    assert len(pieces) == 45
    assert b"".join(piece[40:] for piece in pieces) == payload
    for piece in pieces:
        assert piece == bytes(remade(IP(piece)))
    whole = Envelope6(b"\x20" + bytes(15), b"\x20" + bytes(14) + b"\1", 1, 2).head(65000, 1400)[10:] + bytes(65000)
    assert len(gso.cut(whole, len(whole), 1400, PARTIAL)) == 47


@given(st.sampled_from(NETWORKS), st.sampled_from([TCP, UDP]), st.binary(max_size=60))
def test_complete_fills_in_the_checksum(kind: str, transport: type[Packet], payload: bytes) -> None:
    whole = bytes(network(kind) / transport(sport=3, dport=4) / Raw(payload))
    at = len(whole) - len(payload) - (4 if transport is TCP else 2)
    partial = memoryview(with_wrong_checksum(whole, at))
    assert gso.complete(partial, len(whole), PARTIAL) == whole
    assert gso.complete(partial, len(whole), ABSENT) == bytes(partial)
    for size in (0, len(payload), 1000):
        assert gso.cut(partial, len(whole), size, PARTIAL) == [whole]


def test_udp_sum_of_zero_is_sent_as_all_ones() -> None:
    whole = bytes(network("ipv4") / UDP(sport=1, dport=2) / Raw(b"\0\0"))
    zero = whole[:-2] + whole[-4:-2]  # the payload that makes the sum come out as zero
    assert gso.complete(zero, len(zero), PARTIAL)[-4:-2] == b"\xff\xff"
    double = bytes(network("ipv4") / UDP(sport=1, dport=2) / Raw(zero[-2:] * 2))
    assert [piece[-4:-2] for piece in gso.cut(double, len(double), 2, PARTIAL)] == [b"\xff\xff"] * 2


def test_what_cannot_be_completed_is_refused() -> None:
    fragment4 = bytes(IP(src="192.0.2.1", dst="192.0.2.2", flags="MF") / UDP() / Raw(bytes(8)))
    fragment6 = bytes(IPv6(src="2001::1", dst="2001::2") / IPv6ExtHdrFragment(m=1) / UDP() / Raw(bytes(8)))
    for packet, message in (
        (fragment4, "a fragment"),
        (fragment6, "a fragment"),
        (bytes(network("ipv4") / ICMP()), "IP protocol 1 has no checksum"),
        (bytes(network("ipv4") / TCP())[:20] + b"", "IPv4 total length"),
        (bytes(IP(proto=6, src="192.0.2.1", dst="192.0.2.2") / Raw(bytes(19))), "needs 20 bytes"),
        (bytes(IP(proto=17, src="192.0.2.1", dst="192.0.2.2") / Raw(bytes(7))), "needs 8 bytes"),
        (bytes(network("ipv4") / TCP(dataofs=15)), "needs 60 bytes, 20 are there"),
        (b"", "IPv6 header needs"),
    ):
        with pytest.raises(ParseError, match=message):
            gso.complete(packet, len(packet), PARTIAL)


def test_single_packet_with_a_gso_size_and_no_partial_mark_is_completed() -> None:
    whole = bytes(network("ipv4") / TCP() / Raw(b"abc"))
    assert gso.cut(with_wrong_checksum(whole, 36), len(whole), 1460, ABSENT) == [whole]


@given(
    st.one_of(
        st.binary(max_size=100),
        damaged(bytes(network("ipv4") / TCP(options=OPTIONS) / Raw(bytes(90)))),
        damaged(bytes(network("ipv6 with a chain") / UDP() / Raw(bytes(90)))),
    ),
    st.integers(1, 100),
)
def test_garbage_gives_parse_error_only(data: bytes, size: int) -> None:
    pieces = parse_or_refuse(lambda view, length: gso.cut(view, length, size, PARTIAL), data)
    parse_or_refuse(lambda view, length: gso.complete(view, length, PARTIAL), data)
    if pieces is not None:
        assert len(pieces) <= len(data)
