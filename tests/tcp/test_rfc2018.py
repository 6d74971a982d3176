"""RFC 2018: what a receiver tells with SACK, and what a sender believes."""

from __future__ import annotations

from hythe.units import SECOND
from tests.tcp.harness import Peer


def receiver() -> Peer:
    return Peer(sack=True).accepted(sack_permitted=True)


def test_2_no_sack_without_permission() -> None:
    peer = Peer(sack=True).accepted()
    peer.inject("P.", seq=101, data=100)
    assert peer.expect(".", ack=1).sack == ()


def test_3_each_segment_beyond_a_gap_is_reported_at_once() -> None:
    peer = receiver()
    peer.inject("P.", seq=101, data=100)
    peer.expect(".", ack=1, sack=((101, 201),))
    peer.inject("P.", seq=201, data=100)
    peer.expect(".", ack=1, sack=((101, 301),))


def test_4_the_most_recent_block_comes_first() -> None:
    peer = receiver()
    for seq in (101, 301, 501, 701, 901):
        peer.inject("P.", seq=seq, data=100)
    assert peer.sent()[-1].sack == ((901, 1_001), (701, 801), (501, 601), (301, 401))
    peer.inject("P.", seq=401, data=50)
    assert peer.expect(".").sack[0] == (301, 451)


def test_4_blocks_vanish_when_the_gap_closes() -> None:
    peer = receiver()
    peer.inject("P.", seq=101, data=100)
    peer.inject("P.", seq=301, data=100)
    peer.sent()
    peer.inject("P.", seq=1, data=100)
    peer.expect(".", ack=201, sack=((301, 401),))
    peer.inject("P.", seq=201, data=100)
    peer.expect(".", ack=401, sack=())


def test_4_a_reply_with_data_does_not_swallow_the_report() -> None:
    """A segment with data is no duplicate ACK (RFC 5681, 2): the report leaves by itself, before it."""
    peer = receiver()
    peer.connection.write(b"answer")
    peer.inject("P.", seq=101, data=100)
    peer.expect(".", ack=1, sack=((101, 201),))
    peer.expect("P.", data=b"answer")


def test_5_blocks_that_cannot_be_are_ignored() -> None:
    peer = receiver()
    peer.write(3_000)
    peer.sent()
    for block in ((5_000, 6_000), (-500, -100), (2_000, 1_500), (1, 1_461)):
        peer.inject(".", ack=1, sack=(block,))
    assert peer.connection.scoreboard.sacked == 0


def test_8_after_a_time_out_a_receiver_that_reneged_gets_everything_again() -> None:
    peer = receiver()
    peer.write(4 * 1_460)
    peer.sent()
    peer.inject(".", ack=1, sack=((1_461, 5_841),))
    peer.sent()
    peer.inject(".", ack=1_461)  # and now it claims to know nothing of the rest
    peer.sent()
    assert peer.connection.scoreboard.sacked == 3 * 1_460
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1_461, size=1_460)
    peer.inject(".", ack=2_921)
    seen = [out.seq for out in peer.sent()]
    assert seen[0] == 2_921
    peer.inject(".", ack=5_841)
    assert peer.connection.flight == 0
    peer.tick(SECOND)
    peer.expect_nothing()
