"""RFC 6582 and RFC 5681, 3.2: NewReno, for peers without SACK."""

from __future__ import annotations

from tests.tcp.harness import Peer


def sender(segments: int = 10) -> Peer:
    peer = Peer().accepted(mss=1_000)
    peer.write(segments * 1_000)
    assert sum(out.size for out in peer.sent()) == 10_000
    return peer


def duplicates(peer: Peer, count: int, ack: int) -> None:
    for _ in range(count):
        peer.inject(".", ack=ack)


def test_3_2_three_duplicates_resend_the_first_segment() -> None:
    peer = sender()
    duplicates(peer, 2, ack=1)
    peer.expect_nothing()
    duplicates(peer, 1, ack=1)
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.congestion.ssthresh == 5_000
    duplicates(peer, 3, ack=1)
    peer.expect_nothing()


def test_3_2_further_duplicates_let_new_data_out() -> None:
    """Each says that a segment has left the network (RFC 5681, 3.2 (4))."""
    peer = sender(segments=20)
    duplicates(peer, 9, ack=1)
    seen = [out.seq for out in peer.sent()]
    assert 1 in seen
    assert max(seen) >= 10_001
    board = peer.connection.scoreboard
    assert board.pipe(peer.connection.flight) <= peer.connection.congestion.cwnd


def test_3_2_a_partial_ack_resends_the_next_hole_at_once() -> None:
    peer = sender()
    duplicates(peer, 3, ack=1)
    peer.expect(".", seq=1)
    peer.inject(".", ack=4_001)
    peer.expect(".", seq=4_001, size=1_000)
    peer.inject(".", ack=7_001)
    peer.expect(".", seq=7_001, size=1_000)
    assert peer.connection.scoreboard.recovering
    peer.inject(".", ack=10_001)
    assert not peer.connection.scoreboard.recovering
    assert peer.connection.congestion.cwnd == 5_000
    assert peer.connection.fast_retransmits == 1


def test_3_2_duplicates_below_the_recovery_point_start_no_new_recovery() -> None:
    peer = sender()
    duplicates(peer, 3, ack=1)
    peer.expect(".", seq=1)
    peer.inject(".", ack=10_001)
    peer.write(5_000)
    peer.sent()
    duplicates(peer, 4, ack=10_001)  # echoes of needless retransmissions
    peer.expect_nothing()


def test_3_2_duplicates_after_a_time_out_start_no_fast_recovery() -> None:
    peer = sender()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1)
    duplicates(peer, 5, ack=1)
    peer.expect_nothing()
    assert peer.connection.fast_retransmits == 0


def test_rfc5681_2_what_is_no_duplicate() -> None:
    peer = sender()
    for index in range(4):
        peer.inject("P.", ack=1, data=1)  # text
        peer.inject(".", ack=1, win=60_000 + index)  # a window update
    assert [out for out in peer.sent() if out.size] == []
    assert peer.connection.scoreboard.dup_acks == 0
