"""RFC 3168: ECN on TCP, between two hosts on a network that marks, and segment by segment."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from hythe.config import TcpConfig
from hythe.tcp import ecn
from hythe.units import SECOND
from tests.tcp.harness import Peer
from tests.tcp.network import App, Faults, Network


def agreed(ours: str, theirs: str) -> tuple[bool, bool]:
    """Do client and server use ECN?"""
    network = Network(Random(1), Faults(), configs=(TcpConfig(ecn=ours), TcpConfig(ecn=theirs)))
    server, client = App(b"x"), App(b"y")
    network.serve(lambda: server)
    network.connect(client)
    network.run(SECOND)
    assert client.connection is not None
    assert server.connection is not None
    return client.connection.info().ecn, server.connection.info().ecn


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("on", "on", True),
        ("on", "accept", True),
        ("on", "off", False),
        ("accept", "accept", False),
        ("accept", "on", False),
        ("off", "on", False),
    ],
)
def test_6_1_1_who_asks_whom(ours: str, theirs: str, expected: bool) -> None:
    assert agreed(ours, theirs) == (expected, expected)


def test_6_1_1_a_syn_that_is_resent_does_not_ask() -> None:
    peer = Peer(ecn="on").connect()
    assert peer.expect("SEW").seq == 0
    peer.tick(SECOND)
    peer.expect("S", seq=0)


def sender(**changes: Any) -> Peer:
    peer = Peer(ecn="accept", **changes).listen()
    peer.inject("SEW", mss=1_000)
    peer.expect("SE.")
    peer.inject(".")
    peer.write(10_000)
    assert [out.tos & ecn.MASK for out in peer.sent()] == [ecn.ECT_0]
    return peer


def test_6_1_2_an_echo_halves_the_window_once_a_round_trip() -> None:
    peer = sender()
    for ack in (1_001, 2_001, 3_001):
        peer.inject("E.", ack=ack)
    control = peer.connection.congestion
    assert (control.cwnd, control.ssthresh) == (5_000, 5_000)  # half of what was out
    assert peer.connection.retransmits == 0
    peer.inject("E.", ack=10_001)
    peer.write(4_000)
    out = peer.sent()[0]
    assert "W" in out.flags
    assert out.tos & ecn.MASK == ecn.ECT_0


def test_6_1_2_an_echo_with_nothing_outstanding_is_none() -> None:
    peer = sender()
    peer.inject(".", ack=10_001)
    before = peer.connection.congestion.cwnd
    peer.inject("E.", ack=10_001)
    assert peer.connection.congestion.cwnd == before


def test_6_1_2_a_loss_is_told_with_cwr_too() -> None:
    peer = sender()
    peer.tick(peer.until_deadline())
    assert "W" not in peer.expect(".", seq=1).flags
    peer.inject(".", ack=10_001)
    peer.write(1_000)
    assert "W" in peer.sent()[0].flags


def test_6_1_3_a_mark_is_echoed_until_the_peer_says_it_has_reduced() -> None:
    peer = sender()
    peer.inject(".", ack=10_001)
    peer.inject("P.", data=100, tos=ecn.CE)
    assert peer.sent()[-1].flags == "E."
    peer.inject("P.", data=100, tos=ecn.ECT_0)
    peer.tick(SECOND)
    assert peer.sent()[-1].flags == "E."
    peer.inject("PW.", data=100, tos=ecn.ECT_0)
    peer.tick(SECOND)
    assert peer.sent()[-1].flags == "."


def test_6_1_4_and_5_neither_pure_acks_nor_what_is_resent_are_ect() -> None:
    peer = sender()
    peer.inject("P.", ack=1, data=100)
    peer.tick(peer.until_deadline())
    while (outs := peer.sent()) == []:
        peer.tick(peer.until_deadline())
    assert [out.tos & ecn.MASK for out in outs] == [0] * len(outs)


def test_without_agreement_marks_mean_nothing() -> None:
    peer = Peer(ecn="accept").accepted()
    peer.inject("P.", data=100, tos=ecn.CE)
    peer.tick(SECOND)
    assert [out.flags for out in peer.sent()] == ["."]


def test_a_network_that_marks_slows_without_a_loss() -> None:
    network = Network(Random(2), Faults(marking=0.02), config=TcpConfig(ecn="on"))
    server, client = App(b""), App(bytes(1_000_000))
    network.serve(lambda: server)
    connection = network.connect(client)
    assert network.run(60 * SECOND, lambda: len(server.received) == 1_000_000)
    assert connection.retransmits == 0
    assert connection.congestion.ssthresh < 1_000_000
