"""`hythe.wire.pcap`: both byte orders, both units of time, pieces of any size, damage."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

import pytest

from hythe.errors import ParseError
from hythe.wire import pcap
from hythe.wire.pcapng import CapturedPacket, Interface


def capture(order: str = "<", magic: int = 0xA1B2C3D4, linktype: int = 1) -> bytes:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 96, linktype)
    records = [(number, number * 10, bytes([number]) * number * 7, number * 7 + 1) for number in range(5)]
    return head + b"".join(struct.pack(order + "IIII", s, f, len(data), size) + data for s, f, data, size in records)


def packets(data: bytes) -> Iterator[CapturedPacket]:
    reader = pcap.Reader()
    yield from reader.feed(data)
    reader.end()


def read(data: bytes) -> list[CapturedPacket]:
    return list(packets(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1_000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_units(order: str, magic: int, unit: int) -> None:
    interface = Interface("", 101, 96, 10**9 // unit)
    assert read(capture(order, magic, 101 | 0x2C00_0000)) == [
        CapturedPacket(interface, number * 10**9 + number * 10 * unit, bytes([number]) * number * 7, number * 7 + 1)
        for number in range(5)
    ]


def test_pieces_of_any_size(rng: Random) -> None:
    data, whole = capture(), read(capture())
    for _ in range(50):
        reader, at = pcap.Reader(), 0
        found: list[CapturedPacket] = []
        while at < len(data):
            size = rng.randrange(1, 40)
            found += reader.feed(data[at : at + size])
            at += size
        reader.end()
        assert found == whole


@pytest.mark.parametrize(
    ("data", "count", "message"),
    [
        (b"", 0, "header is cut off: it has 24 bytes, 0 are there"),
        (capture()[:20], 0, "header is cut off"),
        (b"abcd" + bytes(40), 0, "not a pcap file: it begins with 61626364"),
        (capture()[:4] + b"\3\0" + capture()[6:], 0, "of version 3"),
        (capture()[:-1], 4, r"record at byte 130 is cut off: it has 28 bytes, 27 are there"),
        (capture()[:140], 4, "record at byte 130 is cut off within its header"),
        (capture() + struct.pack("<IIII", 0, 0, 300_000, 1), 5, "record at byte 174 claims 300000 bytes"),
    ],
)
def test_damage_is_named_after_what_could_be_read(data: bytes, count: int, message: str) -> None:
    found: list[CapturedPacket] = []
    with pytest.raises(ParseError, match=message):
        found.extend(packets(data))
    assert len(found) == count
