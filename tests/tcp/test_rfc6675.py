"""RFC 6675: recovery from losses with SACK, by count: RACK is off. The sender has ten segments of 1,000 bytes out."""

from __future__ import annotations

from typing import Any

from tests.tcp.harness import Peer, ms


def sender(segments: int = 10, **changes: Any) -> Peer:
    peer = Peer(sack=True, rack=False, tail_probes=False, **changes).accepted(mss=1_000, sack_permitted=True)
    peer.write(segments * 1_000)
    assert sum(out.size for out in peer.sent()) == min(segments, 10) * 1_000
    return peer


def block(first: int, last: int) -> tuple[int, int]:
    """The SACK block of segments `first` to `last`, counted from 0."""
    return 1 + first * 1_000, 1 + (last + 1) * 1_000


def test_3_two_segments_above_are_no_loss() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(1, 1),))
    peer.inject(".", ack=1, sack=(block(1, 2),))
    peer.expect_nothing()
    assert not peer.connection.scoreboard.recovering


def test_3_more_than_two_segments_above_are() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(1, 3),))
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.fast_retransmits == 1


def test_3_three_separate_runs_above_are() -> None:
    peer = sender()
    for blocks in ((block(2, 2),), (block(4, 4), block(2, 2))):
        peer.inject(".", ack=1, sack=blocks)
    peer.expect_nothing()
    peer.inject(".", ack=1, sack=(block(6, 6), block(4, 4), block(2, 2)))
    assert peer.expect(".", seq=1).size == 1_000


def test_5_1_three_duplicate_acks_do_even_if_little_was_sacked() -> None:
    peer = Peer(sack=True, rack=False, nagle=False).accepted(sack_permitted=True)
    for _ in range(5):
        peer.write(10)
    peer.sent()
    for last in (21, 31, 41):
        peer.inject(".", ack=1, sack=((11, last),))
    peer.expect(".", seq=1, size=10)


def test_5_4_the_window_is_halved_and_the_rest_follows_the_pipe() -> None:
    peer = sender(segments=30)
    peer.inject(".", ack=1, sack=(block(3, 9),))
    out = peer.expect(".", seq=1)
    connection = peer.connection
    assert connection.congestion.ssthresh == 5_000
    assert (connection.scoreboard.lost, connection.scoreboard.sacked) == (3_000, 7_000)
    resent = out.size + sum(each.size for each in peer.sent() if each.seq <= 3_000)
    assert resent == 3_000
    assert connection.scoreboard.pipe(connection.flight) <= 5_000


def test_5_what_is_sacked_is_not_resent() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(7, 9), block(3, 4), block(1, 1)))
    seen = sorted((out.seq, out.size) for out in peer.sent())
    assert seen == [(1, 1_000), (2_001, 1_000), (5_001, 2_000)]


def test_5_recovery_ends_at_the_recovery_point() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(1, 9),))
    peer.expect(".", seq=1)
    assert peer.connection.scoreboard.recovering
    peer.inject(".", ack=10_001)
    assert not peer.connection.scoreboard.recovering
    assert peer.connection.congestion.cwnd == peer.connection.congestion.ssthresh
    assert peer.until_deadline() > ms(1_000_000)


def test_5_a_retransmission_is_resent_only_by_time_out() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(1, 5),))
    peer.expect(".", seq=1)
    for last in (6, 7, 8, 9):
        peer.inject(".", ack=1, sack=(block(1, last),))
    peer.expect_nothing()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1, size=1_000)


def test_5_1_a_loss_during_recovery_is_repaired_after_it() -> None:
    peer = sender(segments=16)
    peer.inject(".", ack=1, sack=(block(1, 9),))  # 0 is lost; what follows leaves as the pipe drains
    sent = peer.sent()
    assert sent[0].seq == 1
    new = [out for out in sent if out.seq >= 10_001]
    assert new
    top = new[-1].seq + new[-1].size
    peer.inject(".", ack=10_001, sack=((11_001, top),))  # the first new one was lost
    peer.inject(".", ack=10_001, sack=((11_001, top), (14_001, 16_001)))
    assert 10_001 in [out.seq for out in peer.sent()]


def test_5_1_time_out_resends_one_and_then_what_was_not_sacked() -> None:
    peer = sender()
    peer.inject(".", ack=1, sack=(block(8, 9),))
    peer.expect_nothing()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1, size=1_000)
    peer.expect_nothing()
    assert peer.connection.congestion.cwnd == 1_000
    peer.inject(".", ack=1_001, sack=(block(8, 9),))
    seen = sum(out.size for out in peer.sent())
    assert seen == 2_000
    peer.inject(".", ack=8_001, sack=(block(8, 9),))
    peer.expect_nothing()
    peer.inject(".", ack=10_001)
    assert peer.connection.flight == 0


def test_a_super_segment_is_split_where_the_loss_is() -> None:
    peer = sender()
    assert len(peer.connection.scoreboard.records) == 1
    peer.inject(".", ack=1, sack=(block(4, 9), block(1, 2)))
    assert sorted((out.seq, out.size) for out in peer.sent()) == [(1, 1_000), (3_001, 1_000)]
