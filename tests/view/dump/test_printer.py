"""`hythe.view.dump`: line by line what tcpdump prints, for every protocol and option it is held to."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import pytest

from hythe.view.captures import read_capture
from hythe.view.dump.printer import Bytes, Printer
from hythe.view.dump.show import Style
from tests import needs
from tests.view import dnspackets, packets, rarepackets
from tests.view.filter.test_filter import HEADERS

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

KINDS: Final[Mapping[str, Callable[[], list[bytes]]]] = {
    "tcp": packets.tcp_conversation,
    "tcp-six": lambda: packets.tcp_conversation(packets.ETHER / packets.SIX, packets.BACK / packets.SIX_BACK),
    "tcp-options": packets.tcp_options,
    "tcp-broken": packets.tcp_broken,
    "udp": packets.udp,
    "icmp": packets.icmp,
    "fragments": packets.fragments,
    "ipv4": packets.ipv4,
    "ipv6": packets.ipv6,
    "icmpv6": packets.icmpv6,
    "arp": packets.arp,
    "ethernet": packets.ethernet,
    "dns-udp": dnspackets.over_udp,
    "dns-tcp": dnspackets.over_tcp,
    "igmp": rarepackets.igmp,
    "gre": rarepackets.gre,
    "nodes": rarepackets.nodes,
    "mptcp": rarepackets.mptcp,
    "routes": rarepackets.routes,
    "extended-errors": rarepackets.extended_errors,
}
OPTIONS: Final = ("", "-v", "-vv", "-vvv", "-e", "-e -v", "-S", "-q", "-q -e", "-K -v")


def theirs(path: Path, *words: str) -> list[str]:
    command = [needs.program("tcpdump"), "-n", *words, "-r", str(path)]
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode("latin-1").split("\n")[:-1]


def ours(path: Path, *words: str) -> list[str]:
    style = Style(
        verbose=sum(word.count("v") for word in words if word[1:2] == "v"),
        link="-e" in words,
        absolute="-S" in words,
        quick="-q" in words,
        unchecked="-K" in words,
    )
    shown = {letter: sum(word.count(letter) for word in words if word[1:2] == letter) for letter in ("x", "X", "A", "t")}
    below = Bytes(shown["x"], shown["X"], shown["A"])
    printer = Printer(style, stamp=shown["t"], shown=below, nano="--nano" in words, numbered="-#" in words)
    return "\n".join(printer.text(packet) for packet in read_capture(str(path))).split("\n")


@pytest.mark.parametrize("kind", KINDS)
def test_lines_are_tcpdumps(tmp_path: Path, kind: str) -> None:
    path = packets.write_pcap(tmp_path / "a.pcap", KINDS[kind]())
    for options in OPTIONS:
        words = options.split()
        assert ours(path, *words) == theirs(path, *words), options


@pytest.mark.parametrize(
    "options", ["-x", "-xx", "-X", "-XX", "-A", "-AA", "-x -v", "-# -t", *("-" + "t" * n for n in range(1, 6))]
)
def test_bytes_times_and_numbers_are_tcpdumps(tmp_path: Path, options: str) -> None:
    frames = packets.udp()[:4] + packets.arp()[:2] + packets.tcp_conversation()[:4] + packets.ethernet()[:3]
    for nano in (False, True):
        path = packets.write_pcap(tmp_path / "a.pcap", frames, nano=nano)
        for more in ([], ["--nano"]):
            assert ours(path, *options.split(), *more) == theirs(path, *options.split(), *more)


@pytest.mark.parametrize("linktype", sorted(HEADERS))
def test_every_link_type(tmp_path: Path, linktype: int) -> None:
    four, six = HEADERS[linktype]
    frames = [
        bytes.fromhex(four) + frame[14:] for frame in packets.tcp_conversation()[:5] + packets.udp()[:1] if four is not None
    ]
    if six is not None:
        frames += [bytes.fromhex(six) + frame[14:] for frame in packets.icmpv6()[:5] + packets.ipv6()[:5]]
    frames += [frames[0][:size] for size in (1, 3, 4, 10, 15, 19, 30)]
    if linktype in (113, 276) and four is not None:
        frames += [bytes.fromhex(four).replace(b"\x08\0", kind) + packets.arp()[0][14:] for kind in (b"\x08\6", b"\x12\x34")]
    if linktype in (0, 108):
        frames += [struct.pack(order + "I", family) + frames[0][4:] for order in "<>" for family in (2, 77)]
    path = packets.write_pcap(tmp_path / "a.pcap", frames, linktype)
    for options in ("", "-v", "-e", "-q", "-q -e"):
        assert ours(path, *options.split()) == theirs(path, *options.split()), options


def write_records(path: Path, records: list[tuple[bytes, int]]) -> Path:
    """Write what was kept of packets, with the lengths that they had."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    parts = (struct.pack("<IIII", 1_700_000_000, 0, len(data), length) + data for data, length in records)
    path.write_bytes(head + b"".join(parts))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_packets_of_which_the_capture_kept_a_part(tmp_path: Path, kind: str, rng: Random) -> None:
    """Cut at random places, with the length they had."""
    frames = [(frame[: rng.randrange(14, len(frame) + 1)], len(frame)) for frame in KINDS[kind]() for _ in range(3)]
    path = write_records(tmp_path / "a.pcap", frames)
    for options in ("", "-e", "-q", "-v", "-vv", "-x", "-v -A"):
        assert ours(path, *options.split()) == theirs(path, *options.split()), options


#: Packets -> where their first byte is that may be changed: behind whatever says which protocol is to be told, since of
#: others tcpdump tells what is not told here.
CHANGED: Final[Mapping[str, int]] = {
    "tcp-options": 54,
    "mptcp": 54,
    "arp": 20,
    "icmpv6": 58,
    "nodes": 54,
    "dns-udp": 62,
    "dns-tcp": 62,
}


def changed(frame: bytes, first: int, rng: Random) -> tuple[bytes, int]:
    """Return a frame with other bytes here and there, sometimes cut off, and its length."""
    data = bytearray(frame)
    for _ in range(rng.randrange(5)):
        if len(data) > first:
            place = rng.randrange(first, len(data))
            old = data[place]
            data[place] = rng.choice((0, 1, 8, 0x7F, 0x80, 0xC0, 0xFF, old ^ 1 << rng.randrange(8), rng.randrange(256)))
    kept = rng.randrange(14, len(data) + 1) if rng.random() < 0.3 else len(data)
    return bytes(data[:kept]), len(data)


def compare_changed(path: Path, kind: str, rng: Random, rounds: int) -> None:
    frames = [changed(frame, CHANGED[kind], rng) for frame in KINDS[kind]() for _ in range(rounds)]
    write_records(path, frames)
    for options in ("-t", "-t -v", "-t -vv -e", "-t -vvv"):
        assert ours(path, *options.split()) == theirs(path, *options.split()), options


@pytest.mark.parametrize("kind", CHANGED)
def test_packets_with_other_bytes_in_them(tmp_path: Path, kind: str, rng: Random) -> None:
    """However wrong a packet is, what is said of it is what tcpdump says."""
    compare_changed(tmp_path / "a.pcap", kind, rng, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHANGED)
def test_many_packets_with_other_bytes_in_them(tmp_path: Path, kind: str, rng: Random) -> None:
    for _ in range(5):
        compare_changed(tmp_path / "a.pcap", kind, rng, 100)


def test_nothing_that_a_packet_can_hold_breaks_the_printer(rng: Random) -> None:
    """Every packet, changed in a few places and cut: some text comes out, and nothing else."""
    from hythe.wire.pcapng import CapturedPacket, Interface

    interface = Interface("", 1, 0, 1_000_000)
    printers = [Printer(Style(verbose=verbose, link=link)) for verbose in (0, 3) for link in (False, True)]
    for frame in [*packets.everything(), *dnspackets.over_udp(), *dnspackets.over_tcp()]:
        for _ in range(4):
            data = bytearray(frame)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xC0, 0xFF, rng.randrange(256)))
            data = data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data
            packet = CapturedPacket(interface, 0, bytes(data), len(data))
            assert all(printer.text(packet) for printer in printers)
