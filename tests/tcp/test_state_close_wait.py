"""CLOSE-WAIT and LAST-ACK: the peer closed first."""

from __future__ import annotations

import errno

from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import Peer


def close_wait() -> Peer:
    peer = Peer().accepted()
    peer.inject("F.")
    peer.expect(".", ack=2)
    assert peer.state is State.CLOSE_WAIT
    return peer


def last_ack() -> Peer:
    peer = close_wait()
    peer.shutdown()
    peer.expect("F.", seq=1, ack=2)
    assert peer.state is State.LAST_ACK
    return peer


def test_close_wait_still_sends() -> None:
    peer = close_wait()
    peer.write(b"answer")
    peer.expect("P.", seq=1, ack=2, data=b"answer")
    peer.inject(".", ack=7)
    assert peer.connection.flight == 0


def test_close_wait_ignores_text_beyond_the_fin() -> None:
    peer = close_wait()
    peer.inject("P.", seq=2, data=b"ghost")
    assert peer.received == b""
    assert peer.connection.rcv_nxt - peer.connection.irs == 2


def test_close_wait_acknowledges_the_fin_again_every_time() -> None:
    peer = close_wait()
    for _ in range(3):
        peer.inject("F.", seq=1)
        peer.expect(".", seq=1, ack=2)


def test_close_wait_offers_no_window_updates() -> None:
    peer = Peer(receive_buffer=4_000).accepted()
    peer.reads = False
    peer.inject("F.", data=4_000)
    peer.expect(".", ack=4_002)
    peer.read()
    peer.expect_nothing()


def test_close_wait_rst() -> None:
    peer = close_wait()
    peer.inject("R")
    assert peer.connection.error == errno.ECONNRESET
    assert peer.state is State.CLOSED


def test_close_wait_abort_resets() -> None:
    peer = close_wait()
    peer.abort()
    peer.expect("R.", seq=1, ack=2)


def test_last_ack_ends_with_the_ack_of_our_fin() -> None:
    peer = last_ack()
    peer.inject(".", ack=1)
    assert peer.state is State.LAST_ACK
    peer.inject(".", ack=2)
    assert peer.state is State.CLOSED
    assert peer.connection.error == 0
    assert not peer.host.connections


def test_last_ack_repeats_its_fin() -> None:
    peer = last_ack()
    peer.tick(SECOND)
    peer.expect("F.", seq=1, ack=2)


def test_last_ack_rst_is_no_error() -> None:
    peer = last_ack()
    peer.inject("R")
    assert peer.state is State.CLOSED
    assert peer.connection.error == 0


def test_last_ack_abort_is_silent_once_the_fin_has_left() -> None:
    peer = last_ack()
    peer.abort()
    peer.expect_nothing()
    assert peer.state is State.CLOSED


def test_last_ack_abort_resets_a_peer_who_waits_for_more() -> None:
    peer = Peer().accepted(window=1_460)
    peer.inject("F.", win=1_460)
    peer.sent()
    peer.connection.write(bytes(5_000))
    peer.shutdown()
    peer.expect(".", size=1_460)
    peer.abort()
    peer.expect("R.", seq=1_461)


def test_fin_rides_on_the_last_data() -> None:
    peer = close_wait()
    peer.connection.write(b"bye")
    peer.shutdown()
    peer.expect("F.", data=b"bye")
