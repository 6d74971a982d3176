"""What can be asked of a wire, and what cannot."""

from __future__ import annotations

import pytest

from hythe.errors import UsageError
from hythe.link.faults import BurstLoss, Direction, NthLoss, Plan, RandomLoss
from hythe.units import MILLISECOND
from hythe.wire.gro import Load
from tests.link.faults.wires import datagram, drain, number, numbers

MANY = 20_000


def lost(plan: Plan, seed: int = 1) -> list[int]:
    arrived = set(numbers(plan, [datagram(each) for each in range(MANY)], seed))
    return [each for each in range(MANY) if each not in arrived]


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
def test_random_loss_loses_its_share(share: float) -> None:
    """Four standard deviations; the draws of seed 1 are always the same."""
    assert abs(len(lost(Plan(loss=RandomLoss(share)))) - MANY * share) < 4 * (MANY * share * (1 - share)) ** 0.5


def test_all_or_nothing() -> None:
    assert lost(Plan(loss=RandomLoss(1.0))) == list(range(MANY))
    assert lost(Plan(loss=RandomLoss(0.0))) == []


def test_losses_in_bursts_have_their_share_and_their_length() -> None:
    gone = lost(Plan(loss=BurstLoss.of(0.05, 8)))
    bursts = sum(each - 1 not in set(gone) for each in gone)
    assert 0.04 < len(gone) / MANY < 0.06
    assert 6.5 < len(gone) / bursts < 9.5


def test_random_losses_are_no_bursts() -> None:
    gone = lost(Plan(loss=RandomLoss(0.05)))
    assert sum(each - 1 not in set(gone) for each in gone) > 0.9 * len(gone)


def test_both_states_of_gilbert_elliott_may_lose() -> None:
    """Half the time unwell with 0.4, the other half well with 0.1."""
    assert abs(len(lost(Plan(loss=BurstLoss(0.1, 0.1, unwell=0.4, well=0.1)))) / MANY - 0.25) < 0.02


def test_the_nth_of_each_flow_that_matches() -> None:
    packets = [datagram(10 * port + each, far_port=port) for each in range(4) for port in (53, 443)]
    assert 532 not in (found := numbers(Plan(loss=NthLoss(frozenset({3}))), packets))
    assert 4432 not in found
    assert len(found) == 6
    only_dns = Plan(loss=NthLoss(frozenset({1, 3}), 17, 53))
    assert sorted(set(range(530, 534)) - set(numbers(only_dns, packets))) == [530, 532]
    assert len(numbers(Plan(loss=NthLoss(frozenset({1}), 6)), packets)) == 8


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomLoss(1.1),
        lambda: RandomLoss(-0.1),
        lambda: BurstLoss(0.1, 2.0),
        lambda: BurstLoss.of(0.6, 1),
        lambda: BurstLoss.of(1.0, 8),
        lambda: BurstLoss.of(0.1, 0.5),
        lambda: Plan(corrupt=5),
        lambda: Plan(delay=-1),
        lambda: Plan(queue_packets=-1),
    ],
)
def test_what_cannot_be_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError):
        make()


def test_a_plan_is_replaced_while_packets_are_on_their_way() -> None:
    way = Direction(Plan(delay=50 * MILLISECOND), 1, up=True)
    way.submit(Load(datagram(0)), 0)
    way.plan = Plan(loss=RandomLoss(1.0))
    way.submit(Load(datagram(1)), MILLISECOND)
    way.plan = Plan(delay=60 * MILLISECOND)
    way.submit(Load(datagram(2)), 2 * MILLISECOND)
    assert [(at, number(packet)) for at, packet in drain(way)] == [(50 * MILLISECOND, 0), (62 * MILLISECOND, 2)]


def test_only_chance_needs_a_seed() -> None:
    assert not Plan(delay=1, rate=1, mtu=1, loss=NthLoss(frozenset({1}))).dices
    assert all(each.dices for each in (Plan(jitter=1), Plan(loss=RandomLoss(0.1)), Plan(corrupt=0.1), Plan(mark=0.1)))
