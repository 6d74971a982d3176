"""The reckoning of stalls, on virtual time: what is allowed, and that what is not allowed is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hythe.link.faults import NthLoss, Plan
from hythe.units import MILLISECOND, SECOND
from hythe.wire.gro import Load, join, load
from hythe.wire.packet import PARTIAL, VNET_SIZE
from hythe.wire.segment import ACK, FIN, PROTOCOL, SYN, Envelope4, Envelope6
from tests.link.faults.wires import FAR, FAR6, NEAR, NEAR6, datagram
from tests.matrix.silence import DELAYED_ACK, WAY, Clock, Facts, Pulse, Silence, WatchedDirection, facts

RTO = 200 * MILLISECOND
MOST = 3 * RTO
MORE = WAY + DELAYED_ACK
DATA = Facts(1_000, 2_000, 7)


class Still(Pulse):
    """No machine is late on virtual time."""

    @property
    def late(self) -> int:
        return 0


def silence() -> Silence:
    return Silence("A", lambda: Clock(RTO, 0), MOST, Still(), 0)


def in_loop(scenario: Callable[[Silence], None]) -> Silence:
    """One sender whose handshake is done at 0, and what the scenario does with it."""

    async def main() -> Silence:
        one = silence()
        one.sent(Facts(999, 1_000, None), False, 0)
        one.heard(Facts(6, 7, 1_000), 0)
        await asyncio.sleep(0)
        scenario(one)
        return one

    return asyncio.run(main())


def answered(after: int, *tries: tuple[int, bool]) -> Silence:
    """`tries`: (when, was it spoilt?) of the first segment; the ACK comes `after`."""

    def scenario(one: Silence) -> None:
        for at, spoilt in tries:
            one.sent(DATA, spoilt, at)
        one.heard(Facts(7, 7, 2_000), after)

    return in_loop(scenario)


@pytest.mark.parametrize(
    ("tries", "most"),
    [
        ([(0, True)], 2 * RTO + RTO * 2),
        ([(0, False)], 2 * RTO),
        ([(0, True), (RTO, True)], 2 * RTO + 2 * RTO + MOST),
        ([(0, True), (RTO, False)], 2 * RTO + 2 * RTO),
        ([(0, False), (RTO, False), (3 * RTO, False)], 2 * RTO),
    ],
)
def test_what_is_allowed_counts_what_the_wire_spoilt(tries: list[tuple[int, bool]], most: int) -> None:
    just = answered(most + MORE, *tries)
    assert (just.wrong, just.closest) == ([], 1.0)
    (wrong,) = answered(most + MORE + 1, *tries).wrong
    assert wrong.startswith("A made no progress for")


def test_a_lost_answer_spoils_the_try_before_it() -> None:
    def scenario(one: Silence) -> None:
        one.sent(DATA, False, 0)
        one.answer_spoilt()
        one.answer_spoilt()
        one.sent(DATA, False, RTO)
        assert one.allowed() == 2 * RTO + 2 * RTO + MORE

    in_loop(scenario)


def test_other_segments_are_no_tries_and_no_progress() -> None:
    def scenario(one: Silence) -> None:
        one.sent(DATA, False, 0)
        one.sent(Facts(2_000, 3_000, 7), True, 0)  # behind the first
        one.sent(Facts(1_000, 1_000, 7), True, 0)  # no text
        one.heard(Facts(7, 7, 1_000), SECOND)  # nothing new
        assert one.allowed() == 2 * RTO + MORE
        one.heard(Facts(7, 7, 1_500), 3 * SECOND)  # a part of it
        assert len(one.wrong) == 1
        one.sent(DATA, True, 3 * SECOND)  # covers what is still missing
        assert one.allowed() == 2 * RTO + 2 * RTO + MORE

    in_loop(scenario)


@pytest.mark.parametrize("version", [4, 6])
def test_facts_are_those_of_the_segment(version: int) -> None:
    envelope = Envelope4(NEAR, FAR, 1, 2) if version == 4 else Envelope6(NEAR6, FAR6, 1, 2)
    packet = envelope.head(0xFFFFFFFF, 5, ACK | FIN, 9, 10)[VNET_SIZE:] + bytes(10)
    assert facts(packet) == Facts(0xFFFFFFFF, 10, 5)
    assert facts(envelope.head(4, 0, SYN, 9, 0)[VNET_SIZE:]) == Facts(4, 5, None)
    assert facts(datagram(1)) is None


def test_a_direction_tells_both_ends() -> None:
    plan = Plan(delay=5, loss=NthLoss(frozenset({1, 3}), PROTOCOL, 2))
    packet = Envelope4(NEAR, FAR, 1, 2).head(1_000, 501, ACK, 9, 10)[VNET_SIZE:] + bytes(10)

    def scenario(one: Silence) -> None:
        other = silence()
        way = WatchedDirection(plan, 1, up=True, sender=one, receiver=other)
        other.sent(Facts(500, 501, None), False, 0)
        for _ in range(3):
            way.submit(Load(packet), 0)
            way.submit(Load(datagram(1)), 0)
        assert way.spoilt == 2
        assert one.allowed() == 2 * RTO + 2 * RTO + MOST + MORE
        way.take(4, 9)
        assert other.closest == 0
        way.take(5, 9)
        assert other.closest > 0

    in_loop(scenario)


def test_what_is_corrupt_is_spoilt_and_never_heard() -> None:
    packet = Envelope4(NEAR, FAR, 1, 2).head(1_000, 501, ACK, 9, 10)[VNET_SIZE:] + bytes(10)

    def scenario(one: Silence) -> None:
        other = silence()
        way = WatchedDirection(Plan(corrupt=1), 1, up=True, sender=one, receiver=other)
        other.sent(Facts(500, 501, None), False, 0)
        way.submit(Load(packet), 1)
        assert len(way.take(1, 9)) == way.spoilt == 1
        assert other.closest == 0

    in_loop(scenario)


def test_the_pieces_of_a_super_segment_are_told_one_by_one() -> None:
    head = Envelope4(NEAR, FAR, 1, 2).head(1_000, 501, ACK, 9, 3_000, 1_000)[VNET_SIZE:]

    def scenario(one: Silence) -> None:
        other = silence()
        way = WatchedDirection(Plan(loss=NthLoss(frozenset({1}), PROTOCOL, 2)), 1, up=True, sender=one, receiver=other)
        other.sent(Facts(500, 501, None), False, 0)
        for each in load(head + bytes(3_000), 3_040, 1_000, PARTIAL, b""):
            way.submit(each, 3)
        assert way.spoilt == 1
        assert one.allowed() == 2 * RTO + 2 * RTO + MORE
        assert len(join(way.take(3, 9))) == 1  # the other two, as one
        assert other.closest > 0

    in_loop(scenario)
