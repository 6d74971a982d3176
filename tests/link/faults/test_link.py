"""The faulty wire as a link: super-segments in, packets of a wire out, each way at its time."""

from __future__ import annotations

import pytest

from hythe.link.base import DelayingLink
from hythe.link.faults import FaultLink, NthLoss, Plan
from hythe.link.pair import PairEnd, pair
from hythe.units import MILLISECOND, NEVER
from hythe.wire import ipv4
from hythe.wire.checksum import pseudo_sum, verify
from hythe.wire.packet import ABSENT, PARTIAL, VNET_PLAIN, Packet
from hythe.wire.segment import ACK, Envelope4
from tests.link.faults.wires import FAR, NEAR, answer, datagram, number

PAYLOAD = bytes(range(250)) * 20
SUPER = Envelope4(NEAR, FAR, 40_000, 80).head(1, 1, ACK, 500, len(PAYLOAD), 1_000)


def wire(up: Plan | None = None, down: Plan | None = None, **options: bool) -> tuple[FaultLink, PairEnd]:
    below, far = pair(1_500)
    return FaultLink(below, up, down, seed=1, **options), far


def is_right(packet: Packet) -> bool:
    head = ipv4.parse(packet.view, packet.length)
    pseudo = pseudo_sum(head.source, head.destination, head.protocol, packet.length - 20)
    return verify(packet.view[20 : packet.length], pseudo)


def test_what_fares_alike_passes_whole() -> None:
    link, far = wire()
    link.send(0, SUPER, (memoryview(PAYLOAD),))
    far.send(0, SUPER, (PAYLOAD,))
    for packets in (far.receive(0, 100), link.receive(0, 100)):
        assert [(each.length, each.gso_size, each.checksum) for each in packets] == [(5_040, 1_000, PARTIAL)]
        assert packets[0].keep()[40:] == PAYLOAD
    assert (link.up.tally.passed, link.down.tally.passed) == (5, 5)


def test_what_does_not_is_cut_there() -> None:
    """The third of five is lost."""
    lost = Plan(loss=NthLoss(frozenset({3})))
    link, far = wire(lost, lost)
    link.send(0, SUPER, (memoryview(PAYLOAD),))
    far.send(0, SUPER, (PAYLOAD,))
    for packets in (far.receive(0, 100), link.receive(0, 100)):
        assert [(each.length, each.gso_size, each.checksum) for each in packets] == [(2_040, 1_000, PARTIAL)] * 2
        assert [each.keep()[40:] for each in packets] == [PAYLOAD[:2_000], PAYLOAD[3_000:]]


def test_nobody_vouches_for_what_nobody_has_verified() -> None:
    link, far = wire()
    far.send(0, VNET_PLAIN + answer(7))
    (packet,) = link.receive(0, 100)
    assert packet.checksum == ABSENT


def test_corrupt_packets_show_it() -> None:
    link, far = wire(Plan(corrupt=1.0), Plan(corrupt=1.0))
    link.send(0, SUPER, (PAYLOAD,))
    far.send(0, SUPER, (PAYLOAD,))
    for packet in (*far.receive(0, 100), *link.receive(0, 100)):
        assert (packet.length, packet.gso_size, packet.checksum) == (1_040, 0, ABSENT)
        head_is_right = verify(packet.view[:20])
        assert not (head_is_right and verify(packet.view[20 : packet.length], pseudo_sum(NEAR, FAR, 6, packet.length - 20)))


def test_each_direction_at_its_time() -> None:
    link, far = wire(Plan(delay=30 * MILLISECOND), Plan(delay=50 * MILLISECOND))
    deadlines: list[int] = []
    link.on_deadline = deadlines.append
    assert isinstance(link, DelayingLink)
    assert link.next_deadline() == NEVER
    link.send(0, VNET_PLAIN + datagram(1))
    far.send(0, VNET_PLAIN + answer(2))
    assert link.receive(0, 100) == []
    assert deadlines[-1] == link.next_deadline() == 30 * MILLISECOND
    link.release(30 * MILLISECOND - 1)
    assert far.receive(0, 100) == []
    link.release(30 * MILLISECOND)
    assert [number(each.keep()) for each in far.receive(0, 100)] == [1]
    assert deadlines[-1] == 50 * MILLISECOND
    assert link.holds_received
    assert [number(each.keep()) for each in link.receive(50 * MILLISECOND, 100)] == [2]
    assert deadlines[-1] == NEVER
    assert not link.holds_received


def test_up_is_towards_the_far_ends_wherever_they_are() -> None:
    """A gateway stands for the world: what it receives goes up."""
    slow = Plan(delay=MILLISECOND)
    link, far = wire(slow, far_above=True)
    link.send(0, VNET_PLAIN + answer(1))
    far.send(0, VNET_PLAIN + datagram(2))
    assert len(far.receive(0, 100)) == 1
    assert link.receive(0, 100) == []
    assert len(link.receive(MILLISECOND, 100)) == 1
    assert (link.up.tally.passed, link.down.tally.passed) == (1, 1)


def test_a_gateways_fates_are_those_of_a_host() -> None:
    plan = Plan(loss=NthLoss(frozenset({2}), 17, 53))
    near, far = wire(plan)
    gateway, command = wire(plan, far_above=True)
    for each in range(4):
        near.send(0, VNET_PLAIN + datagram(each))
        command.send(0, VNET_PLAIN + datagram(each))
    assert [number(each.keep()) for each in far.receive(0, 9)] == [0, 2, 3]
    assert [number(each.keep()) for each in gateway.receive(0, 9)] == [0, 2, 3]


def test_no_more_at_a_time_than_asked_for() -> None:
    link, far = wire()
    for each in range(200):
        far.send(0, VNET_PLAIN + answer(each))
    found: list[int] = []
    while packets := link.receive(0, 7):
        assert len(packets) <= 7
        found += [number(each.keep()) for each in packets]
    assert found == list(range(200))


@pytest.mark.parametrize("state", [PARTIAL, ABSENT])
def test_garbage_passes_and_is_nobodys_word(state: int) -> None:
    link, far = wire()
    far.peer.deliver((b"\x45garbage",), 0, state)
    (packet,) = link.receive(0, 100)
    assert (packet.keep(), packet.checksum) == (b"\x45garbage", ABSENT)


def test_the_rest_is_the_link_below() -> None:
    link, far = wire(Plan(delay=5))
    assert (link.mtu, link.fileno()) == (1_500, far.peer.fileno())
    told: list[int] = []
    link.on_deadline = told.append
    link.close()
    link.close()
    far.send(0, VNET_PLAIN + answer(1))
    assert told == []
