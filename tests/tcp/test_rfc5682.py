"""RFC 5682 (F-RTO) and RFC 3522 (Eifel): a time-out because of a delay, not of a loss."""

from __future__ import annotations

from typing import Any

from tests.tcp.harness import Peer, ms


def timed_out(segments: int = 20, **changes: Any) -> Peer:
    """Ten segments of 1,000 bytes are out, the first of them twice."""
    peer = Peer(sack=True, tail_probes=False, **changes).accepted(mss=1_000, sack_permitted=True)
    peer.write(segments * 1_000)
    assert sum(out.size for out in peer.sent()) == 10_000
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.congestion.cwnd == 1_000
    return peer


def test_3_1_step_2b_new_data_follows_the_first_ack() -> None:
    peer = timed_out()
    peer.inject(".", ack=1_001)
    peer.expect(".", seq=10_001)
    peer.expect_nothing()


def test_3_1_step_3b_an_ack_for_what_was_sent_once_undoes_it() -> None:
    peer = timed_out()
    peer.inject(".", ack=1_001)
    peer.sent()
    peer.inject(".", ack=3_001)
    connection = peer.connection
    assert connection.undone == 1
    assert connection.congestion.cwnd >= 10_000
    assert connection.congestion.ssthresh > 1 << 60
    assert connection.scoreboard.lost == 0
    assert all(out.seq > 10_000 for out in peer.sent())


def test_3_1_step_3a_otherwise_the_loss_was_real() -> None:
    peer = timed_out()
    peer.inject(".", ack=1_001)
    new = peer.sent()[-1]
    peer.inject(".", ack=1_001, sack=((10_001, new.seq + new.size),))
    connection = peer.connection
    assert connection.undone == 0
    assert connection.congestion.ssthresh == 5_000
    assert peer.sent()[0].seq == 1_001


def test_3_1_step_2a_all_acknowledged_at_once_proves_nothing() -> None:
    peer = timed_out()
    peer.inject(".", ack=10_001)
    assert peer.connection.undone == 0
    assert peer.connection.congestion.ssthresh == 5_000


def test_no_new_data_no_f_rto() -> None:
    peer = timed_out(segments=10)
    peer.inject(".", ack=1_001)
    assert peer.sent()[0].seq == 1_001


def test_off_when_it_is_switched_off() -> None:
    peer = timed_out(frto=False)
    peer.inject(".", ack=1_001)
    assert peer.sent()[0].seq == 1_001


def eifel(echo_of_original: bool) -> Peer:
    peer = Peer(timestamps=True).accepted(mss=1_000, ts_val=1, ts_ecr=0)
    connection = peer.connection
    peer.write(10_000)
    first = peer.sent()[0].options.ts_val
    peer.tick(peer.until_deadline())
    again = peer.expect(".", seq=1).options.ts_val
    assert first is not None
    assert again is not None
    assert again - first & 0xFFFFFFFF >= 200
    assert connection.congestion.ssthresh == 4_940
    peer.tick(ms(10))
    peer.inject(".", ack=3 * 988 + 1, ts_val=2, ts_ecr=first if echo_of_original else again)
    return peer


def test_rfc3522_3_2_the_echo_of_the_original_undoes_a_time_out() -> None:
    peer = eifel(True)
    assert peer.connection.undone == 1
    assert peer.connection.scoreboard.lost == 0
    assert peer.connection.congestion.cwnd >= 9_880


def test_rfc3522_3_2_the_echo_of_the_retransmission_does_not() -> None:
    peer = eifel(False)
    assert peer.connection.undone == 0
    assert peer.connection.scoreboard.lost > 0


def test_rfc8985_6_2_step_3_a_needless_recovery_tells_of_reordering() -> None:
    """What came late had been resent by then, so only the undoing can tell that nothing was lost."""
    peer = Peer(timestamps=True, sack=True).accepted(mss=1_000, ts_val=1, ts_ecr=0, sack_permitted=True)
    board = peer.connection.scoreboard
    peer.write(9_880)
    first = peer.sent()[0].options.ts_val
    peer.tick(ms(20))
    peer.inject(".", ack=1, ts_val=2, ts_ecr=first, sack=((989, 989 + 3 * 988),))
    assert 1 in [out.seq for out in peer.sent()]
    assert board.recovering
    peer.inject(".", ack=1 + 4 * 988, ts_val=2, ts_ecr=first)
    assert not board.recovering
    assert peer.connection.undone == 1
    assert board.reordered == 4 * 988
