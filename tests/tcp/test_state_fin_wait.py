"""FIN-WAIT-1, FIN-WAIT-2 and CLOSING: we closed first."""

from __future__ import annotations

import errno

from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import Peer


def fin_wait_1() -> Peer:
    peer = Peer().accepted()
    peer.shutdown()
    peer.expect("F.", seq=1, ack=1)
    assert peer.state is State.FIN_WAIT_1
    return peer


def fin_wait_2() -> Peer:
    peer = fin_wait_1()
    peer.inject(".")
    assert peer.state is State.FIN_WAIT_2
    return peer


def test_fin_wait_1_fin_is_repeated() -> None:
    peer = fin_wait_1()
    peer.tick(SECOND)
    peer.expect("F.", seq=1)


def test_fin_wait_1_ack_of_data_alone_stays() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"abc")
    peer.shutdown()
    peer.inject(".", ack=4)
    assert peer.state is State.FIN_WAIT_1
    peer.inject(".", ack=5)
    assert peer.state is State.FIN_WAIT_2


def test_fin_wait_1_fin_with_the_ack_of_ours_is_time_wait() -> None:
    peer = fin_wait_1()
    peer.inject("F.")
    peer.expect(".", seq=2, ack=2)
    assert peer.state is State.TIME_WAIT


def test_fin_wait_1_fin_without_it_is_closing() -> None:
    peer = fin_wait_1()
    peer.inject("F.", ack=1)
    peer.expect(".", ack=2)
    assert peer.state is State.CLOSING
    peer.inject(".", ack=2)
    assert peer.state is State.TIME_WAIT


def test_closing_repeats_its_fin_and_acknowledges_the_peers_again() -> None:
    peer = fin_wait_1()
    peer.inject("F.", seq=1, ack=1)
    peer.expect(".", ack=2)
    peer.tick(peer.until_deadline())
    peer.expect("F.", seq=1, ack=2)
    peer.inject("F.", seq=1, ack=1)
    peer.expect(".", seq=2, ack=2)
    assert peer.state is State.CLOSING


def closing() -> Peer:
    peer = fin_wait_1()
    peer.inject("F.", ack=1)
    peer.expect(".", ack=2)
    assert peer.state is State.CLOSING
    return peer


def test_closing_ends_quietly_by_rst() -> None:
    peer = closing()
    peer.inject("R", seq=2)
    assert peer.state is State.CLOSED
    assert peer.connection.error == 0
    peer.expect_nothing()


def test_closing_ends_quietly_by_abort() -> None:
    peer = closing()
    peer.abort()
    assert peer.state is State.CLOSED
    peer.expect_nothing()


def test_fin_wait_2_still_receives() -> None:
    peer = fin_wait_2()
    peer.inject("P.", data=b"more")
    assert peer.received == b"more"
    peer.inject("F.")
    peer.expect(".", ack=6)
    assert peer.state is State.TIME_WAIT


def test_fin_wait_2_of_an_orphan_ends_after_a_while() -> None:
    peer = fin_wait_2()
    peer.close()
    peer.tick(60 * SECOND - 1)
    assert peer.state is State.FIN_WAIT_2
    peer.tick(1)
    assert peer.state is State.CLOSED
    assert peer.connection.error == 0
    peer.expect_nothing()


def test_fin_wait_2_of_an_orphan_that_closed_before_the_ack_ends_too() -> None:
    peer = fin_wait_1()
    peer.close()
    peer.inject(".")
    peer.tick(61 * SECOND)
    assert peer.state is State.CLOSED


def test_fin_wait_2_of_an_owner_who_still_reads_has_no_timer() -> None:
    peer = fin_wait_2()
    peer.tick(1_000 * SECOND)
    assert peer.state is State.FIN_WAIT_2
    peer.expect_nothing()


def test_rst_is_told_the_owner() -> None:
    for make in (fin_wait_1, fin_wait_2):
        peer = make()
        peer.inject("R", seq=1)
        assert peer.state is State.CLOSED
        assert peer.connection.error == errno.ECONNRESET


def test_fin_waits_for_the_gap_before_it() -> None:
    peer = fin_wait_2()
    peer.inject("F.", seq=4, data=b"def")
    peer.expect(".", ack=1)
    assert peer.state is State.FIN_WAIT_2
    peer.inject("P.", seq=1, data=b"abc")
    peer.expect(".", ack=8)
    assert peer.received == b"abcdef"
    assert peer.state is State.TIME_WAIT


def test_orphan_gives_up_on_a_silent_peer() -> None:
    peer = Peer(orphan_retries=2).accepted()
    peer.connection.write(b"x")
    peer.close()
    peer.tick(100 * SECOND)
    assert len(peer.sent()) == 3
    assert peer.state is State.CLOSED
