"""`hythe.wire.pcapng`: what it writes tshark, tcpdump, scapy and its own reader read; both byte orders; garbage."""

from __future__ import annotations

import io
import json
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw
from scapy.utils import PcapNgReader, PcapNgWriter

from hythe.errors import ParseError
from hythe.wire import pcapng
from hythe.wire.pcapng import INBOUND, OUTBOUND, CapturedPacket, Interface, Writer
from tests import needs
from tests.wire.strategies import damaged

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000_123_456_789
PACKETS = [bytes(IP(src="192.0.2.1", dst="192.0.2.2", id=n) / UDP(sport=n, dport=53) / Raw(b"x" * n)) for n in range(5)]


def capture() -> bytes:
    file = io.BytesIO()
    writer = Writer(file, os="an operating system", comment="a section")
    interface = writer.add_interface("guest0", description="as seen by the command")
    for number, packet in enumerate(PACKETS):
        writer.packet(
            interface,
            NOW + number,
            packet,
            direction=INBOUND if number % 2 else OUTBOUND,
            comment=f"packet {number}" if number == 3 else "",
        )
    return file.getvalue()


def test_own_reader_reads_what_was_written() -> None:
    read = list(pcapng.read(capture()))
    interface = Interface("guest0", pcapng.LINKTYPE_RAW, 0, 1_000_000_000)
    assert read == [
        CapturedPacket(
            interface, NOW + number, packet, len(packet), 1 if number % 2 else 2, "packet 3" if number == 3 else ""
        )
        for number, packet in enumerate(PACKETS)
    ]


def test_tshark_reads_what_was_written(tmp_path: Path) -> None:
    tshark = needs.program("tshark")
    path = tmp_path / "capture.pcapng"
    path.write_bytes(capture())
    fields = [
        "frame.time_epoch",
        "frame.len",
        "frame.interface_name",
        "frame.comment",
        "ip.id",
        "udp.srcport",
        "udp.checksum.status",
        "frame.packet_flags_direction",
    ]
    arguments = [word for name in fields for word in ("-e", name)]
    run = subprocess.run(
        [tshark, "-r", str(path), "-T", "json", "-o", "udp.check_checksum:TRUE", *arguments],
        capture_output=True,
        check=True,
        timeout=60,
    )
    seen = [frame["_source"]["layers"] for frame in json.loads(run.stdout)]
    assert len(seen) == len(PACKETS)
    for number, layers in enumerate(seen):
        assert layers["frame.time_epoch"] == [f"1700000000.{123_456_789 + number}"]
        assert layers["frame.len"] == [str(len(PACKETS[number]))]
        assert layers["frame.interface_name"] == ["guest0"]
        assert layers["udp.srcport"] == [str(number)]
        assert layers["udp.checksum.status"] == ["1"]
        assert layers.get("frame.comment") == (["packet 3"] if number == 3 else None)
        assert int(layers["frame.packet_flags_direction"][0], 0) == (1 if number % 2 else 2)


def test_tcpdump_reads_what_was_written(tmp_path: Path) -> None:
    tcpdump = needs.program("tcpdump")
    path = tmp_path / "capture.pcapng"
    path.write_bytes(capture())
    run = subprocess.run([tcpdump, "-n", "-r", str(path), "udp"], capture_output=True, check=True, timeout=60, text=True)
    assert run.stdout.count("192.0.2.1") == len(PACKETS)


def test_scapy_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(capture())
    with PcapNgReader(str(path)) as reader:
        assert [bytes(packet) for packet in reader] == PACKETS


def test_what_scapy_writes_we_read(tmp_path: Path) -> None:
    path = tmp_path / "scapy.pcapng"
    with PcapNgWriter(str(path)) as writer:
        for number, packet in enumerate(PACKETS):
            layers = IP(packet)
            layers.time = 1_700_000_000 + number
            writer.write(layers)
    read = list(pcapng.read(path.read_bytes()))
    assert [packet.data for packet in read] == PACKETS
    assert [packet.timestamp // 1_000_000_000 for packet in read] == [1_700_000_000 + n for n in range(5)]


def block(order: str, kind: int, body: bytes) -> bytes:
    total = 12 + len(body)
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)


def section(order: str, resolution: int | None, ticks: int, data: bytes) -> bytes:
    described = b"" if resolution is None else struct.pack(order + "HHBxxxHH", 9, 1, resolution, 0, 0)
    packet = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), 99)
    return b"".join(
        (
            block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
            block(order, 1, struct.pack(order + "HHI", 1, 0, 77) + described),
            block(order, 5, bytes(12)),  # interface statistics: not ours, skipped
            block(order, 6, packet + data + bytes(-len(data) % 4) + struct.pack(order + "HHIHH", 2, 4, 1, 0, 0)),
        )
    )


@pytest.mark.parametrize(
    ("resolution", "ticks", "nanoseconds"),
    [
        (None, 1_000_000, 10**9),
        (9, 7, 7),
        (3, 1500, 15 * 10**8),
        (0, 2, 2 * 10**9),
        (0x80 | 1, 3, 15 * 10**8),
    ],
)
def test_both_byte_orders_and_all_resolutions(resolution: int | None, ticks: int, nanoseconds: int) -> None:
    file = section(">", resolution, ticks, b"hello") + section("<", resolution, ticks, b"world!")
    read = list(pcapng.read(file))
    assert [(packet.data, packet.length, packet.timestamp, packet.flags) for packet in read] == [
        (b"hello", 99, nanoseconds, 1),
        (b"world!", 99, nanoseconds, 1),
    ]
    assert [packet.interface.snaplen for packet in read] == [77, 77]


def test_data_in_pieces_and_cut_short() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    writer.add_interface("a", snaplen=4)
    second = writer.add_interface("b", pcapng.LINKTYPE_ETHERNET)
    writer.packet(second, 1, [b"ab", memoryview(b"cde"), bytearray(b"f")], length=100)
    writer.packet(0, 2, memoryview(b"xyz"))
    writer.flush()
    read = list(pcapng.read(file.getvalue()))
    assert [(packet.interface.name, packet.data, packet.length) for packet in read] == [
        ("b", b"abcdef", 100),
        ("a", b"xyz", 3),
    ]
    with pytest.raises(ValueError, match="interface 2 of the capture was never added"):
        writer.packet(2, 0, b"")


def test_overlong_text_is_cut_between_characters() -> None:
    file = io.BytesIO()
    writer = Writer(file)
    writer.add_interface("guest0")
    writer.packet(0, 0, b"", comment="€" * 30_000)
    [packet] = pcapng.read(file.getvalue())
    assert packet.comment == "€" * 21_845


def test_names_secrets_and_statistics_stand_between_packets(tmp_path: Path) -> None:
    """Our reader passes them by; capinfos and tshark know them."""
    file = io.BytesIO()
    writer = Writer(file)
    interface = writer.add_interface("guest0")
    writer.names([])
    writer.names([(bytes((192, 0, 2, 1)), "one.test"), (bytes(15) + b"\1", "six.test"), (bytes(4), "")])
    writer.packet(interface, NOW, PACKETS[0])
    writer.secrets(b"CLIENT_RANDOM 00 11\n")
    writer.names([(bytes((192, 0, 2, 2)), "two.test")])
    writer.packet(interface, NOW + 1, PACKETS[1])
    writer.statistics(interface, NOW + 2, 7, 5)
    assert [each.data for each in pcapng.read(file.getvalue())] == PACKETS[:2]
    path = tmp_path / "capture.pcapng"
    path.write_bytes(file.getvalue())
    words = [
        needs.program("tshark"),
        "-2",
        "-r",
        str(path),
        "-N",
        "n",
        "-T",
        "fields",
        "-e",
        "ip.src_host",
        "-e",
        "ip.dst_host",
    ]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[1] == "one.test\ttwo.test"
    ran = subprocess.run([needs.program("capinfos"), str(path)], capture_output=True, text=True, timeout=60, check=True)
    assert "Number of packets:   2" in ran.stdout
    assert "Number of decryption secrets in file: 1" in ran.stdout


def test_what_is_not_understood_is_handed_on() -> None:
    """Names, secrets, blocks and options that nobody here knows; several comments; not the counts of an interface."""
    first = io.BytesIO()
    writer = Writer(first)
    writer.add_interface("guest0")
    writer.block(4, b"names   ")
    writer.packet(0, NOW, PACKETS[1], comment="one", options=[(1, b"two"), (0x8001, b"1234"), (2988, b"abcde")])
    writer.statistics(0, NOW, 1, 0)
    writer.block(0x0BAD, b"custom block")
    others: list[tuple[int, bytes]] = []
    reader = pcapng.Reader(others)
    (packet,) = reader.feed(first.getvalue())
    assert [each.name for each in reader.interfaces] == ["guest0"]
    assert others == [(4, b"names   "), (0x0BAD, b"custom block")]
    assert packet.comment == "one\ntwo"
    assert packet.options == ((0x8001, b"1234"), (2988, b"abcde"))
    second = io.BytesIO()
    writer = Writer(second)
    writer.add_interface("guest0")
    for each in others:
        writer.block(*each)
    writer.packet(0, NOW, packet.data, comment=packet.comment, options=packet.options)
    again: list[tuple[int, bytes]] = []
    assert list(pcapng.Reader(again).feed(second.getvalue())) == [packet]
    assert again == others


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"\xd4\xc3\xb2\xa1" + data, "not a pcapng file"),
        (lambda data: data[:8] + b"abcd" + data[12:], "section at byte 0 has no byte-order magic"),
        (lambda data: data[:-1], r"pcapng block at byte \d+ has length"),
        (lambda data: data + b"\6\0\0\0", r"pcapng block at byte \d+ is cut off"),
        (lambda data: data[:4] + b"\7\0\0\0" + data[8:], "pcapng block at byte 0 has length 7"),
        (lambda data: data + block("<", 6, bytes(16)), r"packet at byte \d+ is cut off"),
        (lambda data: data + block("<", 1, bytes(4)), r"interface at byte \d+ is cut off"),
        (lambda data: data + block("<", 6, struct.pack("<IIIII", 1, 0, 0, 0, 0)), "names interface 1 and 0 bytes"),
        (lambda data: data + block("<", 6, struct.pack("<IIIII", 0, 0, 0, 9, 9)), "names interface 0 and 9 bytes"),
        (lambda data: data + block("<", 1, bytes(8) + b"\2\0\x09\0abcd"), r"option 2 of the block at byte \d+ is cut off"),
    ],
)
def test_damage_is_named(damage, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParseError, match=message):
        list(pcapng.read(damage(capture())))


@given(st.one_of(st.binary(max_size=60), damaged(section("<", 9, 5, b"hello")), damaged(section(">", 9, 5, b"hello"))))
def test_garbage_gives_parse_error_only(data: bytes) -> None:
    try:
        packets = list(pcapng.read(data))
    except ParseError:
        return
    assert len(packets) <= len(data) // 32


@pytest.mark.parametrize("direction", [0, INBOUND])
def test_packets_of_one_moment_are_written_as_one_by_one(direction: int) -> None:
    several, one = io.BytesIO(), io.BytesIO()
    pieces = [bytes(1_000), bytes(1_000), b"abc", b"", b"abcd", b"efgh"]
    writer, other = Writer(several), Writer(one)
    writer.packets(writer.add_interface("a"), 1 << 40, pieces, direction=direction)
    index = other.add_interface("a")
    for piece in pieces:
        other.packet(index, 1 << 40, piece, direction=direction)
    assert several.getvalue() == one.getvalue()
    with pytest.raises(ValueError, match="never added"):
        writer.packets(7, 0, pieces)
