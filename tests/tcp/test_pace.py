"""Pacing: how fast, how much at once, and that nothing waits for ever."""

from __future__ import annotations

from random import Random

from hythe.config import TcpConfig
from hythe.tcp import pace
from hythe.units import MILLISECOND, SECOND
from tests.tcp.harness import Peer, ms
from tests.tcp.network import App, Faults, Network


def sender() -> Peer:
    """Established over 100 ms, with a window of 100 segments of 1,000 bytes."""
    peer = Peer(pacing=True).listen()
    peer.inject("S", mss=1_000)
    peer.expect("S.")
    peer.tick(ms(100))
    peer.inject(".")
    peer.connection.congestion.cwnd = 100_000
    return peer


def test_the_rate_is_twice_the_window_in_slow_start_and_a_fifth_above_it_after() -> None:
    peer = sender()
    assert pace.rate(peer.connection) == 2_000_000
    peer.connection.congestion.ssthresh = 100_000
    assert pace.rate(peer.connection) == 1_200_000
    assert peer.connection.info().pacing_rate == 1_200_000


def test_a_window_leaves_over_half_a_round_trip() -> None:
    peer = sender()
    peer.write(60_000)
    first = sum(out.size for out in peer.sent())
    assert first == 2_000
    left = [first]
    for _ in range(30):
        peer.tick(MILLISECOND)
        left.append(sum(out.size for out in peer.sent()))
    assert sum(left) == 60_000
    assert max(left) <= 4_000


def test_what_is_resent_leaves_over_a_round_trip_too() -> None:
    """After a time-out slow start doubles: what an ACK of many lets out is a burst otherwise."""
    peer = Peer(pacing=True, sack=True, rack=False, tail_probes=False, frto=False).listen()
    peer.inject("S", mss=1_000, sack_permitted=True)
    peer.expect("S.")
    peer.tick(ms(100))
    peer.inject(".")
    connection = peer.connection
    connection.congestion.cwnd = 40_000
    peer.write(40_000)
    peer.tick(ms(100))
    assert sum(out.size for out in peer.sent()) == 40_000
    peer.tick(ms(300))
    peer.expect(".", seq=1, size=1_000)
    connection.congestion.cwnd = 20_000
    peer.inject(".", ack=1_001)
    bursts = [sum(out.size for out in peer.sent())]
    for _ in range(60):
        peer.tick(MILLISECOND)
        bursts.append(sum(out.size for out in peer.sent()))
    assert max(bursts) <= 2_000
    assert sum(bursts) >= 15_000


def test_off_it_leaves_at_once() -> None:
    peer = Peer().accepted(mss=1_000)
    peer.write(10_000)
    assert sum(out.size for out in peer.sent()) == 10_000


def test_a_transfer_ends_as_fast() -> None:
    def length(pacing: bool) -> int:
        network = Network(Random(1), Faults(delay=20 * MILLISECOND), config=TcpConfig(pacing=pacing))
        server, client = App(b""), App(bytes(2_000_000))
        network.serve(lambda: server)
        network.connect(client)
        begun = network.now
        assert network.run(60 * SECOND, lambda: len(server.received) == 2_000_000)
        return network.now - begun

    assert length(True) <= 1.2 * length(False)
