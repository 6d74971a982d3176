"""RFC 6298: the retransmission timer (the arithmetic is tested in test_rtt.py)."""

from __future__ import annotations

from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def established(rtt: int = 100) -> Peer:
    """ESTABLISHED after a handshake of `rtt` ms: rto = srtt + max(4 * rttvar, 200 ms)."""
    peer = Peer().listen()
    peer.inject("S", mss=1_000)
    peer.expect("S.")
    peer.tick(ms(rtt))
    peer.inject(".")
    assert peer.connection.rtt.srtt == ms(rtt)
    return peer


def test_2_2_the_handshake_gives_the_first_sample() -> None:
    assert established(100).connection.rtt.rto == ms(300)
    assert established(10).connection.rtt.rto == ms(210)


def test_5_1_the_first_segment_starts_the_timer_the_second_does_not_move_it() -> None:
    peer = established()
    peer.write(1_000)
    peer.tick(ms(50))
    peer.write(1_000)
    assert peer.until_deadline() == ms(250)


def test_5_2_the_timer_stops_when_all_is_acknowledged() -> None:
    peer = established()
    peer.write(1_000)
    peer.inject(".", ack=1_001)
    peer.sent()
    peer.tick(10 * SECOND)
    peer.expect_nothing()


def test_5_3_an_ack_of_new_data_starts_it_again() -> None:
    peer = established()
    peer.write(2_000)
    peer.tick(ms(100))
    peer.inject(".", ack=1_001)
    assert peer.until_deadline() == peer.connection.rtt.rto


def test_5_4_to_5_6_the_earliest_is_resent_and_the_time_doubles() -> None:
    peer = established()
    peer.write(3_000)
    assert peer.expect("P.").size == 3_000
    for wait in (300, 600, 1_200, 2_400):
        peer.tick(ms(wait) - 1)
        peer.expect_nothing()
        peer.tick(1)
        peer.expect(".", seq=1, size=1_000)


def test_5_5_the_time_is_bounded() -> None:
    peer = established()
    peer.write(1_000)
    peer.tick(700 * SECOND)
    assert peer.connection.rtt.rto == 120 * SECOND


def test_3_karn_no_sample_and_no_relief_from_what_was_resent() -> None:
    peer = established()
    peer.write(1_000)
    peer.tick(ms(300))
    peer.inject(".", ack=1_001)
    assert peer.connection.rtt.srtt == ms(100)
    assert peer.connection.rtt.rto == ms(600)
    peer.write(1_000)
    peer.tick(ms(100))
    peer.inject(".", ack=2_001)
    assert peer.connection.rtt.rto == ms(300)


def test_3_karn_nor_from_what_arrived_behind_it() -> None:
    """Without SACK the ACK of later segments had to wait for the repetition of the first."""
    peer = established()
    peer.connection.congestion.cwnd = 20_000
    for _ in range(5):
        peer.write(1_000)
    peer.tick(ms(310))
    peer.inject(".", ack=5_001)
    assert peer.connection.rtt.srtt == ms(100)


def test_5_7_a_handshake_that_timed_out_makes_careful() -> None:
    peer = Peer().listen()
    peer.inject("S", mss=1_000)
    peer.tick(1 * SECOND)
    peer.inject(".")
    assert peer.connection.rtt.rto == 3 * SECOND
    assert peer.connection.congestion.cwnd == 10_000


def test_5_7_a_handshake_that_timed_out_twice_starts_with_one_segment() -> None:
    """RFC 5681, 3.1."""
    peer = Peer().listen()
    peer.inject("S", mss=1_000)
    peer.tick(3 * SECOND)
    peer.inject(".")
    assert peer.connection.congestion.cwnd == 1_000


def test_rfc5681_3_1_ssthresh_falls_once_for_a_loss() -> None:
    peer = established()
    peer.write(10_000)
    peer.tick(ms(300))
    assert peer.connection.congestion.ssthresh == 5_000
    peer.tick(ms(600))
    assert peer.connection.congestion.ssthresh == 5_000
    assert peer.connection.congestion.cwnd == 1_000
