"""Arbitrary and mutated segments into `Host.receive`: nothing is raised, nothing leaks, no state is impossible."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hythe.config import TcpConfig
from hythe.tcp.connection import Connection
from hythe.units import KIB, MILLISECOND, SECOND
from hythe.wire.packet import ABSENT, PARTIAL, VERIFIED
from hythe.wire.segment import ACK, FIN, PSH, RST, SYN
from tests.tcp.harness import PEER_ISS, PEER_PORT, Peer
from tests.tcp.network import check_bounds

CONFIG = TcpConfig(receive_buffer=32 * KIB)
#: Where numbers matter: around what is expected, around the window's edges, the wrap and the far half of the space.
NEAR = st.one_of(
    st.integers(-3, 3),
    st.integers(32_766, 32_772),
    st.integers(65_534, 65_540),
    st.integers(-(1 << 31), 1 << 31),
)
OPTIONS = st.one_of(
    st.just(b""),
    st.binary(max_size=40),
    st.integers(0, 0xFFFFFFFF).map(lambda value: b"\x01\x01\x08\x0a" + value.to_bytes(4, "big") + bytes(4)),
    st.tuples(NEAR, NEAR).map(
        lambda edges: b"\x01\x01\x05\x0a" + b"".join((edge & 0xFFFFFFFF).to_bytes(4, "big") for edge in edges)
    ),
)
SEGMENTS = st.tuples(
    st.integers(0, 255), NEAR, NEAR, st.sampled_from([0, 1, 5_000, 65_535]), OPTIONS, st.binary(max_size=50)
)
VERBS = st.sampled_from(["write", "shutdown", "close", "abort", "read", "tick"])
STEPS = st.lists(st.one_of(SEGMENTS, SEGMENTS, SEGMENTS, VERBS), max_size=25)


def attack(peer: Peer, segment: tuple[int, int, int, int, bytes, bytes]) -> None:
    flags, seq, ack, window, options, payload = segment
    connection = peer.connection
    rcv_nxt = connection.rcv_nxt if connection is not None else PEER_ISS
    una = connection.snd_una if connection is not None else 0
    options += bytes(-len(options) % 4)
    raw = peer._head(rcv_nxt + seq, una + ack, flags, window, len(payload), 0, options)[10:] + payload
    peer.host.receive(peer._ring.fill(raw, 0, PARTIAL), peer.now, peer.interface)
    peer.turn()


def act(peer: Peer, verb: str) -> None:
    connection = peer.connection
    if connection is None or connection.owner is None:
        return
    if verb == "write" and connection.room() > 0:
        peer.write(3_000)
    elif verb == "tick":
        peer.tick(SECOND)
    elif verb != "write":
        getattr(peer, verb)()


def begin(opening: str) -> Peer:
    if opening == "listen":
        return Peer(CONFIG).listen()
    if opening == "connect":
        return Peer(CONFIG).connect()
    peer = Peer(CONFIG).listen()
    peer.inject("S", wscale=3, sack_permitted=True, ts_val=1, ts_ecr=0)
    peer.inject(".", ts_val=1, ts_ecr=0)
    assert peer.connection is not None
    if opening == "sending":
        peer.write(20_000)
    return peer


def check(opening: str, steps: list[object]) -> None:
    peer = begin(opening)
    for step in steps:
        if isinstance(step, tuple):
            attack(peer, step)
        else:
            act(peer, str(step))
        for connection in peer.host.connections.values():
            if isinstance(connection, Connection):
                check_bounds(connection)
    _end(peer)


def _end(peer: Peer) -> None:
    """Whatever came: after RST and two hours nothing is left."""
    for connection in list(peer.host.connections.values()):
        if isinstance(connection, Connection):
            connection.abort()
    peer.turn()
    peer.tick(7_200 * SECOND)
    assert not peer.host.connections
    assert peer.host.around.pool.flows == 0
    assert peer.listener is None or peer.listener.pending == 0


OPENINGS = st.sampled_from(["listen", "connect", "established", "sending"])


@settings(max_examples=700)
@given(OPENINGS, STEPS)
def test_crafted_segments_and_verbs(opening: str, steps: list[object]) -> None:
    check(opening, steps)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@settings(max_examples=100_000)
@given(OPENINGS, STEPS)
def test_crafted_segments_and_verbs_at_length(opening: str, steps: list[object]) -> None:
    check(opening, steps)


def mutated(rng: Random, peer: Peer) -> bytes:
    """A segment of one of 200 peers that try to open or to go on, some bytes of it wrong or missing."""
    flags = rng.choice([SYN, SYN, ACK, ACK | FIN, ACK | PSH, RST])
    raw = bytearray(peer._head(PEER_ISS + rng.randrange(3), rng.getrandbits(32), flags, 500)[10:])
    raw[20:22] = (PEER_PORT + rng.randrange(200)).to_bytes(2, "big")
    raw += rng.randbytes(rng.choice([0, 0, 5, 60]))
    raw[2:4] = len(raw).to_bytes(2, "big")
    for _ in range(rng.choice([0, 0, 1, 3])):
        raw[rng.randrange(len(raw))] = rng.getrandbits(8)
    return bytes(raw[: rng.randrange(1, len(raw) + 1)] if rng.random() < 0.1 else raw)


def flood(rng: Random, count: int) -> None:
    peer = Peer(CONFIG).listen(backlog=50)
    assert peer.listener is not None
    for index in range(count):
        packet = peer._ring.fill(mutated(rng, peer), 0, rng.choice([ABSENT, PARTIAL, VERIFIED]))
        peer.host.receive(packet, peer.now, peer.interface)
        if index % 10 == 0:
            peer.turn()
            peer.tick(MILLISECOND)
            peer.wire.sent.clear()
            assert len(peer.host.connections) <= 50
            assert len(peer.host.around.timers) <= 200
    peer.turn()
    assert peer.listener.pending + peer.host.counters.syn_cookies_sent > 50
    assert peer.host.counters.malformed > 0
    assert peer.host.counters.bad_checksum > 0
    _end(peer)


def test_mutated_packets(rng: Random) -> None:
    flood(rng, 5_000)


@pytest.mark.slow
def test_mutated_packets_at_length(rng: Random) -> None:
    flood(rng, 100_000)


def test_any_bytes_at_all(rng: Random) -> None:
    peer = Peer(CONFIG).listen()
    for _ in range(3_000):
        data = rng.randbytes(rng.randrange(1, 120))
        if rng.random() < 0.7:
            data = rng.choice([b"\x45", b"\x60", b"\x46"]) + data
        packet = peer._ring.fill(data, rng.choice([0, 0, 100]), rng.choice([ABSENT, PARTIAL]))
        peer.host.receive(packet, peer.now, peer.interface)
        peer.turn()
    assert not peer.host.connections
