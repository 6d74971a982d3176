"""Packets that travel joined fare exactly as those that travel one by one: fates, order, times and tallies."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from hythe.link.faults import BurstLoss, Direction, NthLoss, Plan, RandomLoss
from hythe.units import MICROSECOND, MILLISECOND, NEVER
from hythe.wire import gso, udp
from hythe.wire.gro import Load, join, load
from hythe.wire.packet import ABSENT, PARTIAL, VERIFIED, VNET_SIZE, Packet
from hythe.wire.segment import ACK, CWR, ECE, FIN, PSH, URG, Envelope, Envelope4, Envelope6
from tests.link.faults.wires import FAR, FAR6, NEAR, NEAR6, answer, fragment, take

ALL = 1 << 30
ENVELOPES: tuple[Envelope, ...] = (Envelope4(NEAR, FAR, 40_000, 80), Envelope6(NEAR6, FAR6, 40_000, 80))
PLANS = {
    "nothing": Plan(),
    "delay": Plan(delay=MILLISECOND),
    "loss": Plan(loss=RandomLoss(0.1)),
    "bursts": Plan(loss=BurstLoss.of(0.1, 3), delay=MILLISECOND),
    "nth": Plan(loss=NthLoss(frozenset({3, 50, 51, 200}))),
    "jitter": Plan(jitter=300 * MICROSECOND),
    "reorder": Plan(reorder=0.1, reorder_by=20 * MICROSECOND),
    "duplicate": Plan(duplicate=0.1),
    "corrupt": Plan(corrupt=0.1),
    "mark": Plan(mark=0.3),
    "rate": Plan(rate=400_000_000, queue_packets=60),
    "mtu": Plan(mtu=1_400),
    "all": Plan(
        MILLISECOND, 50 * MICROSECOND, 10**9, 64_000, None, RandomLoss(0.05), 0.05, MILLISECOND, 0.05, 0.05, 0.1, 1_450
    ),
}


def traffic(rng: random.Random) -> Iterator[tuple[bytes, int, int]]:
    """(packet or super-segment, gso_size, state of its checksum), mostly of two connections."""
    seqs = [0, 2**32 - 100_000]
    for _ in range(150):
        which = rng.randrange(2)
        envelope, step = ENVELOPES[which], rng.choice((536, 1_000, 1_448))
        size = rng.choice((0, 1, 500, step, 3 * step, 7 * step, 40 * step, 5 * step + rng.randrange(step)))
        flags = ACK | rng.choice((0, 0, 0, 0, PSH, FIN | PSH, CWR, CWR | ECE, URG))
        envelope.tos = rng.choice((0, 0, 0, 2))
        options = b"" if rng.random() < 0.8 else b"\1\1\x08\x0a" + rng.randbytes(8)
        size = min(size, 60_000 // step * step)
        gso_size = step if size > step else 0
        head = envelope.head(seqs[which], rng.randrange(2), flags, 500, size, gso_size, options, 700 if flags & URG else 0)
        data = head[VNET_SIZE:] + rng.randbytes(size)
        if rng.random() < 0.05:
            seqs[which] += 1  # a gap
        seqs[which] = seqs[which] + size & 0xFFFFFFFF
        if gso_size or rng.random() < 0.7:
            yield data, gso_size, PARTIAL
        else:
            yield gso.complete(data, len(data), PARTIAL), 0, rng.choice((ABSENT, VERIFIED))
        if rng.random() < 0.1:
            batch = udp.Envelope4(NEAR, FAR, 40_000, 53).head(4_500, 1_000)[VNET_SIZE:] + rng.randbytes(4_500)
            other = (batch, 1_000, PARTIAL), (answer(1), 0, VERIFIED), (fragment(1, 0), 0, PARTIAL), (b"\x45junk", 0, ABSENT)
            yield rng.choice(other)


def apart(packet: bytes) -> bytes:
    """Without the identification of what may not be fragmented, which means nothing (RFC 6864, 4.1)."""
    if packet[0] != 0x45 or len(packet) < 20 or packet[6] != 0x40:
        return packet
    return packet[:4] + bytes(2) + packet[6:10] + bytes(2) + packet[12:]


def cut(one: Load) -> Iterator[tuple[bytes, int]]:
    """What enters where packets travel one by one: (packet, state)."""
    for index in range(one.count):
        yield one.piece(index), VERIFIED if one.state == PARTIAL else one.state


class Both:
    """The same wire twice: for packets one by one, and joined."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.single, self.joined = Direction(plan, seed, up=True), Direction(plan, seed, up=True)
        self.packets = self.supers = 0
        self._slot = Packet()

    def enter(self, data: bytes, gso_size: int, state: int, now: int) -> None:
        for each in load(data, len(data), gso_size, state):
            for packet, its in cut(each):
                self.single.submit(Load(packet, 0, its), now)
            self.joined.submit(each, now)

    def take(self, now: int) -> None:
        """What comes out of both by `now` is the same."""
        seen: list[bytes] = []
        for each in join(self.joined.take(now, ALL)):
            each.fill(self._slot)
            seen += gso.cut(self._slot.view, self._slot.length, self._slot.gso_size, self._slot.checksum)
            self.supers += 1
        expected = [packet for packet, _ in take(self.single, now)]
        assert list(map(apart, seen)) == list(map(apart, expected))
        assert self.joined.tally == self.single.tally
        assert self.joined.next_deadline() == self.single.next_deadline()
        assert len(self.joined) == len(self.single)
        self.packets += len(seen)


@pytest.mark.parametrize("name", PLANS)
def test_joined_or_not_is_all_the_same(name: str, rng: random.Random) -> None:
    both = Both(PLANS[name], rng.randrange(1 << 30))
    now = 0
    for data, gso_size, state in traffic(rng):
        both.enter(data, gso_size, state, now)
        now += rng.choice((0, 0, 10, 50, 500)) * MICROSECOND
        if rng.random() < 0.5:
            both.take(now)
        if rng.random() < 0.02:
            both.single.plan = both.joined.plan = rng.choice((PLANS[name], Plan(delay=2 * MILLISECOND)))
    while (due := both.single.next_deadline()) != NEVER:
        now = max(now, due + rng.choice((0, 100)) * MICROSECOND)
        both.take(now)
    assert both.packets > 300
    assert both.supers < both.packets * (0.95 if name == "corrupt" or PLANS[name].rate else 0.7)
