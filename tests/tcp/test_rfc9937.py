"""RFC 9937: proportional rate reduction, by its arithmetic and in a connection; and RFC 3042, limited transmit."""

from __future__ import annotations

from hythe.tcp.congestion.prr import ProportionalReduction
from tests.tcp.harness import Peer, ms

MSS = 1_000


def test_6_the_window_shrinks_in_proportion() -> None:
    """20 segments to 10: one leaves for every two that arrive."""
    prr = ProportionalReduction(20 * MSS, 0)
    pipe, sent = 19 * MSS, []
    for _ in range(18):
        pipe -= MSS
        room = prr.window(pipe, 10 * MSS, MSS, MSS, safe=False) - pipe
        size = room // MSS * MSS
        prr.out += size
        pipe += size
        sent.append(size // MSS)
    assert sent[:6] == [1, 0, 0, 1, 0, 1]
    assert pipe == 10 * MSS


def test_6_below_ssthresh_as_much_as_was_delivered_or_one_more() -> None:
    prr = ProportionalReduction(20 * MSS, 0)
    prr.out = 4 * MSS
    assert prr.window(4 * MSS, 10 * MSS, 2 * MSS, MSS, safe=False) == 6 * MSS
    assert prr.window(4 * MSS, 10 * MSS, 2 * MSS, MSS, safe=True) == 7 * MSS


def test_6_never_above_ssthresh() -> None:
    prr = ProportionalReduction(20 * MSS, 0)
    assert prr.window(9 * MSS, 10 * MSS, 8 * MSS, MSS, safe=True) == 10 * MSS


def test_6_the_first_ack_always_lets_one_out() -> None:
    prr = ProportionalReduction(1_000 * MSS, 0)
    assert prr.window(900 * MSS, MSS, 1, MSS, safe=False) >= 901 * MSS


def test_there_is_no_silence_after_a_loss() -> None:
    """With the window halved at once, nothing would leave until half of the flight has arrived."""
    peer = Peer(sack=True).listen()
    peer.inject("S", mss=MSS, sack_permitted=True)
    peer.sent()
    peer.tick(ms(100))
    peer.inject(".")
    peer.connection.congestion.cwnd = 20 * MSS
    peer.write(60 * MSS)
    peer.sent()
    peer.tick(ms(100))
    sent = []
    for last in range(1, 20):
        peer.inject(".", ack=1, sack=((1_001, 1 + (last + 1) * 1_000),))
        sent.append(sum(out.size for out in peer.sent()) // MSS)
    assert sent[:2] == [1, 1]  # limited transmit (RFC 3042)
    assert sum(sent[2:]) in range(9, 12)
    assert all(sum(sent[index : index + 3]) >= 1 for index in range(17))


def test_rfc3042_2_the_first_two_duplicates_let_new_data_out() -> None:
    peer = Peer().accepted(mss=MSS)
    peer.write(20 * MSS)
    peer.sent()
    for expected in (10_001, 11_001):
        peer.inject(".", ack=1)
        peer.expect(".", seq=expected, size=MSS)
    peer.expect_nothing()
