"""Joining: what leaves as one comes apart again as it was, and what could not stays alone."""

from __future__ import annotations

import itertools
import struct

import pytest

from hythe.wire import gso, udp
from hythe.wire.gro import Load, Run, join, load
from hythe.wire.packet import (
    ABSENT,
    GSO_TCPV4,
    GSO_TCPV6,
    NEEDS_CSUM,
    PARTIAL,
    VERIFIED,
    VNET,
    VNET_PLAIN,
    VNET_SIZE,
    Packet,
)
from hythe.wire.segment import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, Envelope, Envelope4, Envelope6
from tests.link.faults.wires import FAR, FAR6, NEAR, NEAR6

ENVELOPES: dict[int, Envelope] = {4: Envelope4(NEAR, FAR, 40_000, 80), 6: Envelope6(NEAR6, FAR6, 40_000, 80)}
STAMPS = b"\x01\x01\x08\x0a" + bytes(range(8))
BYTES = bytes(range(256)) * 300


def segment(
    seq: int, size: int, step: int = 0, *, version: int = 4, flags: int = ACK, ack: int = 1, options: bytes = STAMPS
) -> Load:
    """One segment, or with `step` a super-segment of such pieces."""
    head = ENVELOPES[version].head(seq, ack, flags, 500, size, step, options)
    (found,) = load(head[VNET_SIZE:] + BYTES[seq : seq + size], len(head) - VNET_SIZE + size, step, PARTIAL)
    return found


def whole(each: Load) -> Run:
    return Run(each, 0, each.count)


def apart(packets: list[bytes]) -> list[bytes]:
    """Packets of a wire, without the identification that means nothing."""
    return [each[:4] + bytes(2) + each[6:10] + bytes(2) + each[12:] if each[0] == 0x45 else each for each in packets]


def pieces(*runs: Run) -> list[bytes]:
    return [run.load.piece(index) for run in runs for index in range(run.first, run.stop)]


def joined(*runs: Run) -> list[int]:
    """How many pieces leave together, having seen that they are the same ones."""
    sizes = []
    cut: list[bytes] = []
    before = pieces(*runs)
    slot = Packet()
    for each in join(runs):
        each.fill(slot)
        found = gso.cut(slot.view, slot.length, slot.gso_size, slot.checksum)
        sizes.append(len(found))
        cut += found
        head, parts = each.send()
        assert b"".join((head[VNET_SIZE:], *parts)) == slot.keep()
    assert apart(cut) == apart(before)
    return sizes


@pytest.mark.parametrize("version", [4, 6])
def test_what_follows_goes_together(version: int) -> None:
    first = segment(0, 3_000, 1_000, version=version)
    second = segment(3_000, 1_000, version=version)
    third = segment(4_000, 2_500, 1_000, version=version, flags=ACK | PSH)
    assert joined(whole(first), whole(second), whole(third)) == [7]
    (one,) = join([whole(first), whole(second), whole(third)])
    head, parts = one.send()
    start = {4: 20, 6: 40}[version]
    kind = GSO_TCPV4 if version == 4 else GSO_TCPV6
    assert VNET.unpack_from(head) == (NEEDS_CSUM, kind, start + 32, 1_000, start, 16)
    assert b"".join(parts) == BYTES[:6_500]


@pytest.mark.parametrize("version", [4, 6])
def test_every_range_of_a_super_segment(version: int) -> None:
    for flags in (ACK, ACK | PSH, ACK | FIN | PSH, ACK | CWR, ACK | CWR | ECE | PSH):
        each = segment(100, 4_100, 1_000, version=version, flags=flags)
        for first, stop in itertools.combinations(range(6), 2):
            assert joined(Run(each, first, stop)) == [stop - first]
        for between in range(1, 5):
            assert joined(Run(each, 0, between), Run(each, between, 5)) == [5]
        assert joined(Run(each, 0, 2), Run(each, 3, 5)) == [2, 2]


def test_datagrams_of_a_batch_stay_together_and_no_others() -> None:
    head = udp.Envelope4(NEAR, FAR, 40_000, 53).head(2_500, 1_000)[VNET_SIZE:]
    (batch,) = load(head + BYTES[:2_500], len(head) + 2_500, 1_000, PARTIAL)
    assert joined(whole(batch)) == [3]
    assert joined(Run(batch, 0, 2)) == [2]
    assert joined(Run(batch, 1, 3), Run(batch, 0, 1)) == [2, 1]
    assert joined(whole(batch), whole(batch)) == [3, 3]


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (segment(0, 1_000), segment(1_001, 1_000)),
        (segment(1_000, 1_000), segment(0, 1_000)),
        (segment(0, 1_000), segment(0, 1_000)),
        (segment(0, 1_000), segment(1_000, 1_000, ack=2)),
        (segment(0, 1_000), segment(1_000, 1_000, flags=ACK | ECE)),
        (segment(0, 1_000), segment(1_000, 1_000, flags=ACK | CWR)),
        (segment(0, 1_000), segment(1_000, 1_000, flags=ACK | URG)),
        (segment(0, 1_000), segment(1_000, 1_000, flags=ACK | RST)),
        (segment(0, 1_000, flags=SYN), segment(1_001, 1_000)),
        (segment(0, 1_000, flags=ACK | PSH), segment(1_000, 1_000)),
        (segment(0, 1_000, flags=ACK | FIN), segment(1_000, 1_000)),
        (segment(0, 1_000), segment(1_000, 1_000, options=STAMPS[:-1] + b"x")),
        (segment(0, 1_000), segment(1_000, 1_000, options=b"")),
        (segment(0, 1_000), segment(1_000, 1_001)),
        (segment(0, 1_000), segment(1_000, 2_000, 900)),
        (segment(0, 2_500, 1_000), segment(2_500, 1_000)),
        (segment(0, 1_000), segment(1_000, 0)),
        (segment(0, 0), segment(0, 1_000)),
        (segment(0, 1_000), segment(1_000, 1_000, version=6)),
        (segment(0, 40_000, 1_000), segment(40_000, 30_000, 1_000)),
        (segment(0, 1_000), Load(segment(1_000, 1_000).piece(0), 0, ABSENT)),
        (segment(0, 1_000), Load(segment(1_000, 1_000).data, 0, PARTIAL, bytes(14))),
    ],
)  # fmt: skip
def test_what_stays_apart(before: Load, behind: Load) -> None:
    assert joined(whole(before), whole(behind)) == [before.count, behind.count]


def test_a_short_piece_is_the_last() -> None:
    assert joined(*(whole(segment(at, size)) for at, size in ((0, 1_000), (1_000, 400), (1_400, 1_000)))) == [2, 1]


def test_sequence_numbers_wrap() -> None:
    head = ENVELOPES[4].head(2**32 - 1_000, 1, ACK, 500, 1_000)[VNET_SIZE:]
    (last,) = load(head + BYTES[:1_000], len(head) + 1_000, 0, PARTIAL)
    assert joined(whole(last), whole(segment(0, 1_000, options=b""))) == [2]


def test_what_may_be_fragmented_keeps_its_identification() -> None:
    data = bytearray(segment(0, 2_000, 1_000).data)
    struct.pack_into(">H", data, 6, 0)
    (one,) = load(bytes(data), len(data), 1_000, PARTIAL)
    (two,) = join([whole(one)])
    assert two.send()[0][VNET_SIZE:] == bytes(data)
    follows = segment(2_000, 1_000)
    assert joined(whole(one), whole(follows)) == [2, 1]
    part, rest = Run(one, 0, 1), Run(one, 1, 2)
    (last,) = join([rest])
    assert last.send()[0][VNET_SIZE + 4 : VNET_SIZE + 6] == b"\0\1"
    assert joined(part, rest) == [1, 1]


def test_verified_packets_are_joined_and_alone_stay_as_they_are() -> None:
    one, two = (Load(segment(at, 1_000).piece(0), 0, VERIFIED) for at in (0, 1_000))
    assert joined(whole(one), whole(two)) == [2]
    (alone,) = join([whole(one)])
    assert alone.send() == (VNET_PLAIN + one.data, [])


def test_urgent_data_is_cut() -> None:
    head = ENVELOPES[4].head(0, 1, ACK | URG, 500, 2_500, 1_000, b"", 1_500)[VNET_SIZE:]
    found = load(head + BYTES[:2_500], len(head) + 2_500, 1_000, PARTIAL)
    assert [each.state for each in found] == [VERIFIED] * 3
    assert joined(*map(whole, found)) == [1, 1, 1]


@pytest.mark.parametrize("gso_size", [0, 1_000])
def test_garbage_passes_and_is_nobodys_word(gso_size: int) -> None:
    (found,) = load(b"\x45garbage", 8, gso_size, PARTIAL)
    assert (found.data, found.state, found.count) == (b"\x45garbage", ABSENT, 1)
    assert joined(whole(found), whole(found)) == [1, 1]
