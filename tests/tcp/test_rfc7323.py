"""RFC 7323: window scaling, timestamps, PAWS."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from hythe.config import TcpConfig
from hythe.units import KIB, MILLISECOND, SECOND
from tests.tcp.harness import PLAIN, Peer, ms


def stamped(**changes: Any) -> Peer:
    peer = Peer(PLAIN, timestamps=True, **changes)
    peer.listen()
    peer.inject("S", mss=1_460, ts_val=100, ts_ecr=0, sack_permitted=peer.config.sack)
    out = peer.expect("S.")
    assert out.options.ts_ecr == 100
    peer.inject(".", ts_val=100, ts_ecr=out.options.ts_val)
    return peer


def test_2_2_both_sides_scale_or_neither_does() -> None:
    peer = Peer(PLAIN, window_scaling=True, receive_buffer=512 * KIB).listen()
    peer.inject("S", win=1_000)
    assert peer.expect("S.", window=65_535).options.wscale is None
    peer.inject(".", win=1_000)
    assert (peer.connection.snd_wnd, peer.connection.rcv_limit) == (1_000, 65_535)


def test_2_2_the_window_of_a_syn_is_never_scaled() -> None:
    peer = Peer(PLAIN, window_scaling=True, receive_buffer=512 * KIB).listen()
    peer.inject("S", win=1_000, wscale=7)
    peer.expect("S.", window=65_535)
    assert peer.connection.snd_wnd == 1_000
    peer.inject(".", win=1_000)
    assert peer.connection.snd_wnd == 128_000


def test_2_3_shift_is_at_most_14() -> None:
    peer = Peer(PLAIN, window_scaling=True).listen()
    peer.inject("S", wscale=200)
    peer.expect("S.")
    peer.inject(".", win=1)
    assert peer.connection.snd_wnd == 1 << 14


def test_2_4_the_right_edge_neither_moves_back_nor_creeps() -> None:
    peer = Peer(PLAIN, window_scaling=True, receive_buffer=512 * KIB).accepted(wscale=7)
    peer.reads = False
    edges = []
    for _ in range(600):
        peer.inject("P.", data=997)
        edges += [out.ack + (out.window << 3) for out in peer.sent() if out.ack is not None]
    assert edges
    assert all(before - after < 8 for before, after in pairwise(edges))
    assert max(edges) <= 1 + 512 * KIB
    assert 512 * KIB - 8 < peer.connection.recvq.held <= 512 * KIB


def test_3_2_every_segment_bears_timestamps() -> None:
    peer = stamped()
    peer.write(b"x")
    first = peer.expect("P.").options
    peer.tick(ms(7))
    peer.inject("P.", data=b"y", ts_val=103, ts_ecr=first.ts_val)
    peer.write(b"z")
    second = peer.expect("P.").options
    assert second.ts_ecr == 103
    assert second.ts_val is not None
    assert first.ts_val is not None
    assert second.ts_val - first.ts_val == 7
    assert peer.connection.snd_mss == 1_448


def test_4_1_a_resent_segment_gives_a_sample_by_its_echo() -> None:
    peer = stamped()
    peer.write(b"x")
    peer.expect("P.")
    peer.tick(peer.until_deadline())
    again = peer.expect("P.").options
    peer.tick(ms(30))
    peer.inject(".", ts_val=101, ts_ecr=again.ts_val)
    assert abs(peer.connection.rtt.latest - 30 * MILLISECOND) <= MILLISECOND
    assert peer.connection.rtt.backoff == 0


def test_4_1_an_echo_older_than_what_called_for_the_ack_gives_none() -> None:
    """Our segment arrived, its ACK was lost; what the repetition calls for still echoes the first one's timestamp."""
    peer = stamped(sack=True, tail_probes=False)
    peer.inject("P.", data=1, ts_val=100, ts_ecr=0)
    peer.write(b"x")
    first = peer.expect("P.").options
    peer.tick(ms(210))
    peer.expect("P.", seq=1)
    before = peer.connection.rtt.srtt
    peer.tick(ms(30))
    peer.inject(".", ack=2, ts_val=101, ts_ecr=first.ts_val, sack=[(1, 2)])
    assert peer.connection.rtt.srtt == before
    assert peer.connection.rtt.backoff == 1  # RFC 6298, 3: until something is measured


def test_4_1_the_newest_of_all_that_is_news_gives_the_sample() -> None:
    """The ACK of 1:1001 was lost; what tells of it now was called for by 2001:3001, which left much later."""
    peer = stamped(sack=True, nagle=False, tail_probes=False)
    peer.write(1_000)
    first = peer.expect("P.").options
    peer.write(1_000)
    peer.expect("P.", seq=1_001)
    peer.tick(ms(150))
    peer.write(1_000)
    peer.expect("P.", seq=2_001)
    peer.tick(ms(20))
    peer.inject(".", ack=1_001, ts_val=101, ts_ecr=first.ts_val, sack=[(2_001, 3_001)])
    assert peer.connection.rtt.latest == ms(20)
    assert peer.connection.rtt.srtt <= ms(20)  # and nothing else was taken for one


def test_4_1_an_answer_to_an_earlier_syn_gives_no_sample() -> None:
    peer = Peer(PLAIN, timestamps=True).connect()
    first = peer.expect("S").options
    peer.tick(SECOND)
    peer.expect("S")
    peer.tick(ms(20))
    peer.inject("S.", ack=1, mss=1_460, ts_val=100, ts_ecr=first.ts_val)
    assert peer.connection.rtt.srtt == 0
    assert peer.connection.rtt.rto == 3 * SECOND  # RFC 6298, 5.7


def test_3_2_a_syn_that_came_again_is_the_one_that_is_echoed() -> None:
    peer = Peer(PLAIN, timestamps=True).listen()
    peer.inject("S", mss=1_460, ts_val=100, ts_ecr=0)
    assert peer.expect("S.").options.ts_ecr == 100
    peer.inject("S", seq=0, mss=1_460, ts_val=1_100, ts_ecr=0)
    assert peer.expect("S.").options.ts_ecr == 1_100


def test_4_1_an_echo_of_nothing_we_sent_gives_none() -> None:
    peer = stamped()
    before = peer.connection.rtt.srtt
    peer.write(b"x")
    peer.tick(peer.until_deadline())
    peer.inject(".", ts_val=101, ts_ecr=12_345)
    assert peer.connection.rtt.srtt == before


def test_4_3_ts_recent_follows_what_was_acknowledged() -> None:
    """A delayed ACK echoes the oldest of the segments it answers: the delay is part of the round trip."""
    peer = stamped()
    peer.inject("P.", seq=1, data=10, ts_val=110, ts_ecr=0)
    peer.inject("P.", seq=11, data=10, ts_val=120, ts_ecr=0)
    peer.tick(ms(200))
    assert peer.expect(".", ack=21).options.ts_ecr == 110
    peer.inject("P.", seq=31, data=10, ts_val=140, ts_ecr=0)
    assert peer.expect(".", ack=21).options.ts_ecr == 110
    peer.inject("P.", seq=21, data=10, ts_val=130, ts_ecr=0)
    assert peer.expect(".", ack=41).options.ts_ecr == 130


def test_5_3_an_old_segment_is_acknowledged_and_dropped() -> None:
    peer = stamped()
    peer.inject("P.", seq=1, data=b"abc", ts_val=99, ts_ecr=0)
    peer.expect(".", ack=1)
    assert peer.received == b""


def test_5_3_rst_is_not_subject_to_paws() -> None:
    peer = stamped()
    peer.inject("R", seq=1, ts_val=5, ts_ecr=0)
    assert not peer.host.connections


def test_5_3_old_acks_are_answered_seldom() -> None:
    peer = stamped()
    for _ in range(5):
        peer.inject(".", seq=1, ts_val=100 - 5_000 & 0xFFFFFFFF, ts_ecr=0)
    peer.expect(".")
    peer.expect_nothing()


def test_5_3_a_duplicate_ack_that_was_overtaken_is_not_answered_and_counts_for_sack_alone() -> None:
    """Linux's exception: nothing it brings could be an old duplicate's text."""
    peer = stamped(sack=True)
    peer.connection.write(bytes(5_000))
    peer.turn()
    peer.expect("P.")
    window = peer.connection.snd_wnd
    peer.inject(".", seq=1, ack=2_001, ts_val=200, ts_ecr=0)
    peer.inject(".", seq=1, ack=2_001, ts_val=190, ts_ecr=0, win=7, sack=((1, 2_001),))
    peer.expect_nothing()
    assert peer.connection.dsacks_received == 1
    assert (peer.connection.ts_recent, peer.connection.snd_wnd) == (200, window)


def test_5_5_after_24_days_the_old_timestamp_proves_nothing() -> None:
    peer = stamped()
    peer.now += 25 * 86_400 * SECOND
    peer.inject("P.", seq=1, data=b"abc", ts_val=99, ts_ecr=0)
    assert peer.received == b"abc"


def test_4_1_the_wait_of_a_held_syn_is_no_part_of_the_round_trip() -> None:
    peer = Peer(PLAIN, timestamps=True).listen(hold=True)
    peer.inject("S", seq=0, ts_val=100, ts_ecr=0)
    peer.tick(SECOND)
    peer.inject("S", seq=0, ts_val=1_100, ts_ecr=0)
    peer.connection.accept()
    peer.turn()
    assert peer.expect("S.").options.ts_ecr == 1_100


def test_timestamps_wrap() -> None:
    peer = Peer(PLAIN, timestamps=True).listen()
    peer.inject("S", ts_val=0xFFFF_FFFF, ts_ecr=0)
    peer.expect("S.")
    peer.inject(".", ts_val=0xFFFF_FFFF, ts_ecr=0)
    peer.inject("P.", data=b"a", ts_val=1, ts_ecr=0)
    assert peer.received == b"a"


@pytest.mark.rfc("7323", "3.2", "SHOULD")
def test_3_2_a_reset_of_ours_bears_timestamps() -> None:
    peer = stamped()
    peer.inject(".", ts_val=123, ts_ecr=peer.connection.timestamp(peer.now))
    peer.abort()
    options = peer.expect("R.", seq=1).options
    assert (options.ts_val, options.ts_ecr) == (peer.connection.timestamp(peer.now), 123)


def test_options_in_full_default() -> None:
    peer = Peer(TcpConfig()).connect()
    out = peer.expect("S").options
    peer.inject("S.", ack=1, mss=1_460, wscale=8, sack_permitted=True, ts_val=1, ts_ecr=out.ts_val)
    peer.expect(".", ack=1)
    connection = peer.connection
    assert (connection.snd_scale, connection.rcv_scale, connection.sack_on, connection.ts_on) == (8, 8, True, True)
