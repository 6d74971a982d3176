"""What a connection's time went to: only while something is to be sent, and as `Info` tells it."""

from __future__ import annotations

from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def established(window: int = 60_000) -> Peer:
    peer = Peer().listen()
    peer.inject("S", mss=1_000, win=window)
    peer.expect("S.")
    peer.inject(".", win=window)
    return peer


def times(peer: Peer) -> tuple[int, int, int]:
    info = peer.connection.info(peer.now)
    return info.busy_time, info.rwnd_limited, info.sndbuf_limited


def test_busy_is_from_the_first_byte_queued_to_the_last_one_acknowledged() -> None:
    peer = established()
    peer.tick(SECOND)
    assert times(peer) == (0, 0, 0)
    peer.write(1_500)
    peer.tick(ms(40))
    peer.inject(".", ack=1_001)
    peer.tick(ms(10))
    assert times(peer) == (ms(50), 0, 0)
    peer.inject(".", ack=1_501)
    peer.tick(SECOND)
    assert times(peer) == (ms(50), 0, 0)
    peer.write(10)
    peer.tick(ms(5))
    assert times(peer) == (ms(55), 0, 0)


def test_a_window_that_keeps_some_back_holds_up() -> None:
    peer = established(window=2_000)
    peer.write(5_000)
    peer.tick(ms(30))
    peer.inject(".", ack=2_001, win=0)
    peer.tick(ms(20))
    assert times(peer) == (ms(50), ms(50), 0)
    peer.inject(".", ack=2_001, win=60_000)
    peer.tick(ms(10))
    peer.inject(".", ack=5_001)
    peer.tick(SECOND)
    assert times(peer) == (ms(60), ms(50), 0)


def test_a_shut_window_holds_up_before_anything_has_left() -> None:
    peer = established(window=0)
    peer.write(10)
    peer.tick(ms(30))
    assert times(peer) == (ms(30), ms(30), 0)


def test_the_congestion_window_is_no_hold() -> None:
    peer = established()
    peer.write(30_000)
    peer.tick(ms(20))
    assert times(peer) == (ms(20), 0, 0)


def test_no_room_holds_up_once_all_has_left_and_more_might() -> None:
    peer = established()
    connection = peer.connection
    peer.write(12_000)
    connection.wanting(short=True)
    peer.tick(ms(20))
    assert times(peer) == (ms(20), 0, 0)  # the congestion window keeps two segments
    peer.inject(".", ack=10_001)
    peer.tick(ms(30))
    assert times(peer) == (ms(50), 0, ms(30))
    connection.wanting(short=False)
    peer.write(1_000)
    peer.tick(ms(10))
    assert times(peer) == (ms(60), 0, ms(30))


def test_who_finds_no_room_to_reserve_wants_some() -> None:
    peer = established()
    connection = peer.connection
    while view := connection.reserve(65_536):
        connection.commit(len(view))
    assert connection.stall
    peer.turn()
    una = 1
    while connection.snd_nxt < connection.sendq.end:
        peer.tick(ms(1))
        una = connection.snd_nxt - connection.iss
        peer.inject(".", ack=una)
    held = times(peer)[2]
    peer.tick(ms(9))
    assert times(peer)[2] == held + ms(9)


def test_a_connection_that_ended_is_not_busy_any_more() -> None:
    peer = established()
    peer.write(10)
    peer.tick(ms(5))
    peer.inject("R.", seq=1, ack=1)
    busy = times(peer)
    peer.tick(SECOND)
    assert times(peer) == busy
