"""Decisions told to who listens, and `Connection.info`."""

from __future__ import annotations

from hythe.tcp import trace
from hythe.tcp.trace import Decision
from hythe.units import SECOND
from tests.tcp.harness import Peer, ms


def listening() -> tuple[Peer, list[Decision]]:
    peer = Peer(sack=True).accepted(mss=1_000, sack_permitted=True)
    heard: list[Decision] = []
    peer.connection.trace = heard.append
    return peer, heard


def test_a_recovery_is_told_with_reason_and_section() -> None:
    peer, heard = listening()
    peer.write(10_000)
    peer.inject(".", ack=1, sack=((1_001, 5_001),))
    peer.inject(".", ack=10_001)
    iss = peer.iss
    now = peer.now
    assert heard == [
        trace.RecoveryEntered(now, "RFC 8985, 6.2", "time", iss + 10_001, 5_000),
        trace.Retransmitted(now, "RFC 6675, 5 (C)", "lost", iss + 1, iss + 1_001),
        trace.RecoveryEnded(now, "RFC 6675, 5", 5_000),
    ]


def test_probes_and_time_outs_are_told() -> None:
    peer, heard = listening()
    peer.write(3_000)
    peer.tick(2 * SECOND)
    kinds = [type(each) for each in heard]
    assert kinds[:3] == [trace.Retransmitted, trace.TimedOut, trace.Retransmitted]
    assert heard[1] == trace.TimedOut(heard[1].now, "RFC 6298, 5.4", 1, peer.connection.rtt.after(1))


def test_window_probes_are_told() -> None:
    peer, heard = listening()
    peer.inject(".", win=0)
    peer.write(100)
    peer.tick(ms(500))
    assert [type(each) for each in heard] == [trace.Probe]


def test_rfc4821_7_7_long_segments_that_vanish_become_short() -> None:
    peer = Peer(mtu_probing=True).accepted(mss=1_460)
    heard: list[Decision] = []
    peer.connection.trace = heard.append
    peer.write(5_000)
    peer.sent()
    peer.tick(2 * SECOND)
    assert [out.gso_size for out in peer.sent()] == [0, 0, 1_024]  # the third leaves in pieces
    assert [each.mss for each in heard if isinstance(each, trace.BlackHole)] == [1_024]
    peer.inject(".", ack=1_461)
    assert {out.gso_size for out in peer.sent()} <= {0, 1_024}


def test_rfc4821_not_unless_switched_on() -> None:
    peer = Peer().accepted(mss=1_460)
    peer.write(5_000)
    peer.sent()
    peer.tick(2 * SECOND)
    assert {out.size for out in peer.sent()} == {1_460}


def test_info_tells_what_tcp_info_does() -> None:
    peer, _ = listening()
    peer.write(10_000)
    peer.inject(".", ack=1, sack=((1_001, 5_001),))
    info = peer.connection.info()
    assert (info.delivered, info.sacked, info.lost, info.resent) == (4_000, 4_000, 1_000, 1_000)
    assert (info.ssthresh, info.retransmits, info.fast_retransmits) == (5_000, 1, 1)
    assert (info.reordering, info.undone, info.dsacks, info.backoff) == (3_000, 0, 0, 0)
    assert (info.congestion, info.ecn, info.rtt_min) == ("reno", False, 1)
