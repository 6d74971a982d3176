"""One direction: when packets come out, and in which shape."""

from __future__ import annotations

from hythe.link.faults import Direction, Plan, RandomLoss
from hythe.link.faults.direction import HELD_MOST
from hythe.units import MILLISECOND, NEVER, SECOND
from hythe.wire.gro import Load
from hythe.wire.packet import ABSENT, VERIFIED
from tests.link.faults.wires import datagram, drain, number, numbers, passed, take

MANY = 5_000


def packets(count: int = MANY) -> list[bytes]:
    return [datagram(each) for each in range(count)]


def test_a_wire_without_faults_is_a_wire() -> None:
    assert passed(Plan(), packets(10), every=5) == [(5 * index, packet) for index, packet in enumerate(packets(10))]


def test_delay() -> None:
    found = passed(Plan(delay=50 * MILLISECOND), packets(10), every=MILLISECOND)
    assert [at for at, _ in found] == [(50 + each) * MILLISECOND for each in range(10)]


def test_jitter_is_uniform_and_overtakes_nobody() -> None:
    plan = Plan(delay=10 * MILLISECOND, jitter=20 * MILLISECOND)
    found = passed(plan, packets(), every=SECOND)
    waits = sorted(at - index * SECOND for index, (at, _) in enumerate(found))
    assert 10 * MILLISECOND <= waits[0] < 11 * MILLISECOND
    assert 19 * MILLISECOND < waits[MANY // 2] < 21 * MILLISECOND
    assert 29 * MILLISECOND < waits[-1] < 30 * MILLISECOND
    assert numbers(plan, packets(), every=MILLISECOND) == list(range(MANY))


def test_reorder_lets_others_pass() -> None:
    found = numbers(Plan(reorder=0.05, reorder_by=3 * MILLISECOND), packets(), every=MILLISECOND)
    late = [each for index, each in enumerate(found) if any(other > each for other in found[max(0, index - 4) : index])]
    assert sorted(found) == list(range(MANY))
    assert 0.04 < len(late) / MANY < 0.06
    assert all(found.index(each) - each <= 3 for each in late)


def test_duplicates_follow_their_originals() -> None:
    found = numbers(Plan(duplicate=0.1), packets())
    twice = [each for each in range(MANY) if found.count(each) == 2] if len(found) < 2 * MANY else []
    assert found == sorted(found)
    assert len(found) == MANY + len(twice)
    assert 0.085 < len(twice) / MANY < 0.115


def test_corruption_flips_exactly_one_bit_anywhere() -> None:
    originals = packets()
    way = Direction(Plan(corrupt=0.5), 1, up=True)
    for packet in originals:
        way.submit(Load(packet, 0, VERIFIED), 0)
    changed, places = 0, set()
    for original, (packet, checksum) in zip(originals, take(way, 0), strict=True):
        difference = int.from_bytes(original) ^ int.from_bytes(packet)
        if difference:
            assert (difference.bit_count(), checksum) == (1, ABSENT)  # nobody vouches for it any more
            changed += 1
            places.add(difference.bit_length())
        else:
            assert checksum == VERIFIED
    assert changed == way.tally.corrupted
    assert 0.47 < changed / MANY < 0.53
    assert len(places) > 0.9 * 8 * len(originals[0])


def test_what_is_too_long_vanishes() -> None:
    found = numbers(Plan(mtu=1_280), [datagram(each, 1_275 + each) for each in range(10)])
    assert found == [0, 1, 2, 3, 4, 5]


def test_a_lost_packet_has_taken_its_time() -> None:
    plan = Plan(rate=800_000, loss=RandomLoss(0.5), queue_packets=1_000)
    assert {at // MILLISECOND for at, _ in passed(plan, packets(100))} == {each + 1 for each in numbers(plan, packets(100))}


def test_no_more_is_held_than_there_is_memory() -> None:
    way = Direction(Plan(delay=SECOND), 1, up=True)
    packet = datagram(0, 60_000)
    for _ in range(2 * HELD_MOST // len(packet)):
        way.submit(Load(packet), 0)
    assert abs(len(way) * len(packet) - HELD_MOST) <= 2 * len(packet)
    assert way.tally.dropped + len(way) == way.tally.arrived
    assert len(drain(way)) == way.tally.passed
    way.submit(Load(packet), 2 * SECOND)
    assert len(way) == 1


def test_take_gives_as_many_as_asked_for() -> None:
    way = Direction(Plan(delay=5), 1, up=True)
    for packet in packets(10):
        way.submit(Load(packet), 0)
    assert way.next_deadline() == 5
    assert take(way, 4) == []
    assert [number(packet) for packet, _ in take(way, 5, 7)] == list(range(7))
    assert way.next_deadline() == 5
    assert [number(packet) for packet, _ in take(way, 9, 7)] == [7, 8, 9]
    assert way.next_deadline() == NEVER


def test_every_packet_is_accounted_for() -> None:
    way = Direction(Plan(loss=RandomLoss(0.2), duplicate=0.2, rate=10**9, queue_packets=500, mtu=1_400), 1, up=True)
    for each in range(MANY):
        way.submit(Load(datagram(each, 1_500 if each % 10 == 0 else 100)), each)
    drain(way)
    tally = way.tally
    assert all((tally.lost, tally.dropped, tally.too_long, tally.doubled))
    assert tally.arrived == MANY
    assert tally.passed - tally.doubled + tally.lost + tally.dropped + tally.too_long == MANY
