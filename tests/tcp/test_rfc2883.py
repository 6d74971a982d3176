"""RFC 2883: telling a sender what arrived twice, and RFC 3708: believing it."""

from __future__ import annotations

from hythe.tcp.recvq import ISLANDS_MAX
from tests.tcp.harness import Peer


def receiver() -> Peer:
    return Peer(sack=True).accepted(sack_permitted=True)


def test_4_1_a_segment_that_was_acknowledged_before() -> None:
    peer = receiver()
    peer.inject("P.", seq=1, data=200)
    peer.sent()
    peer.inject("P.", seq=1, data=100)
    peer.expect(".", ack=201, sack=((1, 101),))
    peer.inject("P.", seq=301, data=100)
    peer.expect(".", ack=201, sack=((301, 401),))  # told once


def test_4_1_the_part_that_was_acknowledged_before() -> None:
    peer = receiver()
    peer.inject("P.", seq=1, data=100)
    peer.sent()
    peer.inject("P.", seq=51, data=100)
    peer.tick(1_000_000_000)
    peer.expect(".", ack=151, sack=((51, 101),))


def test_4_2_a_segment_beyond_a_gap_comes_before_the_block_that_holds_it() -> None:
    peer = receiver()
    for seq in (101, 201, 501):
        peer.inject("P.", seq=seq, data=100)
    peer.sent()
    peer.inject("P.", seq=101, data=100)
    peer.expect(".", ack=1, sack=((101, 201), (101, 301), (501, 601)))


def test_each_of_a_turn_is_told() -> None:
    peer = receiver()
    peer.inject("P.", seq=1, data=300)
    peer.sent()
    peer.inject_silently("P.", seq=1, data=100)
    peer.inject_silently("P.", seq=101, data=100)
    peer.turn()
    assert [out.sack for out in peer.sent()] == [((1, 101),), ((101, 201),)]


def test_what_was_dropped_for_want_of_room_did_not_arrive_twice() -> None:
    """Else the sender would take it for SACKed, and us for reneging (RFC 2018, 8)."""
    peer = receiver()
    for index in range(ISLANDS_MAX):
        peer.inject_silently("P.", seq=11 + 20 * index, data=10)
    peer.turn()
    peer.sent()
    last = 11 + 20 * ISLANDS_MAX
    peer.inject("P.", seq=last, data=10)
    assert all(right <= last for out in peer.sent() for _, right in out.sack)


def test_no_d_sack_without_sack() -> None:
    peer = Peer(sack=True).accepted()
    peer.inject("P.", seq=1, data=100)
    peer.sent()
    peer.inject("P.", seq=1, data=100)
    peer.expect(".", ack=101, sack=())


def test_rfc3708_3_a_needless_recovery_is_undone() -> None:
    peer = Peer(sack=True).accepted(mss=1_000, sack_permitted=True)
    peer.write(10_000)
    peer.sent()
    peer.inject(".", ack=1, sack=((1_001, 5_001),))
    peer.expect(".", seq=1, size=1_000)
    connection = peer.connection
    assert connection.congestion.ssthresh == 5_000
    peer.inject(".", ack=5_001)  # the first arrived after all, and then its repetition
    peer.inject(".", ack=5_001, sack=((1, 1_001),))
    assert connection.undone == 1
    assert connection.congestion.cwnd == 10_000
    assert connection.congestion.ssthresh > 1 << 60
    assert not connection.scoreboard.recovering


def test_rfc3708_3_not_while_some_of_it_was_needed() -> None:
    peer = Peer(sack=True).accepted(mss=1_000, sack_permitted=True)
    peer.write(10_000)
    peer.sent()
    peer.inject(".", ack=1, sack=((1_001, 2_001), (3_001, 10_001)))
    assert sum(out.size for out in peer.sent()) == 2_000
    peer.inject(".", ack=10_001, sack=((1, 1_001),))
    assert peer.connection.undone == 0
    assert peer.connection.congestion.cwnd == 5_000
