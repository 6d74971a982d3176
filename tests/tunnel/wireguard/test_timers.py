"""When handshakes, keepalives and new keys happen (paper, 6), on virtual time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.messages import COOKIE_REPLY, DATA, INITIATION, RESPONSE
from hythe.units import SECOND
from tests.tunnel.wireguard.world import TO_A, TO_B, Side, World, connected, packet

SETTINGS = WireguardConfig()


def test_the_first_packet_waits_for_the_handshake(rng: random.Random) -> None:
    world = World(rng, preshared=True)
    world.a.send(TO_B)
    assert world.kinds(world.a) == [(0, INITIATION)]
    world.run(SECOND)
    assert [kind for _, kind in world.kinds(world.a)] == [INITIATION, DATA]
    assert [kind for _, kind in world.kinds(world.b)] == [RESPONSE]
    assert world.b.arrived == [TO_B]
    world.b.send(TO_A)
    world.run(SECOND)
    assert world.a.arrived == [TO_A]


def test_a_handshake_with_nothing_to_send_is_confirmed_by_a_keepalive(rng: random.Random) -> None:
    world = World(rng)
    world.a.peer.initiate(world.now)
    world.collect(world.a)
    world.run(SECOND)
    assert [len(data) for _, who, data in world.sent if who is world.a] == [148, 32]
    assert world.b.peer.current is not None


@pytest.mark.parametrize("kind", [INITIATION, RESPONSE])
def test_a_lost_handshake_message_is_sent_again_after_five_seconds(rng: random.Random, kind: int) -> None:
    world = World(rng)
    lost: list[bytes] = []
    world.lose = lambda data, _: data[0] == kind and not lost and not lost.append(data)  # type: ignore[func-returns-value]
    world.a.send(TO_B)
    world.run(4 * SECOND)
    assert world.b.arrived == []
    world.run(2 * SECOND)
    assert world.b.arrived == [TO_B]
    again = [when for when, each in world.kinds(world.a) if each == INITIATION]
    assert again[0] == 0
    assert 5 <= again[1] <= 5.334
    first, second = (data for _, _, data in world.sent if data[0] == INITIATION)
    assert first[8:40] != second[8:40], "each has an ephemeral key of its own"


def test_it_is_given_up_after_ninety_seconds_and_begun_anew_by_the_next_packet(rng: random.Random) -> None:
    world = World(rng)
    world.lose = lambda _, __: True
    world.a.send(TO_B)
    world.run(200 * SECOND)
    times = [when for when, _ in world.kinds(world.a)]
    assert 17 <= len(times) <= 19
    assert times[-1] <= 90.4
    assert (world.a.device.counters.given_up, world.a.device.counters.staged_lost) == (1, 1)
    world.lose = lambda _, __: False
    world.a.send(TO_B)
    world.run(SECOND)
    assert world.b.arrived == [TO_B]


def test_what_waits_is_bounded_and_the_oldest_goes_first(rng: random.Random) -> None:
    world = World(rng, replace(SETTINGS, staged_packets=3))
    sent = [packet("10.0.0.1", "10.0.0.2", bytes([number])) for number in range(5)]
    for each in sent:
        world.a.send(each)
    world.run(SECOND)
    assert world.b.arrived == sent[2:]
    assert world.a.device.counters.staged_lost == 2


def talk(world: World, seconds: int) -> None:
    """A packet each way every second."""
    for _ in range(seconds):
        world.a.send(TO_B)
        world.b.send(TO_A)
        world.run(SECOND)


def test_who_began_makes_new_keys_after_two_minutes_and_nothing_is_lost(rng: random.Random) -> None:
    world = connected(World(rng))
    talk(world, 300)
    begun = [when for when, kind in world.kinds(world.a) if kind == INITIATION]
    assert len(begun) == 3
    assert 120 <= begun[1] <= 121.1
    assert 240 <= begun[2] <= 242.1
    assert world.count(world.b, INITIATION) == 0
    assert len(world.a.arrived) == len(world.b.arrived) == 301
    assert len(world.a.device._around.sessions) <= 3


def test_and_after_so_many_messages(rng: random.Random) -> None:
    world = connected(World(rng, replace(SETTINGS, rekey_after_messages=20)))
    talk(world, 30)
    assert 2 <= world.count(world.a, INITIATION) + world.count(world.b, INITIATION) <= 4  # both may, at once
    assert len(world.a.arrived) == len(world.b.arrived) == 31


def test_no_session_carries_more_messages_than_its_limit(rng: random.Random) -> None:
    world = connected(World(rng, replace(SETTINGS, reject_after_messages=10)))
    talk(world, 40)
    assert len(world.a.arrived) == len(world.b.arrived) == 41
    highest = max(int.from_bytes(data[8:16], "little") for _, _, data in world.sent if data[0] == DATA)
    assert highest < 10


def test_who_only_receives_makes_new_keys_in_time(rng: random.Random) -> None:
    world = connected(World(rng))
    for _ in range(200):
        world.b.send(TO_A)
        world.run(SECOND)
    begun = [when for when, kind in world.kinds(world.a) if kind == INITIATION]
    # Its keepalives are messages too, and ask for new keys from two minutes on.
    assert 120 <= begun[1] <= 132
    assert len(world.a.arrived) == 201


def test_and_where_it_says_nothing_at_all_when_keys_are_about_to_end(rng: random.Random) -> None:
    world = connected(World(rng))
    world.run(168 * SECOND)
    before = world.count(world.a, INITIATION)
    world.b.send(TO_A)
    world.run(SECOND)
    assert world.count(world.a, INITIATION) == before + 1


def test_a_session_is_not_used_after_three_minutes(rng: random.Random) -> None:
    world = connected(World(rng))
    world.run(181 * SECOND)
    old = next(data for _, who, data in world.sent if who is world.a and data[0] == DATA)
    world.b.hear(old, world.a.address)
    assert world.b.device.counters.expired == 1
    world.b.send(TO_A)
    assert world.kinds(world.b)[-1][1] == INITIATION
    world.run(SECOND)
    assert world.a.arrived == [TO_A, TO_A]


def test_keys_are_let_go_of_after_nine_minutes(rng: random.Random) -> None:
    world = connected(World(rng))
    world.run(530 * SECOND)
    assert world.a.device._around.sessions
    world.run(12 * SECOND)
    for side in world.sides:
        assert not side.device._around.sessions
        assert (side.peer.current, side.peer.previous, side.peer.next) == (None, None, None)


def test_who_has_received_but_has_nothing_to_say_sends_a_keepalive(rng: random.Random) -> None:
    world = connected(World(rng))
    before = len(world.sent)
    world.a.send(TO_B)
    world.run(60 * SECOND)
    later = [(when, who, data) for when, who, data in world.sent[before:]]
    assert [(who is world.a, len(data)) for _, who, data in later] == [(True, 64), (False, 32)]
    assert later[1][0] - later[0][0] == 10 * SECOND + world.latency
    assert world.count(world.a, INITIATION) == 1, "it was an answer"


def test_no_answer_for_fifteen_seconds_means_new_keys(rng: random.Random) -> None:
    world = connected(World(rng))
    world.lose = lambda _, side: side is world.b
    began = world.now
    world.a.send(TO_B)
    world.run(20 * SECOND)
    again = [data for when, who, data in world.sent if who is world.a and when > began and data[0] == INITIATION]
    assert len(again) == 1
    assert 15 * SECOND <= world.sent[-2][0] - began <= 15.4 * SECOND


def test_persistent_keepalives_begin_at_once_and_keep_their_pace(rng: random.Random) -> None:
    world = World(rng, keepalive=25 * SECOND)
    world.run(101 * SECOND)
    alive = [when for when, kind in world.kinds(world.a) if kind == DATA]
    assert len(alive) == 5
    assert alive[0] == pytest.approx(0.02, abs=0.01)
    assert [round(when) for when in alive] == [0, 25, 50, 75, 100]


def test_both_begin_at_once(rng: random.Random) -> None:
    world = World(rng)
    world.a.send(TO_B)
    world.b.send(TO_A)
    world.run(6 * SECOND)
    assert (world.a.arrived, world.b.arrived) == ([TO_A], [TO_B])
    talk(world, 20)
    assert len(world.a.arrived) == len(world.b.arrived) == 21
    assert world.count(world.a, INITIATION) + world.count(world.b, INITIATION) <= 3


def test_who_has_answered_begins_anew_if_the_proof_of_it_is_lost(rng: random.Random) -> None:
    world = World(rng)
    world.a.peer.initiate(world.now)
    world.collect(world.a)
    world.lose = lambda data, _: data[0] == DATA
    world.run(SECOND)
    world.b.send(TO_A)
    world.run(SECOND)
    world.lose = lambda _, __: False
    world.run(6 * SECOND)
    assert world.a.arrived == [TO_A]
    assert world.count(world.b, INITIATION) == 1


def test_the_far_end_is_cut_for_a_minute_and_comes_back(rng: random.Random) -> None:
    world = connected(World(rng))
    talk(world, 10)
    world.lose = lambda _, __: True
    talk(world, 60)
    world.lose = lambda _, __: False
    before = len(world.b.arrived)
    talk(world, 6)
    assert len(world.b.arrived) > before, "within one more try"
    assert len(world.a.arrived) > 12


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_whatever_is_lost_it_goes_on_when_losses_end(rng: random.Random, share: float) -> None:
    world = World(rng)
    world.lose = lambda _, __: rng.random() < share
    talk(world, 400)
    world.lose = lambda _, __: False
    talk(world, 20)  # an answer is missed after 15 s, and asked for every 5
    for side in world.sides:
        side.arrived.clear()
    talk(world, 150)
    assert len(world.a.arrived) == len(world.b.arrived) == 150
    for side in world.sides:
        assert len(side.device._around.sessions) <= 3
        assert len(side.device._around.handshakes) <= 1
        counters = side.device.counters
        assert (counters.forged, counters.replayed, counters.bad_source, counters.malformed) == (0, 0, 0, 0)


def test_the_far_end_starts_anew(rng: random.Random) -> None:
    world = connected(World(rng))
    talk(world, 10)
    world.b.start()
    world.b.peer.endpoint = world.a.address
    world.b.arrived.clear()
    for _ in range(22):  # nothing from B: what A sends tells it nothing, and is not answered
        world.a.send(TO_B)
        world.run(SECOND)
    assert world.b.device.counters.unknown_session >= 15
    assert world.b.arrived
    world.b.send(TO_A)
    world.run(SECOND)
    assert world.a.arrived[-1] == TO_A


def test_who_moves_is_followed(rng: random.Random) -> None:
    world = connected(World(rng))
    world.a.address = ("198.51.100.9", 4_000)
    world.a.send(TO_B)
    world.run(SECOND)
    assert world.b.peer.endpoint == ("198.51.100.9", 4_000)
    assert world.b.device.counters.roamed == 1
    world.b.send(TO_A)
    world.run(SECOND)
    assert len(world.a.arrived) == 2


def test_under_load_a_cookie_is_asked_for_and_given(rng: random.Random) -> None:
    world = World(rng, replace(SETTINGS, load_handshakes=0))
    world.a.send(TO_B)
    world.run(30 * SECOND)
    assert world.b.arrived == [TO_B]
    # A shows a cookie of B with its second initiation, and B one of A with its second response.
    assert [kind for _, kind in world.kinds(world.a) if kind != DATA] == [INITIATION, INITIATION, COOKIE_REPLY, INITIATION]
    assert [kind for _, kind in world.kinds(world.b)][:3] == [COOKIE_REPLY, RESPONSE, RESPONSE]
    assert world.b.device.counters.cookies_sent == world.a.device.counters.cookies_received == 1
    assert world.a.device.counters.cookies_sent == world.b.device.counters.cookies_received == 1


def test_load_is_a_number_of_handshakes_in_a_second(rng: random.Random) -> None:
    world = World(rng, replace(SETTINGS, load_handshakes=3))
    world.a.peer.initiate(world.now)
    (message,) = world.a.device.outbox.pop().parts
    for _ in range(5):
        world.b.hear(message, world.a.address)
    assert world.b.device.counters.cookies_sent == 2
    world.run(2 * SECOND)
    world.b.hear(message, world.a.address)
    assert world.b.device.counters.cookies_sent == 2


def test_one_source_has_so_many_handshakes_under_load(rng: random.Random) -> None:
    world = World(rng, replace(SETTINGS, load_handshakes=0, source_handshakes=4, rekey_timeout=0, initiation_interval=0))
    cookie(world.a, world)
    for _ in range(10):
        world.a.peer.initiate(world.now)
        world.collect(world.a)
        world.run(world.latency * 2)
    assert world.b.device.counters.limited > 2
    assert world.b.device.counters.initiations_received <= 5


def test_a_flood_gets_no_more_cookies_than_there_is_time_for(rng: random.Random) -> None:
    world = connected(World(rng, replace(SETTINGS, load_handshakes=3, all_cookies=10)))
    world.a.peer.initiate(world.now + 60 * SECOND)
    (message,) = world.a.device.outbox.pop().parts
    counters = world.b.device.counters
    for number in range(100):
        world.b.hear(message, (f"198.51.100.{number}", 666))
    assert (counters.cookies_sent, counters.limited) == (10, 100 - 3 - 10)
    # Not even its MAC1 is looked at then; who has a cookie is not told apart from others by that.
    world.b.hear(bytes((*message[:-32], *bytes(32))), world.a.address)
    assert (counters.bad_mac, counters.limited) == (0, 88)
    world.b.hear(message[:-16] + rng.randbytes(16), world.a.address)
    assert counters.limited == 89
    world.a.send(TO_B)
    world.run(world.latency)
    assert world.b.arrived == [TO_B] * 2
    world.run(SECOND // 2)
    world.b.hear(message, ("198.51.100.1", 666))
    assert counters.cookies_sent == 11


def cookie(side: Side, world: World) -> None:
    """Have the far side give its cookie."""
    side.peer.initiate(world.now)
    world.collect(side)
    world.run(world.latency * 3)
    assert side.device.counters.cookies_received == 1
