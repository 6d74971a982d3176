"""A packet's fate: what depends on the seed and its flow, and what must not."""

from __future__ import annotations

import pytest

from hythe.link.faults import Direction, Plan, RandomLoss
from hythe.link.faults.fate import flip, mark
from hythe.link.faults.flows import FLOWS, Flows
from hythe.wire import ipv4
from hythe.wire.gro import Load
from tests.link.faults.wires import answer, datagram, datagram6, drain, fragment, number, numbers

LOSSY = Plan(loss=RandomLoss(0.3))
EVERYTHING = Plan(jitter=1000, loss=RandomLoss(0.1), reorder=0.1, duplicate=0.1, corrupt=0.0)
HUNDRED = [datagram(each) for each in range(100)]


def test_the_same_seed_decides_the_same() -> None:
    assert numbers(EVERYTHING, HUNDRED, 7) == numbers(EVERYTHING, HUNDRED, 7)
    assert numbers(EVERYTHING, HUNDRED, 7) != numbers(EVERYTHING, HUNDRED, 8)
    assert numbers(LOSSY, HUNDRED, -1) != numbers(LOSSY, HUNDRED, 1)


def test_other_flows_change_nothing() -> None:
    others = [datagram(1000 + each, far_port=443) for each in range(100)]
    mixed = [packet for pair in zip(others, HUNDRED, strict=True) for packet in pair]
    assert [each for each in numbers(LOSSY, mixed) if each < 100] == numbers(LOSSY, HUNDRED)


def test_the_near_port_changes_nothing() -> None:
    """It is another one in each run."""
    assert numbers(LOSSY, [datagram(each, near_port=50_000 + each) for each in range(100)]) == numbers(LOSSY, HUNDRED)


def test_protocol_and_far_end_do() -> None:
    other_port = [datagram(each, far_port=54) for each in range(100)]
    assert numbers(LOSSY, other_port) != numbers(LOSSY, HUNDRED)
    as_tcp = [each[:9] + b"\x06" + each[10:] for each in HUNDRED]
    assert numbers(LOSSY, as_tcp) != numbers(LOSSY, HUNDRED)
    elsewhere = [each[:19] + b"\x08" + each[20:] for each in HUNDRED]
    assert numbers(LOSSY, elsewhere) != numbers(LOSSY, HUNDRED)


def test_the_directions_are_independent() -> None:
    answers = [answer(each) for each in range(100)]
    assert Flows(1, up=False).of(answers[0]).port == Flows(1, up=True).of(HUNDRED[0]).port == 53
    assert numbers(LOSSY, answers, up=False) != numbers(LOSSY, HUNDRED)


def test_one_fault_does_not_move_another() -> None:
    """Which packets are lost stays so when others are doubled."""
    both = Plan(loss=RandomLoss(0.3), duplicate=0.5, jitter=1000, mark=0.5)
    assert list(dict.fromkeys(numbers(both, HUNDRED))) == numbers(LOSSY, HUNDRED)


def test_what_the_queue_drops_shifts_nothing() -> None:
    """Whether there was room depends on the moment; what else happens to a packet does not."""
    narrow = Plan(loss=RandomLoss(0.3), rate=8_000, queue_packets=40)
    assert numbers(narrow, HUNDRED) == [each for each in numbers(LOSSY, HUNDRED) if each <= 40]


def test_fragments_have_no_port() -> None:
    flows = Flows(1, up=True)
    assert flows.of(fragment(0, 0)) is flows.of(fragment(1, 8))
    assert flows.of(fragment(0, 0)).port == 0
    assert flows.of(datagram(0)).port == 53


@pytest.mark.parametrize("garbage", [b"", b"\x45", b"\x60" + bytes(20), b"\xff" * 60, datagram(0)[:21]])
def test_garbage_passes(garbage: bytes) -> None:
    way = Direction(Plan(mark=1.0), 1, up=True)
    way.submit(Load(garbage), 0)
    assert [packet for _, packet in drain(way)] == [garbage]


def test_flows_are_bounded_in_number() -> None:
    flows = Flows(1, up=True)
    first = flows.of(datagram(0, far_port=0))
    for port in range(FLOWS):
        flows.of(datagram(0, far_port=port))
    assert flows.of(datagram(0, far_port=0)) is first
    flows.of(datagram6(0))
    assert flows.of(datagram(0, far_port=0)) is not first


def test_flip_changes_one_bit() -> None:
    packet = datagram(5)
    seen = {flip(packet, bit) for bit in range(8 * len(packet))}
    assert len(seen) == 8 * len(packet)
    assert all((int.from_bytes(packet) ^ int.from_bytes(each)).bit_count() == 1 for each in seen)
    assert flip(b"\x00\x00", 0) == b"\x80\x00"


def test_mark_is_for_those_who_understand_it() -> None:
    """RFC 3168, 5: Not-ECT packets are never marked."""
    assert mark(datagram(0)) is None
    assert mark(datagram6(0)) is None
    for ect in (1, 2):
        marked = mark(datagram(9, tos=0x40 | ect))
        assert marked is not None
        assert ipv4.parse(marked, len(marked)).tos == 0x43  # and parse() has verified the header's checksum
        assert marked[20:] == datagram(9)[20:]
        assert mark(datagram6(9, tos=0x40 | ect)) == datagram6(9, tos=0x43)


def test_mark_marks_its_share() -> None:
    way = Direction(Plan(mark=0.25), 1, up=True)
    for each in range(1_000):
        way.submit(Load(datagram(each, tos=2)), 0)
    found = [packet for _, packet in drain(way)]
    assert [number(packet) for packet in found] == list(range(1_000))
    assert sum(packet[1] == 3 for packet in found) == way.tally.marked
    assert 200 < way.tally.marked < 300


def test_packets_count_also_while_nobody_dices() -> None:
    """A fault that is switched on later finds the flow where it would have been."""
    way = Direction(Plan(), 1, up=True)
    for packet in HUNDRED[:50]:
        way.submit(Load(packet), 0)
    way.plan = LOSSY
    for packet in HUNDRED[50:]:
        way.submit(Load(packet), 0)
    found = [number(packet) for _, packet in drain(way)]
    assert found == list(range(50)) + [each for each in numbers(LOSSY, HUNDRED) if each >= 50]
