"""RFC 8985: RACK-TLP. The sender has ten segments of 1,000 bytes outstanding on a path of 100 ms."""

from __future__ import annotations

from typing import Any

from hythe.tcp.rack import reordering_window
from tests.tcp.harness import Peer, ms


def sender(segments: int = 10, **changes: Any) -> Peer:
    peer = Peer(sack=True, **changes).listen()
    peer.inject("S", mss=1_000, sack_permitted=True)
    peer.expect("S.")
    peer.tick(ms(100))
    peer.inject(".")
    peer.write(segments * 1_000)
    assert sum(out.size for out in peer.sent()) == min(segments, 10) * 1_000
    return peer


def block(first: int, last: int) -> tuple[int, int]:
    """The SACK block of segments `first` to `last`, counted from 0."""
    return 1 + first * 1_000, 1 + (last + 1) * 1_000


def test_6_2_three_segments_above_are_enough_where_nothing_was_reordered() -> None:
    peer = sender()
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 2),))
    peer.expect_nothing()
    peer.inject(".", ack=1, sack=(block(1, 3),))
    peer.expect(".", seq=1, size=1_000)


def test_6_2_less_waits_a_quarter_of_the_shortest_round_trip() -> None:
    peer = sender()
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 1),))
    peer.tick(ms(25) - 1)
    peer.expect_nothing()
    peer.tick(1)
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.scoreboard.recovering


def test_6_2_what_arrives_late_was_not_lost() -> None:
    peer = sender()
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 1),))
    peer.tick(ms(20))
    peer.inject(".", ack=2_001)
    peer.tick(ms(30))
    peer.expect_nothing()
    assert peer.connection.scoreboard.reordered == 2_000


def test_6_2_after_reordering_three_segments_are_not_enough() -> None:
    peer = sender()
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 1),))
    peer.inject(".", ack=2_001)
    peer.inject(".", ack=2_001, sack=(block(3, 9),))
    peer.expect_nothing()
    peer.tick(ms(25))
    peer.expect(".", seq=2_001, size=1_000)


def test_6_2_a_lost_retransmission_is_found_without_a_time_out() -> None:
    peer = sender(segments=30)
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 9),))
    sent = peer.sent()
    assert sent[0].seq == 1
    new = [out for out in sent if out.seq >= 10_001]
    assert new
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=((1_001, new[-1].seq + new[-1].size),))
    peer.tick(ms(25))  # they left in one turn, so a quarter of a round trip decides
    assert [out.seq for out in peer.sent() if out.seq < 10_000] == [1]
    assert peer.connection.timeouts == 0


def test_rfc5681_4_3_a_second_reduction_when_the_retransmission_is_lost_at_the_lower_rate() -> None:
    """The first retransmission met the queue that the old rate had filled, the one after it did not."""
    peer = sender(segments=30)
    board, control = peer.connection.scoreboard, peer.connection.congestion
    peer.tick(ms(100))
    ssthresh = []
    for _ in range(4):
        peer.inject(".", ack=1, sack=((1_001, peer.connection.snd_nxt - peer.iss),))
        peer.tick(ms(25))
        if 1 in [out.seq for out in peer.sent()]:
            ssthresh.append(control.ssthresh)
        peer.tick(ms(100))
    assert ssthresh == [5_000, 5_000, 2_500]
    assert board.recovering
    assert peer.connection.timeouts == 0


def test_6_2_step_4_a_d_sack_widens_the_window() -> None:
    peer = sender()
    peer.tick(ms(100))
    peer.inject(".", ack=1, sack=(block(1, 3),))
    peer.expect(".", seq=1, size=1_000)
    peer.inject(".", ack=4_001)
    peer.tick(ms(100))
    peer.inject(".", ack=4_001, sack=(block(0, 0),))
    connection = peer.connection
    assert connection.rack is not None
    window = reordering_window(connection.scoreboard, connection.rtt, 1 << 30, 1 << 30, connection.rack.steps)
    assert window == 2 * connection.rtt.least // 4


def test_6_3_a_time_out_spares_what_left_just_now() -> None:
    peer = sender(segments=4, tail_probes=False)
    peer.tick(ms(250))
    peer.write(2_000)
    peer.expect("P.", seq=4_001, size=2_000)
    peer.tick(ms(50))
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.scoreboard.lost == 4_000


def test_7_2_after_two_round_trips_of_silence_the_last_segment_leaves_again() -> None:
    peer = sender()
    peer.tick(ms(200) - 1)
    peer.expect_nothing()
    peer.tick(1)
    peer.expect(".", seq=9_001, size=1_000)
    assert peer.connection.timeouts == 0
    assert peer.connection.congestion.cwnd == 10_000


def test_7_2_a_lone_segment_waits_as_long_as_its_ack_may_be_delayed() -> None:
    peer = sender(segments=1)
    peer.tick(ms(300) - 1)
    peer.expect_nothing()
    peer.tick(1)
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.timeouts == 0


def test_7_3_a_new_segment_rather_than_the_last() -> None:
    peer = sender(segments=20)
    peer.tick(ms(200))
    peer.expect(".", seq=10_001, size=1_000)
    peer.expect_nothing()


def test_7_3_the_time_out_follows_if_the_probe_has_no_answer() -> None:
    peer = sender()
    peer.tick(ms(200))
    peer.expect(".", seq=9_001)
    peer.tick(ms(300))
    peer.expect(".", seq=1, size=1_000)
    assert peer.connection.timeouts == 1
    peer.tick(ms(600))
    peer.expect(".", seq=1, size=1_000)


def test_7_3_its_sack_finds_the_losses_before_it() -> None:
    peer = sender()
    peer.tick(ms(200))
    peer.expect(".", seq=9_001)
    peer.tick(ms(100))
    peer.inject(".", ack=7_001, sack=(block(9, 9),))
    peer.tick(ms(25))
    peer.expect(".", seq=7_001, size=2_000)
    assert peer.connection.timeouts == 0


def test_7_4_a_probe_that_repaired_a_loss_shrinks_the_window() -> None:
    peer = sender()
    peer.tick(ms(200))
    peer.expect(".", seq=9_001)
    peer.write(1_000)
    peer.inject(".", ack=10_001)
    assert peer.connection.congestion.ssthresh > 1 << 60
    peer.inject(".", ack=11_001)
    assert peer.connection.congestion.ssthresh == 2_000  # half of the flight, two segments at least
    assert peer.connection.scoreboard.probe_end == -1


def test_7_4_a_probe_that_was_needless_does_not() -> None:
    peer = sender()
    peer.tick(ms(200))
    peer.expect(".", seq=9_001)
    peer.inject(".", ack=10_001)
    peer.inject(".", ack=10_001, sack=(block(9, 9),))
    assert peer.connection.scoreboard.probe_end == -1
    peer.write(1_000)
    peer.inject(".", ack=11_001)
    assert peer.connection.congestion.cwnd >= 10_000


def test_7_no_probe_for_a_peer_without_sack() -> None:
    peer = Peer().accepted(mss=1_000)
    peer.write(5_000)
    peer.sent()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1)
    assert peer.connection.timeouts == 1
