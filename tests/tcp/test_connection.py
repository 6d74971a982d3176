"""The connection as a whole: header prediction changes nothing but the time it takes, and an idle one is small."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random
from typing import Any

import pytest

from hythe.config import TcpConfig
from hythe.tcp import connection as connection_module
from hythe.tcp.arrive import arrive
from hythe.tcp.connection import Connection
from hythe.units import KIB
from tests.tcp.harness import PEER_PORT, Peer, ms


def scene(seed: int) -> list[object]:
    """A conversation with loss, disorder, windows and timers; what left, and how our side stands after each step."""
    rng = Random(seed)
    peer = Peer(TcpConfig(receive_buffer=8 * KIB, keepalive=True)).listen()
    peer.inject("S", mss=1_000, wscale=2, sack_permitted=True, ts_val=1, ts_ecr=0)
    peer.inject(".", ts_val=1, ts_ecr=peer.sent()[0].options.ts_val)
    log: list[object] = []
    nxt = 1
    for step in range(60):
        if step == 40 and seed % 3 == 0:
            peer.inject("F.", nxt, ts_val=1 + step, ts_ecr=0)
        choice = rng.random()
        una = peer.connection.snd_una - peer.iss
        ack = rng.choice([una, peer.connection.snd_nxt - peer.iss, una + peer.connection.flight // 2])
        stamps = {"ts_val": 1 + step, "ts_ecr": peer.connection.timestamp(peer.now)}
        if choice < 0.5:
            size = rng.choice([0, 1, 500, 1_000, 3_000])
            seq = nxt if rng.random() < 0.8 else nxt + rng.choice([-500, 1_000])
            peer.inject(".", seq, ack, size, rng.choice([0, 500, 20_000]), gso=1_000 if size > 1_000 else 0, **stamps)
            nxt = peer.connection.rcv_nxt - peer.connection.irs
        elif choice < 0.7:
            peer.write(rng.choice([10, 1_000, 5_000]))
        elif choice < 0.85:
            peer.tick(ms(rng.choice([1, 50, 300])))
        else:
            peer.reads = not peer.reads
            if peer.reads:
                peer.read()
        log += [repr(out) for out in peer.sent()]
        log.append(_stand(peer.connection))
    log.append(bytes(peer.received))
    return log


def _stand(connection: Connection) -> tuple[Any, ...]:
    board = connection.scoreboard
    names = (
        "snd_una",
        "snd_nxt",
        "snd_wnd",
        "rcv_nxt",
        "rcv_adv",
        "ts_recent",
        "ack_owed",
        "deadline",
        "rcv_mss",
        "heard_at",
    )
    return (
        *(getattr(connection, name) for name in names),
        *(connection.rtt.srtt, connection.congestion.cwnd, board.sacked, board.lost, connection.recvq.held),
    )


def test_prediction_does_what_the_long_way_does(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    quick = [scene(seed + index) for index in range(60)]
    monkeypatch.setattr(connection_module.Connection, "receive", arrive)
    for index, expected in enumerate(quick):
        assert scene(seed + index) == expected, f"seed {seed + index}"


def test_an_idle_connection_takes_little_memory() -> None:
    """DESIGN: 4 KiB a connection of the gateway, both sides and the socket; this is our part of it."""
    peer = Peer(TcpConfig()).listen(backlog=5_000)

    def open_up(first: int, count: int) -> None:
        for port in range(first, first + count):
            peer.connection = None
            peer.key = peer.key[:8] + port.to_bytes(2, "big") + peer.key[10:]
            options = {"ts_val": port, "ts_ecr": 0}
            peer.inject("S", 0, port=port, mss=1_460, wscale=7, sack_permitted=True, **options)
            peer.inject(".", 1, port=port, **options)
            peer.inject("P.", 1, data=100, port=port, **options)
            peer.connection.owner = None
            peer.write(b"answer")
            peer.inject(".", 101, port=port, **options)
            peer.wire.sent.clear()

    open_up(PEER_PORT, 10)
    peer.tick(ms(5_000))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        open_up(PEER_PORT + 100, 500)
        peer.tick(ms(5_000))
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / 500
    finally:
        tracemalloc.stop()
    assert len(peer.host.connections) == 510
    assert each <= 3 * KIB
