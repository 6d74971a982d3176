"""Two hosts and a network that loses, repeats, reorders, corrupts, truncates and goes away: RFC 9293 as a promise.

Whatever the network does, what is delivered is a prefix of what was sent; once it heals both ends finish, and nothing is
left behind.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hythe.config import TcpConfig
from hythe.units import KIB, MILLISECOND, SECOND
from tests.tcp.network import App, Faults, Network

ODDS = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.2, 0.4])
CONFIGS = st.builds(
    TcpConfig,
    receive_buffer=st.sampled_from([2 * KIB, 16 * KIB, 64 * KIB, 512 * KIB]),
    timestamps=st.booleans(),
    sack=st.booleans(),
    window_scaling=st.booleans(),
    nagle=st.booleans(),
    congestion=st.sampled_from(["reno", "cubic"]),
    eager_ack=st.booleans(),
    rack=st.booleans(),
    tail_probes=st.booleans(),
    frto=st.booleans(),
    pacing=st.booleans(),
    ecn=st.sampled_from(["off", "accept", "on"]),
    mtu_probing=st.booleans(),
)
FAULTS = st.builds(
    Faults,
    loss=ODDS,
    duplication=ODDS,
    corruption=ODDS,
    truncation=ODDS,
    marking=ODDS,
    delay=st.sampled_from([0, MILLISECOND, 50 * MILLISECOND]),
    jitter=st.sampled_from([0, MILLISECOND, 30 * MILLISECOND]),
)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Network, App, App]:
    rng = Random(draw(st.integers(0, 1 << 32)))
    version = draw(st.sampled_from([4, 6]))
    mtu = draw(st.sampled_from([576 if version == 4 else 1_280, 1_500, 9_000]))
    network = Network(rng, draw(FAULTS), mtu, draw(CONFIGS), version=version)
    greeds = st.sampled_from([500, 5_000, 1 << 30])
    sizes = st.integers(0, 200_000)
    client = App(rng.randbytes(draw(sizes)), draw(greeds))
    server = App(rng.randbytes(draw(sizes)), draw(greeds))
    return network, client, server


def exchange(network: Network, client: App, server: App, cuts: list[int]) -> None:
    network.serve(lambda: server)
    network.connect(client)
    for length in cuts:
        network.run(200 * MILLISECOND)
        network.cut_until = network.now + length * MILLISECOND
        prefix(client, server)
    network.run(5 * SECOND)
    prefix(client, server)
    network.heal()
    network.run(400 * SECOND, lambda: client.ended and server.ended)
    prefix(client, server)


def prefix(client: App, server: App) -> None:
    assert server.received == client.data[: len(server.received)]
    assert client.received == server.data[: len(client.received)]


def settle(network: Network) -> None:
    """Let TIME-WAIT and what waits for orphans pass: nothing may be left."""
    network.run(400 * SECOND)
    for host in network.hosts:
        assert not host.connections
        assert host.around.pool.flows == 0
        assert not host.around.ready
        assert host.next_deadline() - network.now > 0
        assert len(host.around.timers) <= 130
    assert network.listener.pending == 0


def check(scene: tuple[Network, App, App], cuts: list[int]) -> None:
    network, client, server = scene
    exchange(network, client, server, cuts)
    assert (client.error, server.error) == (0, 0)
    assert client.ended
    assert server.ended
    assert server.received == client.data
    assert client.received == server.data
    settle(network)


@settings(max_examples=60)
@given(scenes(), st.lists(st.integers(1, 3_000), max_size=3))
def test_everything_arrives_once_the_network_heals(scene: tuple[Network, App, App], cuts: list[int]) -> None:
    check(scene, cuts)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@settings(max_examples=3_000)
@given(scenes(), st.lists(st.integers(1, 3_000), max_size=3))
def test_everything_arrives_once_the_network_heals_at_length(scene: tuple[Network, App, App], cuts: list[int]) -> None:
    check(scene, cuts)
