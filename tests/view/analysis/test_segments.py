"""Segments are read from every kind of link, by what their headers say, however little of them was kept."""

from __future__ import annotations

import dataclasses
import struct

import pytest

from hythe.errors import MachineError
from hythe.view.analysis.conversation import Conversations
from hythe.view.analysis.segments import segments
from hythe.view.analysis.words import report
from hythe.wire import pcapng
from hythe.wire.pcapng import CapturedPacket, Interface

ETHERNET = bytes(12)
NEAR, FAR = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
NEAR6, FAR6 = bytes.fromhex("20010db8") + bytes(11) + b"\1", bytes.fromhex("20010db8") + bytes(11) + b"\2"


def tcp(
    seq: int = 1, flags: int = 0x10, size: int = 100, options: bytes = b"", ports: tuple[int, int] = (4_000, 80)
) -> bytes:
    head = struct.pack(">HHIIBBHHH", *ports, seq, 7, (20 + len(options)) << 2, flags, 512, 0, 0)
    return head + options + bytes(size)


def ip4(payload: bytes, total: int | None = None, fragment: int = 0, source: bytes = NEAR, target: bytes = FAR) -> bytes:
    length = 20 + len(payload) if total is None else total
    return struct.pack(">BBHHHBBH", 0x45, 0, length, 9, fragment, 64, 6, 0) + source + target + payload


def ip6(payload: bytes, following: int = 6) -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + NEAR6 + FAR6 + payload


def packet(data: bytes, linktype: int, length: int | None = None, time: int = 0) -> CapturedPacket:
    return CapturedPacket(Interface("a", linktype, 0, 10**9), time, data, len(data) if length is None else length)


LINKS = {
    "raw": (pcapng.LINKTYPE_RAW, b""),
    "ethernet": (pcapng.LINKTYPE_ETHERNET, ETHERNET + b"\x08\x00"),
    "vlan": (pcapng.LINKTYPE_ETHERNET, ETHERNET + b"\x81\x00\x00\x07\x08\x00"),
    "qinq": (pcapng.LINKTYPE_ETHERNET, ETHERNET + b"\x88\xa8\x00\x01\x81\x00\x00\x07\x08\x00"),
    "cooked": (pcapng.LINKTYPE_LINUX_SLL, bytes(14) + b"\x08\x00"),
    "cooked2": (pcapng.LINKTYPE_LINUX_SLL2, b"\x08\x00" + bytes(18)),
    "null": (pcapng.LINKTYPE_NULL, b"\2\0\0\0"),
}


@pytest.mark.parametrize("link", LINKS)
def test_every_link(link: str) -> None:
    linktype, head = LINKS[link]
    (found,) = segments([packet(head + ip4(tcp()), linktype)])
    assert (found.source, found.destination) == (NEAR + b"\x0f\xa0", FAR + b"\0\x50")
    assert (found.seq, found.ack, found.size, found.window) == (1, 7, 100, 512)


@pytest.mark.parametrize("extension", [b"", b"\x06\x00" + bytes(6), b"\x06\x01" + bytes(14)], ids=["none", "8", "16"])
def test_ipv6_with_extension_headers(extension: bytes) -> None:
    (found,) = segments([packet(ip6(extension + tcp(), 60 if extension else 6), pcapng.LINKTYPE_RAW)])
    assert found.size == 100
    assert found.source == NEAR6 + b"\x0f\xa0"


def test_a_cut_packet_has_its_size_from_the_ip_header() -> None:
    (found,) = segments([packet(ip4(tcp(size=1_000))[:54], pcapng.LINKTYPE_RAW, 1_040)])
    assert found.size == 1_000


def test_a_super_segment_without_a_length() -> None:
    data = ip4(tcp(size=70_000), total=0)
    (found,) = segments([packet(data, pcapng.LINKTYPE_RAW)])
    assert found.size == 70_000


def test_padding_of_short_frames_is_no_text() -> None:
    data = ETHERNET + b"\x08\x00" + ip4(tcp(size=0)) + bytes(6)
    (found,) = segments([packet(data, pcapng.LINKTYPE_ETHERNET)])
    assert found.size == 0


@pytest.mark.parametrize(
    "data",
    [b"", ip4(tcp())[:30], ip4(tcp(), fragment=5), ip4(b"\0" * 20), bytes(40), ip6(tcp(), 17)],
    ids=["empty", "cut", "fragment", "offset", "nothing", "udp"],
)
def test_what_is_no_segment_is_passed_over(data: bytes) -> None:
    assert not list(segments([packet(data, pcapng.LINKTYPE_RAW)]))


def test_numbers_count_all_packets() -> None:
    both = [packet(ip6(b"", 17), pcapng.LINKTYPE_RAW), packet(ip4(tcp()), pcapng.LINKTYPE_RAW)]
    assert [each.number for each in segments(both)] == [2]


def test_an_unknown_link_is_told() -> None:
    with pytest.raises(MachineError, match="link type 147 cannot be analysed"):
        list(segments([packet(bytes(60), 147)]))


def test_ports_that_are_used_again_make_two_conversations() -> None:
    syns = [packet(ip4(tcp(seq, 2, 0)), pcapng.LINKTYPE_RAW, time=time) for time, seq in enumerate((5, 5, 900_000))]
    found = Conversations().read(syns).all
    assert [each.packets for each in found] == [2, 1]


def test_without_the_handshake_positions_begin_at_what_was_seen_first() -> None:
    there = [packet(ip4(tcp(1_000 + 100 * each)), pcapng.LINKTYPE_RAW, time=each) for each in range(5)]
    (found,) = Conversations({0}).read(there).all
    way = found.ways[0]
    assert (way.octets, way.top, way.resent_count, found.handshake) == (500, 501, 0, False)
    assert way.series is not None
    assert [each[1] for each in way.series.data] == [1, 101, 201, 301, 401]


def test_sequence_numbers_wrap() -> None:
    there = [packet(ip4(tcp(2**32 - 150 + 100 * each & 0xFFFF_FFFF)), pcapng.LINKTYPE_RAW, time=each) for each in range(4)]
    way = Conversations().read(there).all[0].ways[0]
    assert (way.octets, way.top, way.resent_count) == (400, 401, 0)


def test_a_flood_of_connections_takes_bounded_room() -> None:
    flood = (
        packet(ip4(tcp(1, 2, 0, ports=(each % 60_000 + 1, each // 60_000 + 1))), pcapng.LINKTYPE_RAW)
        for each in range(10_050)
    )
    found = Conversations().read(flood)
    assert (len(found.all), found.left_out) == (10_000, 50)


def test_what_the_capture_lacks_is_told() -> None:
    there = [packet(ip4(tcp(1_000 + 100 * each)), pcapng.LINKTYPE_RAW, time=each) for each in (0, 1, 4)]
    head = struct.pack(">HHIIBBHHH", 80, 4_000, 7, 1_500, 0x50, 0x10, 512, 0, 0)
    back = packet(ip4(head, source=FAR, target=NEAR), pcapng.LINKTYPE_RAW, time=9)
    (found,) = Conversations().read([*there, back]).all
    assert found.ways[0].uncaptured == 200
    assert any("the capture lacks 200 B that 192.0.2.2:80 acknowledged" in line for line in report(found))


def test_what_its_sender_says_to_have_sent_again_is_not_lacking() -> None:
    first, again, third = (packet(ip4(tcp(1_000 + 100 * each)), pcapng.LINKTYPE_RAW, time=each) for each in range(3))
    again = dataclasses.replace(again, timestamp=30_000_000, comment="retransmission: lost (time, RFC 8985, 6.2)")
    head = struct.pack(">HHIIBBHHH", 80, 4_000, 7, 1_300, 0x50, 0x10, 512, 0, 0)
    back = packet(ip4(head, source=FAR, target=NEAR), pcapng.LINKTYPE_RAW, time=40_000_000)
    (found,) = Conversations().read([first, third, again, back]).all
    assert (found.ways[0].uncaptured, found.ways[0].resent_count) == (0, 1)
