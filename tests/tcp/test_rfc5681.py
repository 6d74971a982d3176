"""RFC 5681: acknowledging, and the congestion window in a connection. Controllers alone: tests/tcp/congestion."""

from __future__ import annotations

from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def test_4_2_every_second_full_segment_is_acknowledged_at_once() -> None:
    peer = Peer().accepted()
    for index in range(1, 7, 2):
        peer.inject(".", data=1_460)
        peer.expect_nothing()
        peer.inject(".", data=1_460)
        peer.expect(".", ack=1 + (index + 1) * 1_460)


def test_4_2_less_waits_but_not_for_long() -> None:
    peer = Peer().accepted()
    peer.inject("P.", data=100)
    peer.tick(ms(40) - 1)
    peer.expect_nothing()
    peer.tick(1)
    peer.expect(".", ack=101)


def test_4_2_a_wait_in_vain_makes_the_next_longer_up_to_200_ms() -> None:
    peer = Peer().accepted()
    waits = []
    for _ in range(5):
        peer.inject("P.", data=100)
        waits.append(peer.until_deadline())
        peer.tick(ms(200))
        peer.expect(".")
    assert waits == [ms(40), ms(80), ms(160), ms(200), ms(200)]


def test_4_2_segments_out_of_order_are_acknowledged_at_once_each() -> None:
    peer = Peer().accepted()
    for seq in (1_001, 2_001, 3_001):
        peer.inject(".", seq=seq, data=1_000)
        peer.expect(".", ack=1)
    peer.inject(".", seq=1, data=500)
    peer.expect(".", ack=501)
    peer.inject(".", seq=501, data=500)
    peer.expect(".", ack=4_001)


def test_4_2_each_of_a_turn_has_an_ack_of_its_own() -> None:
    peer = Peer().accepted()
    for seq in (1_001, 2_001, 3_001):
        peer.inject_silently(".", seq=seq, data=1_000)
    peer.turn()
    assert [out.ack for out in peer.sent()] == [1, 1, 1]


def test_4_2_a_fin_beyond_a_gap_is_out_of_order_too() -> None:
    peer = Peer().accepted()
    peer.inject("F.", seq=101)
    peer.expect(".", ack=1)
    peer.inject("P.", seq=1, data=100)
    peer.expect(".", ack=102)
    assert peer.connection.fin_received


def test_an_answer_carries_the_ack_and_begins_a_dialogue() -> None:
    peer = Peer(quick_acks=16).accepted()
    peer.inject("P.", data=100)
    peer.expect(".", ack=101)  # quick at the start (Linux)
    peer.write(b"answer")
    peer.expect("P.")
    peer.inject("P.", data=100)
    peer.expect_nothing()
    peer.write(b"answer")
    peer.expect("P.", ack=201)
    peer.tick(ms(100))
    assert peer.connection.ping_pong


def test_a_dialogue_ends_when_an_answer_stays_away() -> None:
    peer = Peer(quick_acks=16).accepted()
    peer.inject("P.", data=100)
    peer.write(b"answer")
    peer.sent()
    peer.inject("P.", data=100)
    peer.tick(ms(40))
    peer.expect(".", ack=201)
    peer.inject("P.", data=100)
    peer.expect(".", ack=301)


def test_quick_acks_are_for_the_start() -> None:
    peer = Peer(quick_acks=3).accepted()
    for _ in range(3):
        peer.inject("P.", data=10)
        peer.expect(".")
    peer.inject("P.", data=10)
    peer.expect_nothing()


def test_eager_ack_leaves_before_sleep() -> None:
    peer = Peer(eager_ack=True).accepted()
    for _ in range(3):
        peer.inject("P.", data=10)
    peer.expect_nothing()
    assert len(peer.host.around.owing) == 1
    peer.host.settle(peer.now)
    peer.expect(".", ack=31)
    peer.host.settle(peer.now)
    peer.expect_nothing()


def test_3_1_slow_start_doubles_each_round_trip() -> None:
    peer = Peer().accepted(mss=1_000)
    peer.connection.write(bytes(200_000))
    peer.turn()
    total = acked = 0
    for window in (10_000, 20_000, 40_000):
        size = sum(out.size for out in peer.sent())
        total += size
        assert total - acked == window
        acked = total
        peer.inject(".", ack=1 + total)


def test_3_1_a_window_that_was_not_used_does_not_grow() -> None:
    peer = Peer().accepted(mss=1_000)
    for index in range(20):
        peer.write(1_000)
        peer.inject(".", ack=1 + (index + 1) * 1_000)
    assert peer.connection.congestion.cwnd == 10_000


def test_4_1_after_rest_the_window_starts_again() -> None:
    peer = Peer().accepted(mss=1_000)
    peer.connection.congestion.cwnd = 64_000
    peer.write(1_000)
    peer.inject(".", ack=1_001)
    peer.sent()
    peer.tick(60 * SECOND)
    peer.connection.write(bytes(60_000))
    peer.turn()
    assert sum(out.size for out in peer.sent()) == 10_000
    assert peer.connection.congestion.ssthresh >= 48_000
