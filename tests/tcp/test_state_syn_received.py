"""SYN-RECEIVED: RFC 9293, 3.10.7.4."""

from __future__ import annotations

import errno

from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def half_open() -> Peer:
    peer = Peer().listen()
    peer.inject("S", mss=1_460)
    peer.expect("S.", seq=0, ack=1)
    return peer


def test_ack_establishes_and_the_listener_has_it() -> None:
    peer = half_open()
    assert peer.listener is not None
    peer.inject(".")
    assert peer.state is State.ESTABLISHED
    assert peer.listener.pending == 0
    assert peer.connection.owner is peer


def test_ack_may_bring_data_and_fin() -> None:
    peer = half_open()
    peer.inject("FP.", data=b"all")
    peer.expect(".", ack=5)
    assert peer.received == b"all"
    assert peer.state is State.CLOSE_WAIT


def test_wrong_ack_is_reset() -> None:
    peer = half_open()
    for ack in (0, 2, 70_000):
        peer.inject(".", ack=ack)
        peer.expect("R", seq=ack)
    assert peer.state is State.SYN_RECEIVED


def test_the_syn_again_brings_the_syn_ack_again() -> None:
    peer = half_open()
    peer.inject("S", seq=0)
    peer.expect("S.", seq=0, ack=1)
    peer.inject("S", seq=0)
    peer.expect("S.", seq=0, ack=1)


def test_rst_frees_the_place_in_the_backlog() -> None:
    peer = half_open()
    assert peer.listener is not None
    peer.inject("R")
    assert peer.state is State.CLOSED
    assert peer.listener.pending == 0
    peer.expect_nothing()


def test_rst_out_of_place_does_not() -> None:
    peer = half_open()
    peer.inject("R", seq=70_000)
    peer.expect_nothing()
    peer.inject("R", seq=100)
    peer.expect(".", ack=1)
    assert peer.state is State.SYN_RECEIVED


def test_another_syn_is_challenged() -> None:
    peer = half_open()
    peer.inject("S", seq=5_000)
    peer.expect(".", seq=1, ack=1)
    assert peer.state is State.SYN_RECEIVED


def test_syn_ack_is_repeated_and_given_up() -> None:
    peer = half_open()
    assert peer.listener is not None
    for wait in (1, 2, 4, 8, 16):
        peer.tick(wait * SECOND - 1)
        peer.expect_nothing()
        peer.tick(1)
        peer.expect("S.", seq=0)
    peer.tick(32 * SECOND)
    peer.expect_nothing()
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ETIMEDOUT
    assert peer.listener.pending == 0


def test_close_waits_for_the_handshake_then_sends_fin() -> None:
    peer = half_open()
    peer.close()
    peer.expect_nothing()
    peer.inject(".")
    peer.expect("F.", seq=1)
    assert peer.state is State.FIN_WAIT_1


def test_abort_resets() -> None:
    peer = half_open()
    peer.abort()
    peer.expect("R.", seq=1, ack=1)
    assert peer.state is State.CLOSED


def test_segment_without_ack_is_dropped() -> None:
    peer = half_open()
    peer.inject("P", seq=1, data=5)
    peer.expect_nothing()
    assert peer.state is State.SYN_RECEIVED


def test_what_comes_after_the_rst_in_the_same_turn_is_dropped() -> None:
    peer = half_open()
    peer.inject_silently("R", seq=1)
    peer.inject_silently("F.", seq=1, data=5)
    peer.turn()
    peer.expect_nothing()
    peer.tick(ms(500))
    assert peer.state is State.CLOSED
