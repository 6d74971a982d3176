"""Packets joined as they come out: cut again, they are the same."""

from __future__ import annotations

import random

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from hythe.tunnel.wireguard.joining import Joiner
from hythe.wire import gso
from hythe.wire.packet import ABSENT, PARTIAL


def segments(six: bool, sizes: list[int], seq: int = 1_000, **fields: object) -> list[bytes]:
    """TCP segments in a row, of these payload sizes."""
    made = []
    for number, size in enumerate(sizes):
        network = IPv6(src="fd00::1", dst="fd00::2") if six else IP(src="10.0.0.1", dst="10.0.0.2", flags="DF", id=number)
        flags = "PA" if number == len(sizes) - 1 else "A"
        given = {"flags": flags, "seq": seq & 0xFFFFFFFF, "options": [("Timestamp", (5, 6))], **fields}
        made.append(bytes(network / TCP(sport=1, dport=2, ack=9, **given) / random.Random(seq).randbytes(size)))
        seq += size
    return made


def joined(packets: list[bytes], most: int = 32) -> list[tuple[int, int, list[bytes]]]:
    """What comes out: (pieces' size, checksum, cut again)."""
    joiner = Joiner(most)
    joiner.begin(most)
    for each in packets:
        if not joiner.join(each, len(each)):
            joiner.add(each)
    found = []
    for slot in joiner.finish():
        whole = slot.keep()
        pieces = gso.cut(whole, len(whole), slot.gso_size, slot.checksum) if slot.gso_size else [whole]
        found.append((slot.gso_size, slot.checksum, pieces))
    return found


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("sizes", [[100, 100, 100], [100, 100, 37], [1_368] * 40, [1, 1], [501, 501, 499]])
def test_a_row_becomes_one(six: bool, sizes: list[int]) -> None:
    packets = segments(six, sizes)
    ((size, checksum, pieces),) = joined(packets)
    assert (size, checksum) == (sizes[0], PARTIAL)
    assert pieces == packets


@pytest.mark.parametrize("six", [False, True])
def test_sequence_numbers_wrap(six: bool) -> None:
    packets = segments(six, [100] * 5, seq=(1 << 32) - 250)
    ((_, _, pieces),) = joined(packets)
    assert pieces == packets


def test_a_super_segment_is_no_longer_than_a_packet_can_be() -> None:
    packets = segments(False, [1_368] * 60)
    found = joined(packets)
    assert len(found) == 2
    assert [piece for _, _, pieces in found for piece in pieces][:40] == packets[:40]


OTHERS = {
    "a gap": lambda: segments(False, [100]) + segments(False, [100], seq=1_101),
    "the same again": lambda: segments(False, [100]) * 2,
    "a longer one": lambda: segments(False, [100, 100])[:1] + segments(False, [101], seq=1_100),
    "one behind a push": lambda: segments(False, [100]) + segments(False, [100], seq=1_100),
    "another window": lambda: segments(False, [100, 1])[:1] + segments(False, [100], seq=1_100, window=77),
    "another time": lambda: (
        segments(False, [100, 1])[:1] + segments(False, [100], seq=1_100, options=[("Timestamp", (7, 6))])
    ),
    "a reset": lambda: segments(False, [100, 1])[:1] + segments(False, [100], seq=1_100, flags="RA"),
    "urgent": lambda: segments(False, [100, 1])[:1] + segments(False, [100], seq=1_100, flags="UA", urgptr=3),
    "nothing": lambda: segments(False, [0, 0]),
    "UDP": lambda: [bytes(IP(src="10.0.0.1", dst="10.0.0.2", flags="DF") / UDP(sport=1, dport=2) / bytes(100))] * 2,
    "two families": lambda: segments(False, [100, 1])[:1] + segments(True, [100], seq=1_100),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_does_not_continue_stays_alone(case: str) -> None:
    packets = OTHERS[case]()
    found = joined(packets)
    assert [pieces for _, _, pieces in found] == [[each] for each in packets]
    assert {checksum for _, checksum, _ in found} == {ABSENT}


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("size", [100, 101, 1_368])
@pytest.mark.parametrize("which", [0, 1, 3])
@pytest.mark.parametrize("at", [-1, 45, 20])
def test_a_wrong_checksum_is_left_for_the_host_to_see(six: bool, size: int, which: int, at: int) -> None:
    """Whoever sealed it may have had it from a wire."""
    packets = segments(six, [size] * 4)
    broken = bytearray(packets[which])
    broken[at] ^= 4
    packets[which] = bytes(broken)
    found = joined(packets)
    assert [piece for _, _, pieces in found for piece in pieces] == packets
    assert ([bytes(broken)], ABSENT) in [(pieces, checksum) for _, checksum, pieces in found]


def test_broken_packets_come_one_by_one_and_wait_for_slots() -> None:
    packets = segments(False, [100] * 10)
    packets[4] = packets[4][:-1] + bytes([packets[4][-1] ^ 1])
    joiner = Joiner(4)
    found: list[bytes] = []
    joiner.begin(3)
    for each in packets:
        assert joiner.join(each, len(each)) or not joiner.add(each)  # type: ignore[func-returns-value]
    while True:
        found += [slot.keep() for slot in joiner.finish()]
        if not joiner.full:
            break
        joiner.begin(3)
    assert found == packets


def test_what_finds_no_slot_is_the_first_next_time() -> None:
    packets = segments(False, [100]) + segments(False, [50], seq=5_000)
    joiner = Joiner(4)
    joiner.begin(1)
    for each in packets:
        assert not joiner.join(each, len(each))
        joiner.add(each)
    assert joiner.full
    assert [slot.keep() for slot in joiner.finish()] == packets[:1]
    joiner.begin(1)
    assert not joiner.full
    assert [slot.keep() for slot in joiner.finish()] == packets[1:]
