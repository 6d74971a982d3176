"""`hythe.host.fragments`: against scapy's fragmenting, in any order, within bounds, and the rules about overlaps."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.inet6 import fragment6 as scapy_fragment6
from scapy.packet import Raw

from hythe.config import HostConfig
from hythe.errors import ParseError
from hythe.host import fragments
from hythe.host.fragments import OVERHEAD, Reassembler, fragment4, fragment6
from hythe.units import NEVER, SECOND
from hythe.wire import ipv4, ipv6, udp
from tests.wire.strategies import damaged

V4: dict[str, Any] = {"src": "192.0.2.1", "dst": "198.51.100.2"}
V6: dict[str, Any] = {"src": "2001:db8::1", "dst": "2001:db8::2"}


def payload(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def datagram4(size: int, identification: int = 7, **fields: Any) -> bytes:
    return bytes(IP(**V4, id=identification, **fields) / UDP(sport=1, dport=2) / Raw(payload(size)))


def datagram6(size: int) -> bytes:
    return bytes(IPv6(**V6) / UDP(sport=1, dport=2) / Raw(payload(size)))


def pieces6(size: int, identification: int = 9, mtu: int = 1280) -> list[bytes]:
    return fragment6(datagram6(size), mtu, identification)


def feed(reassembler: Reassembler, packets: list[bytes], now: int = 0) -> list[bytes]:
    """What came out whole, in order."""
    done = [reassembler.add(memoryview(packet), len(packet), now) for packet in packets]
    return [packet for packet in done if packet is not None]


def fresh(**limits: int) -> Reassembler:
    return Reassembler(HostConfig(**limits))  # type: ignore[arg-type]


@given(st.integers(0, 4000), st.integers(68, 1500), st.integers(0, 0xFFFF), st.integers(0, 999), st.booleans())
def test_ipv4_there_and_back_in_any_order(size: int, mtu: int, identification: int, seed: int, options: bool) -> None:
    listed = [IPOption_RR(routers=["192.0.2.9"])] if options else []
    whole = datagram4(size, identification, options=listed)
    pieces = fragment4(memoryview(whole), mtu)
    assert all(len(piece) <= mtu for piece in pieces)
    assert len(pieces) > 1 or len(whole) <= mtu
    random.Random(seed).shuffle(pieces)
    reassembler = fresh()
    assert feed(reassembler, pieces) == [whole]
    assert (reassembler.held, reassembler.failed, reassembler.next_deadline()) == (0, 0, NEVER)


@given(st.integers(1300, 4000), st.integers(1280, 1500), st.integers(0, 0xFFFFFFFF), st.integers(0, 999), st.booleans())
def test_ipv6_there_and_back_in_any_order(size: int, mtu: int, identification: int, seed: int, chain: bool) -> None:
    head = IPv6(**V6, tc=5, fl=77)
    if chain:
        head = head / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(segleft=0, addresses=[]) / IPv6ExtHdrDestOpt()
    whole = bytes(head / UDP(sport=1, dport=2) / Raw(payload(size)))
    pieces = fragment6(memoryview(whole), mtu, identification)
    assert all(len(piece) <= mtu for piece in pieces)
    for piece in pieces:
        header = ipv6.parse(piece, len(piece))
        assert header.is_fragment or len(whole) <= mtu
        if chain and header.is_fragment:
            assert [kind for kind, _, _ in header.extensions][:3] == [0, 43, 44]
    random.Random(seed).shuffle(pieces)
    reassembler = fresh()
    assert feed(reassembler, pieces) == [whole]
    assert (reassembler.held, reassembler.failed) == (0, 0)


@pytest.mark.parametrize("size", [576, 1000, 1472])
def test_what_scapy_fragments_we_reassemble(size: int) -> None:
    whole = IP(**V4, id=7) / ICMP(id=1) / Raw(payload(4000))
    assert feed(fresh(), [bytes(piece) for piece in whole.fragment(size)]) == [bytes(whole)]
    expected = bytes(IPv6(**V6) / UDP(sport=1, dport=2) / Raw(payload(4000)))
    split = scapy_fragment6(IPv6(**V6) / IPv6ExtHdrFragment(id=5) / UDP(sport=1, dport=2) / Raw(payload(4000)), 1280)
    assert feed(fresh(), [bytes(piece) for piece in split]) == [expected]


def test_what_we_fragment_scapy_reads() -> None:
    pieces = [IP(piece) for piece in fragment4(datagram4(100, tos=2, ttl=9), 68)]
    assert [(piece.frag, piece.flags.MF, piece.len) for piece in pieces] == [(0, 1, 68), (6, 1, 68), (12, 0, 32)]
    assert {(piece.id, piece.tos, piece.ttl, piece.proto) for piece in pieces} == {(7, 2, 9, 17)}
    seen = [IPv6(piece) for piece in pieces6(2000)]
    assert [(piece[IPv6ExtHdrFragment].offset, piece[IPv6ExtHdrFragment].m, piece.plen) for piece in seen] == [
        (0, 1, 1240),
        (154, 0, 784),
    ]
    assert {(piece[IPv6ExtHdrFragment].id, piece[IPv6ExtHdrFragment].nh) for piece in seen} == {(9, 17)}


def test_options_are_copied_as_their_top_bit_says() -> None:
    whole = ipv4.build(
        bytes(4), bytes(4), 17, 100, dont_fragment=False, identification=1, raw_options=b"\x07\x03\x04\x01\x82\x04\xab\xcd"
    ) + bytes(100)
    heads = [ipv4.parse(piece, len(piece)) for piece in fragment4(whole, 68)]
    assert [head.options for head in heads] == [((7, b"\x04"), (0x82, b"\xab\xcd"))] + [((0x82, b"\xab\xcd"),)] * 2


def test_a_fragment_can_be_fragmented_again() -> None:
    whole = datagram4(3000)
    again = [small for piece in fragment4(whole, 1500) for small in fragment4(piece, 576)]
    assert feed(fresh(), again[::-1]) == [whole]


def test_what_may_not_be_fragmented() -> None:
    with pytest.raises(ValueError, match="1028 bytes may not be fragmented to 576 bytes"):
        fragment4(datagram4(1000, flags="DF"), 576)
    with pytest.raises(ValueError, match="may not be fragmented to 27 bytes"):
        fragment4(datagram4(1000), 27)
    with pytest.raises(ValueError, match="cannot be fragmented"):
        fragment6(pieces6(3000)[0], 600, 1)
    with pytest.raises(ValueError, match="cannot be fragmented to 55 bytes"):
        fragment6(datagram6(1000), 55, 1)


def test_every_order_of_three_with_a_duplicate() -> None:
    whole = datagram4(100)
    pieces = fragment4(whole, 68)
    for order in permutations(pieces):
        reassembler = fresh()
        assert feed(reassembler, [order[0], order[0], order[1], order[0], order[2]]) == [whole]
        assert reassembler.failed == 0


def test_datagrams_do_not_mix() -> None:
    first, second = datagram4(1000, 1), datagram4(999, 2)
    third = bytes(IP(src="192.0.2.7", dst=V4["dst"], id=1) / UDP(sport=1, dport=2) / Raw(payload(1000, 3)))
    fourth = bytes(IP(**V4, id=1) / ICMP() / Raw(payload(1000, 4)))
    sixth = datagram6(1500)
    mixed = [
        *fragment4(first, 576),
        *fragment4(second, 576),
        *fragment4(third, 576),
        *fragment4(fourth, 576),
        *fragment6(sixth, 1280, 1),
    ]
    random.Random(1).shuffle(mixed)
    assert sorted(feed(fresh(), mixed)) == sorted([first, second, third, fourth, sixth])


def v4_piece(start: int, data: bytes, more: bool, tos: int = 0) -> bytes:
    return (
        ipv4.build(
            b"\xc0\0\2\1",
            b"\xc0\0\2\2",
            17,
            len(data),
            identification=1,
            dont_fragment=False,
            more_fragments=more,
            fragment_offset=start,
            tos=tos,
        )
        + data
    )


def v6_piece(start: int, data: bytes, more: bool, tos: int = 0) -> bytes:
    return (
        ipv6.build(b"\x20" * 16, b"\x21" * 16, 44, 8 + len(data), traffic_class=tos)
        + ipv6.build_fragment(17, start, more, 1)
        + data
    )


@pytest.mark.parametrize("piece", [v4_piece, v6_piece])
@pytest.mark.parametrize(
    ("start", "size", "more"),
    [
        (0, 16, True),
        (8, 16, True),
        (16, 8, True),
        (24, 16, True),
        (0, 48, True),
        (24, 8, False),
        (8, 8, False),
        (40, 8, True),
        (40, 8, False),
        (32, 8, False),
    ],
)
def test_overlap_or_contradiction_drops_the_datagram_rfc5722(piece: Any, start: int, size: int, more: bool) -> None:
    reassembler = fresh()
    held = [piece(0, b"a" * 24, True), piece(32, b"b" * 8, False)]
    assert feed(reassembler, [*held, piece(start, b"c" * size, more)]) == []
    assert reassembler.failed == 1
    # RFC 8200, 4.5: what would have completed it is discarded as well, until the deadline.
    assert feed(reassembler, [piece(24, b"d" * 8, True), *held]) == []
    assert reassembler.held == OVERHEAD
    assert reassembler.expire(60 * SECOND) == []
    assert (reassembler.held, reassembler.failed) == (0, 1)
    assert len(feed(reassembler, [*held, piece(24, b"d" * 8, True)])) == 1


def test_same_place_other_data_is_an_overlap() -> None:
    reassembler = fresh()
    assert feed(reassembler, [v4_piece(0, b"a" * 8, True), v4_piece(0, b"b" * 8, True), v4_piece(8, b"c", False)]) == []
    assert reassembler.failed == 1


def test_time_is_30_s_for_ipv4_and_60_s_for_ipv6() -> None:
    reassembler = fresh()
    first4, first6 = fragment4(datagram4(1000), 576)[0], pieces6(2000)[0]
    later4 = fragment4(datagram4(1000, 8), 576)[1]
    assert reassembler.next_deadline() == NEVER
    feed(reassembler, [first6], 0)
    assert reassembler.next_deadline() == 60 * SECOND
    feed(reassembler, [first4, later4], 1)
    assert reassembler.next_deadline() == 30 * SECOND + 1
    assert reassembler.expire(30 * SECOND) == []
    assert reassembler.expire(30 * SECOND + 1) == [first4]  # nothing about the one whose first part never came
    assert reassembler.next_deadline() == 60 * SECOND
    assert reassembler.expire(60 * SECOND) == [first6]
    assert (reassembler.held, reassembler.failed, reassembler.next_deadline()) == (0, 3, NEVER)


def test_a_later_fragment_does_not_move_the_deadline() -> None:
    reassembler = fresh()
    pieces = fragment4(datagram4(2000), 576)
    feed(reassembler, pieces[:1], 0)
    feed(reassembler, pieces[1:3], 29 * SECOND)
    assert reassembler.next_deadline() == 30 * SECOND


def test_budget_pushes_out_the_oldest() -> None:
    reassembler = fresh(fragment_memory=10_000)
    for identification in range(100):
        feed(reassembler, fragment4(datagram4(1000, identification), 576)[:1])
        assert reassembler.held <= 10_000
    assert reassembler.failed == 100 - reassembler.held // (OVERHEAD * 2 + 552)
    newest = fragment4(datagram4(1000, 99), 576)
    assert feed(reassembler, newest[1:]) == [datagram4(1000, 99)]
    assert feed(reassembler, fragment4(datagram4(1000, 0), 576)[1:]) == []


def test_budget_counts_small_fragments_and_both_versions() -> None:
    reassembler = fresh(fragment_memory=5_000)
    for at in range(0, 800, 16):
        feed(reassembler, [v4_piece(at, b"a" * 8, True), v6_piece(at + 8, b"a" * 8, True)])
        assert reassembler.held <= 5_000
    assert reassembler.failed > 2


def test_too_many_fragments_of_one_datagram() -> None:
    reassembler = fresh()
    feed(reassembler, [v4_piece(at, b"a" * 8, True) for at in range(0, 8 * fragments.FRAGMENTS_MAX, 8)])
    assert reassembler.failed == 0
    feed(reassembler, [v4_piece(8 * fragments.FRAGMENTS_MAX, b"a" * 8, True)])
    assert (reassembler.failed, reassembler.held) == (1, OVERHEAD)


def test_atomic_fragment_is_taken_alone_rfc6946() -> None:
    reassembler = fresh()
    pieces = pieces6(2000, identification=5)
    feed(reassembler, pieces[:1])
    atomic = bytes(IPv6(**V6) / IPv6ExtHdrFragment(id=5, m=0) / UDP(sport=1, dport=2) / Raw(b"abc"))
    assert feed(reassembler, [atomic]) == [bytes(IPv6(**V6) / UDP(sport=1, dport=2) / Raw(b"abc"))]
    assert feed(reassembler, pieces[1:]) == [datagram6(2000)]


def test_what_is_no_fragment_comes_back() -> None:
    for packet in (datagram4(10), datagram6(10)):
        assert feed(fresh(), [packet + b"padding"]) == [packet]


def test_longest_datagrams() -> None:
    whole = udp.Envelope4(b"\xc0\0\2\1", b"\xc0\0\2\2", 1, 2).packet(bytes(udp.PAYLOAD_MAX4), identification=3)
    assert feed(fresh(), fragment4(whole, 1500)) == [whole]
    whole = udp.Envelope6(b"\x20" * 16, b"\x21" * 16, 1, 2).packet(bytes(udp.PAYLOAD_MAX6))
    assert feed(fresh(), fragment6(whole, 1500, 3)) == [whole]


def test_no_datagram_longer_than_a_packet_may_be() -> None:
    reassembler = fresh()
    with pytest.raises(ParseError, match="past the longest datagram"):
        feed(reassembler, [v4_piece(65512, b"x" * 24, False)])
    with pytest.raises(ipv6.HeaderError) as caught:
        feed(reassembler, [v6_piece(65528, b"x" * 8, False)])
    assert (caught.value.code, caught.value.pointer) == (ipv6.ERRONEOUS_FIELD, 42)
    # A first fragment with longer headers than the last one had.
    first = ipv4.build(
        b"\xc0\0\2\1",
        b"\xc0\0\2\2",
        17,
        32760,
        identification=1,
        dont_fragment=False,
        more_fragments=True,
        raw_options=b"\x01" * 40,
    ) + bytes(32760)
    last = v4_piece(32760, b"x" * 32750, False)
    assert feed(reassembler, [last, first]) == []
    assert (reassembler.failed, reassembler.held) == (1, 0)


@pytest.mark.parametrize(("piece", "pointer"), [(v4_piece, None), (v6_piece, 4)])
def test_length_of_all_but_the_last_is_a_multiple_of_8(piece: Any, pointer: int | None) -> None:
    with pytest.raises(ParseError, match="not a multiple of 8") as caught:
        feed(fresh(), [piece(0, b"x" * 23, True)])
    assert getattr(caught.value, "pointer", None) == pointer
    with pytest.raises(ParseError, match="carries nothing"):
        feed(fresh(), [piece(8, b"", False)])


@pytest.mark.parametrize("piece", [v4_piece, v6_piece])
@pytest.mark.parametrize(
    ("seen", "result"),
    [
        ([0, 0], 0),
        ([1, 1], 1),
        ([2, 2], 2),
        ([3, 3], 3),
        ([2, 3], 3),
        ([3, 1], 3),
        ([0, 3], None),
        ([2, 0], None),
        ([0, 1], None),
    ],
)
def test_congestion_marks_rfc3168_section_5_3(piece: Any, seen: list[int], result: int | None) -> None:
    reassembler = fresh()
    packets = [piece(0, b"a" * 8, True, 0x40 | seen[0]), piece(8, b"b" * 8, False, 0x40 | seen[1])]
    done = feed(reassembler, packets)
    if result is None:
        assert (done, reassembler.failed) == ([], 1)
    else:
        whole = done[0]
        tos = ipv4.parse(whole, len(whole)).tos if piece is v4_piece else ipv6.parse(whole, len(whole)).traffic_class
        assert tos == 0x40 | result


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            damaged(v4_piece(8, bytes(16), True)),
            damaged(v6_piece(8, bytes(16), True)),
            st.builds(
                v4_piece,
                st.integers(0, 6).map(lambda n: 8 * n),
                st.sampled_from([bytes(8), bytes(16), b"x" * 8]),
                st.booleans(),
            ),
            st.builds(
                v6_piece,
                st.integers(0, 6).map(lambda n: 8 * n),
                st.sampled_from([bytes(8), bytes(16), b"x" * 8]),
                st.booleans(),
            ),
        ),
        max_size=20,
    )
)
def test_garbage_gives_parse_error_only_and_the_account_balances(packets: list[bytes]) -> None:
    reassembler = fresh(fragment_memory=2_000)
    for packet in packets:
        try:
            reassembler.add(packet, len(packet), 0)
        except ParseError:
            continue
        assert 0 <= reassembler.held <= 2_000
    reassembler.expire(NEVER)
    assert (reassembler.held, reassembler.next_deadline()) == (0, NEVER)
