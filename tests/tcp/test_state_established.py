"""ESTABLISHED: RFC 9293, 3.10.7.4, and what the owner may ask."""

from __future__ import annotations

import errno

import pytest

from hythe.config import TcpConfig
from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def test_data_is_delivered_in_order_and_acknowledged() -> None:
    peer = Peer().accepted()
    peer.inject("P.", data=b"hello ")
    peer.inject("P.", data=b"world")
    assert peer.received == b"hello world"
    peer.tick(ms(40))
    peer.expect(".", ack=12)
    peer.expect_nothing()


def test_push_is_set_on_the_last_segment_of_what_was_written() -> None:
    peer = Peer(initial_window=20).accepted()
    peer.write(5_000)
    assert peer.expect("P.", seq=1, size=5_000).gso_size == 1_460


def test_old_and_new_data_in_one_segment() -> None:
    peer = Peer().accepted()
    peer.inject("P.", seq=1, data=b"abcdef")
    peer.inject("P.", seq=4, data=b"defghi")
    assert peer.received == b"abcdefghi"


def test_data_before_and_behind_the_window_is_cut_off() -> None:
    peer = Peer(receive_buffer=1_000).accepted()
    peer.reads = False
    peer.inject("P.", seq=1, data=1_200)
    peer.expect(".", ack=1_001, window=0)
    peer.inject("P.", seq=1_001, data=200)
    peer.expect(".", ack=1_001, window=0)
    assert peer.connection.recvq.held == 1_000


def test_urgent_data_stays_in_line() -> None:
    """RFC 6093, 4 and RFC 9293, 3.8.5: the mechanism is deprecated, its bytes are bytes."""
    peer = Peer().accepted()
    head = peer._head(peer.nxt + 0xFFFF_FFF0, peer.iss + 1, 0x38, 5_000, 3, 0, b"", 3)
    peer.host.receive(peer._ring.fill(head[10:] + b"abc", 0, 1), peer.now, peer.interface)
    peer.turn()
    assert peer.received == b"abc"


def test_fin_of_the_peer_leads_to_close_wait() -> None:
    peer = Peer().accepted()
    peer.inject("F.", data=b"last")
    peer.expect(".", ack=6)
    assert peer.state is State.CLOSE_WAIT
    assert peer.connection.at_eof


def test_shutdown_sends_fin_behind_the_data() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"last")
    peer.shutdown()
    peer.expect("F.", seq=1, data=b"last")
    assert peer.state is State.FIN_WAIT_1
    peer.shutdown()
    peer.expect_nothing()


def test_writing_after_shutdown_is_an_error() -> None:
    peer = Peer().accepted()
    peer.shutdown()
    with pytest.raises(BrokenPipeError):
        peer.connection.write(b"more")
    assert peer.connection.room() == 0
    assert len(peer.connection.reserve(10)) == 0


def test_writing_to_what_has_ended_leaves_nothing_behind() -> None:
    peer = Peer().accepted()
    peer.inject("R")
    peer.connection.write(b"x" * 10_000)
    peer.connection.shutdown()
    peer.turn()
    peer.expect_nothing()
    assert peer.host.around.pool.flows == 0


def test_rst_ends_it_and_what_was_received_stays_readable() -> None:
    peer = Peer().accepted()
    peer.reads = False
    peer.inject("P.", data=b"kept")
    peer.inject("R")
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ECONNRESET
    assert peer.take() == b"kept"
    peer.tick(10 * SECOND)
    peer.expect_nothing()


def test_abort_resets_with_the_next_number() -> None:
    peer = Peer().accepted()
    peer.write(b"12345")
    peer.expect("P.")
    peer.abort()
    peer.expect("R.", seq=6, ack=1)
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ECONNABORTED
    peer.abort()
    peer.close()
    peer.expect_nothing()


def test_a_dead_peer_is_given_up_after_all_retransmissions() -> None:
    peer = Peer(retries=3).accepted()
    peer.write(b"hello?")
    peer.expect("P.")
    peer.tick(100 * SECOND)
    assert len(peer.sent()) == 3
    assert peer.connection.error == errno.ETIMEDOUT
    assert peer.state is State.CLOSED
    assert peer.host.around.pool.flows == 0


def test_an_icmp_error_does_not_end_it_but_gives_the_reason() -> None:
    peer = Peer(retries=1).accepted()
    peer.write(b"x")
    peer.connection.signal_error(errno.EHOSTUNREACH, hard=True)
    peer.turn()
    assert peer.state is State.ESTABLISHED
    peer.tick(60 * SECOND)
    assert peer.connection.error == errno.EHOSTUNREACH


def test_unread_bytes_survive_the_turn() -> None:
    """The ring is poisoned after each turn: a view kept too long would show it."""
    peer = Peer().accepted()
    peer.reads = False
    peer.inject("P.", data=b"one ")
    peer.inject("P.", data=b"two ")
    peer.inject("P.", seq=15, data=b"four")
    peer.inject("P.", seq=9, data=b"three ")
    assert peer.read() == b"one two three four"


def test_super_segment_is_taken_whole() -> None:
    peer = Peer().accepted()
    peer.inject(".", data=14_600, gso=1_460)
    peer.expect(".", ack=14_601)
    assert len(peer.received) == 14_600
    assert peer.connection.rcv_mss == 1_460


def test_info_tells_how_things_are() -> None:
    peer = Peer(TcpConfig()).accepted(wscale=4)
    peer.write(b"12345")
    info = peer.connection.info()
    assert (info.state, info.unacknowledged, info.unsent, info.send_window) == (State.ESTABLISHED, 5, 0, 65_535 << 4)
    assert (info.local[1], info.remote[1]) == (80, 40_000)
