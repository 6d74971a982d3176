"""Messages of every kind that were replayed, reordered or forged: dropped, and counted."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.messages import COOKIE_REPLY, DATA, INITIATION, RESPONSE
from hythe.units import SECOND
from tests.tunnel.wireguard.world import TO_B, World, connected, packet


def first(world: World, kind: int) -> bytes:
    """The first message of a type that anybody sent."""
    return next(data for _, _, data in world.sent if data[0] == kind)


def test_an_initiation_played_again_is_dropped(rng: random.Random) -> None:
    world = connected(World(rng))
    world.b.hear(first(world, INITIATION), ("203.0.113.66", 666))
    assert world.b.device.counters.replayed_handshake == 1
    assert world.count(world.b, RESPONSE) == 1
    assert world.b.peer.endpoint == world.a.address


def test_one_that_comes_behind_a_later_one_is_dropped(rng: random.Random) -> None:
    world = World(rng, replace(WireguardConfig(), rekey_timeout=0))
    initiations = []
    for _ in range(2):
        world.a.peer.initiate(world.now)
        initiations += world.a.device.outbox.pop().parts
        world.now += SECOND
    earlier, later = initiations[0], initiations[-1]
    world.b.hear(later, world.a.address)
    world.b.hear(earlier, world.a.address)
    assert (world.b.device.counters.initiations_received, world.b.device.counters.replayed_handshake) == (1, 1)


def test_initiations_too_soon_are_dropped(rng: random.Random) -> None:
    world = World(rng, replace(WireguardConfig(), rekey_timeout=0))
    for _ in range(3):
        world.a.peer.initiate(world.now)
        world.b.hear(world.a.device.outbox.pop().parts[0], world.a.address)
    assert (world.b.device.counters.initiations_received, world.b.device.counters.replayed_handshake) == (1, 2)


def test_a_response_played_again_is_dropped(rng: random.Random) -> None:
    world = connected(World(rng))
    current = world.a.peer.current
    world.a.hear(first(world, RESPONSE), world.b.address)
    assert world.a.device.counters.bad_handshake == 1
    assert world.a.peer.current is current


def test_data_played_again_is_dropped(rng: random.Random) -> None:
    world = connected(World(rng))
    world.b.hear(first(world, DATA), ("203.0.113.66", 666))
    assert world.b.device.counters.replayed == 1
    assert world.b.arrived == [TO_B]
    assert world.b.peer.endpoint == world.a.address, "who plays it again is not followed"


def test_data_may_come_in_another_order(rng: random.Random) -> None:
    world = connected(World(rng))
    world.lose = lambda _, __: True
    packets = [packet("10.0.0.1", "10.0.0.2", bytes([number])) for number in range(50)]
    for each in packets:
        world.a.send(each)
    datagrams = [data for _, _, data in world.sent[-50:]]
    order = list(range(50))
    rng.shuffle(order)
    for number in [*order, *order]:
        world.b.hear(datagrams[number], world.a.address)
    assert world.b.arrived[1:] == [packets[number] for number in order]
    assert world.b.device.counters.replayed == 50


@pytest.mark.parametrize("kind", [INITIATION, RESPONSE, COOKIE_REPLY, DATA])
def test_a_bit_changed_anywhere_is_noticed(rng: random.Random, kind: int) -> None:
    """Each byte in turn; nothing comes out, nobody is answered but by a cookie, no session is made."""
    world = World(rng, replace(WireguardConfig(), load_handshakes=0 if kind == COOKIE_REPLY else 1_000_000))
    lost: list[bytes] = []
    world.lose = lambda data, _: data[0] == kind and not lost.append(data)  # type: ignore[func-returns-value]
    world.a.send(TO_B)
    world.run(SECOND)
    (message,) = lost
    target, source = (world.b, world.a) if kind in (INITIATION, DATA) else (world.a, world.b)
    before = len(world.sent)
    known = dict(target.device._around.sessions)
    for at in range(len(message)):
        if (132 <= at < 148 and kind == INITIATION) or (76 <= at < 92 and kind == RESPONSE):
            continue  # MAC2 is looked at only under load
        changed = bytearray(message)
        changed[at] ^= 1 << rng.randrange(8)
        target.hear(bytes(changed), source.address)
    assert target.arrived == []
    assert target.device._around.sessions == known
    assert len(world.sent) == before
    counters = target.device.counters
    noticed = counters.bad_mac + counters.bad_handshake + counters.bad_cookie + counters.forged + counters.malformed
    assert noticed + counters.unknown_session >= len(message) - 16
    target.hear(message, source.address)
    world.lose = lambda _, __: False
    world.run(20 * SECOND)
    assert world.b.arrived == [TO_B], "the true one is still taken"


@pytest.mark.parametrize("size", [0, 1, 15, 31, 91, 147, 149, 1_500])
def test_what_is_no_message_is_dropped(rng: random.Random, size: int) -> None:
    world = World(rng)
    world.b.hear(bytes([1, 0, 0, 0])[:size] + rng.randbytes(max(size - 4, 0)), world.a.address)
    assert world.b.device.counters.malformed == (1 if size else 0)


def test_a_stranger_is_not_answered(rng: random.Random) -> None:
    world, other = World(rng), World(rng)
    other.a.peer.initiate(other.now)
    world.b.hear(other.a.device.outbox.pop().parts[0], other.a.address)
    assert world.b.device.counters.bad_mac == 1
    assert not world.sent


def test_another_pre_shared_key_is_none(rng: random.Random) -> None:
    world, other = World(rng, preshared=True), World(rng, preshared=True)
    world.a.peer._preshared = other.a.peer._preshared
    world.a.send(TO_B)
    world.run(20 * SECOND)
    assert world.b.arrived == []
    assert world.a.device.counters.bad_handshake >= 3


def test_packets_pass_only_from_the_peers_own_addresses(rng: random.Random) -> None:
    world = connected(World(rng))
    for source in ("10.0.0.2", "10.0.0.77", "fd00::2"):
        target = "fd00::2" if ":" in source else "10.0.0.2"
        world.a.send(packet(source, target))
        world.run(SECOND)
    assert world.b.device.counters.bad_source == 3
    assert world.b.arrived == [TO_B]
    world.a.send(packet("fd00::1", "fd00::2"))
    world.run(SECOND)
    assert world.b.arrived[-1] == packet("fd00::1", "fd00::2")


@pytest.mark.parametrize(
    "data", [b"\x45", b"\x00" * 40, b"\x60" + bytes(20), packet("10.0.0.1", "10.0.0.2")[:2] + b"\xff" * 30]
)
def test_what_is_no_ip_packet_is_dropped(rng: random.Random, data: bytes) -> None:
    world = connected(World(rng))
    world.a.device.send(world.a.peer, [data.ljust(2, b"\0")], world.now)
    world.collect(world.a)
    world.run(SECOND)
    assert world.b.device.counters.bad_packet == 1
    assert world.b.arrived == [TO_B]


def test_a_packet_for_nobody_is_counted(rng: random.Random) -> None:
    world = World(rng)
    assert world.a.device.route(packet("10.0.0.1", "10.9.9.9")) is None
    assert world.a.device.counters.unrouted == 1


def test_padding_goes_in_and_comes_off_again(rng: random.Random) -> None:
    world = connected(World(rng))
    for size in (0, 1, 11, 12, 13, 1_399, 1_400):
        data = packet("10.0.0.1", "10.0.0.2", bytes(size))
        world.a.send(data)
        assert len(world.sent[-1][2]) == 32 + min(-(-len(data) // 16) * 16, 1_420)
        world.run(SECOND)
        assert world.b.arrived[-1] == data


def test_the_far_ends_answer_is_not_asked_for_by_a_cookie_of_another(rng: random.Random) -> None:
    world = World(rng, replace(WireguardConfig(), load_handshakes=0))
    world.a.send(TO_B)
    world.run(SECOND)
    reply = first(world, COOKIE_REPLY)
    world.a.hear(reply, world.b.address)
    assert world.a.device.counters.bad_cookie == 1, "one answer to one message"


def test_congestion_goes_in_and_comes_out(rng: random.Random) -> None:
    world = connected(World(rng))
    for inner, outer, expected in (
        (2, 2, 2),
        (1, 1, 1),
        (0, 0, 0),
        (3, 3, 3),
        (2, 3, 3),
        (0, 3, None),
        (2, 1, 1),
        (1, 2, 1),
    ):
        data = packet("10.0.0.1", "10.0.0.2", bytes([inner, outer]), inner)
        world.lose = lambda _, __: True
        world.a.send(data)
        world.lose = lambda _, __: False
        before = len(world.b.arrived)
        world.b.hear(world.sent[-1][2], world.a.address, outer)
        if expected is None:
            assert len(world.b.arrived) == before
        else:
            assert world.b.arrived[-1] == packet("10.0.0.1", "10.0.0.2", bytes([inner, outer]), expected)
