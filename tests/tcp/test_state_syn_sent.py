"""SYN-SENT: RFC 9293, 3.10.7.3."""

from __future__ import annotations

import errno

import pytest

from hythe.config import TcpConfig
from hythe.tcp.opening import scale_for
from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import PLAIN, Peer


def opening(config: TcpConfig = PLAIN) -> Peer:
    peer = Peer(config).connect()
    peer.expect("S", seq=0, size=0)
    return peer


def test_syn_offers_every_option() -> None:
    peer = Peer(TcpConfig()).connect()
    options = peer.expect("S", window=65_535).options
    scale = scale_for(TcpConfig().window_max)
    assert (options.mss, options.wscale, options.sack_permitted, options.ts_ecr) == (1_460, scale, True, 0)


def test_syn_ack_is_acknowledged() -> None:
    peer = opening()
    peer.inject("S.", ack=1)
    peer.expect(".", seq=1, ack=1)
    assert peer.state is State.ESTABLISHED


def test_syn_ack_is_acknowledged_by_waiting_data() -> None:
    peer = opening()
    peer.connection.write(b"hello")
    peer.inject("S.", ack=1)
    peer.expect("P.", seq=1, ack=1, data=b"hello")
    peer.expect_nothing()


def test_syn_ack_may_bring_data_and_fin() -> None:
    peer = opening()
    peer.inject("SF.", ack=1, data=b"bye")
    peer.expect(".", ack=5)
    assert peer.state is State.CLOSE_WAIT
    assert peer.received == b"bye"


@pytest.mark.parametrize("ack", [0, 2, -5])
def test_ack_of_something_else_is_reset_and_the_syn_goes_on(ack: int) -> None:
    peer = opening()
    peer.inject(".", ack=ack)
    peer.expect("R", seq=ack)
    assert peer.state is State.SYN_SENT
    peer.inject("R.", ack=ack)
    assert peer.state is State.SYN_SENT
    peer.expect_nothing()


def test_rst_with_our_ack_means_refused() -> None:
    peer = opening()
    peer.inject("R.", ack=1)
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ECONNREFUSED
    peer.expect_nothing()


def test_rst_without_ack_is_ignored() -> None:
    peer = opening()
    peer.inject("R")
    assert peer.state is State.SYN_SENT


def test_ack_alone_or_fin_alone_is_ignored() -> None:
    peer = opening()
    peer.inject(".", ack=1, data=3)
    peer.inject("F", seq=0)
    peer.expect_nothing()
    assert peer.state is State.SYN_SENT


def test_simultaneous_open() -> None:
    """RFC 9293, 3.5, figure 7: SYN crosses SYN, SYN-ACK crosses SYN-ACK."""
    peer = opening()
    peer.inject("S", seq=0)
    peer.expect("S.", seq=0, ack=1)
    assert peer.state is State.SYN_RECEIVED
    peer.inject("S.", seq=0, ack=1)
    peer.expect(".", seq=1, ack=1)
    assert peer.state is State.ESTABLISHED
    peer.inject("P.", seq=1, data=b"x")
    assert peer.received == b"x"


def test_simultaneous_open_may_end_with_a_plain_ack() -> None:
    peer = opening()
    peer.inject("S", seq=0)
    peer.expect("S.")
    peer.inject(".", seq=1, ack=1)
    assert peer.state is State.ESTABLISHED


def test_rst_in_a_simultaneous_open_means_refused() -> None:
    peer = opening()
    peer.inject("S", seq=0)
    peer.expect("S.")
    peer.inject("R", seq=1)
    assert peer.connection.error == errno.ECONNREFUSED


def test_syn_is_repeated_with_doubled_pauses_and_given_up() -> None:
    peer = opening()
    started = peer.now
    times = []
    for _ in range(6):
        peer.tick(peer.until_deadline())
        peer.expect("S", seq=0)
        times.append((peer.now - started) // SECOND)
    assert times == [1, 3, 7, 15, 31, 63]
    peer.tick(64 * SECOND)
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ETIMEDOUT


def test_hard_icmp_error_ends_it_soft_one_is_remembered() -> None:
    peer = opening()
    peer.connection.signal_error(errno.EHOSTUNREACH, hard=False)
    assert peer.state is State.SYN_SENT
    peer.tick(130 * SECOND)
    assert peer.connection.error == errno.EHOSTUNREACH
    peer = opening()
    peer.connection.signal_error(errno.ECONNREFUSED, hard=True)
    peer.turn()
    assert peer.state is State.CLOSED


def test_close_and_abort_send_nothing() -> None:
    for verb in ("close", "abort"):
        peer = opening()
        getattr(peer, verb)()
        peer.expect_nothing()
        assert peer.state is State.CLOSED


def test_shutdown_waits_for_established() -> None:
    peer = opening()
    peer.connection.write(b"x")
    peer.shutdown()
    assert peer.state is State.SYN_SENT
    peer.inject("S.", ack=1)
    peer.expect("F.", seq=1, ack=1, data=b"x")
    assert peer.state is State.FIN_WAIT_1
