"""TIME-WAIT records: RFC 9293, 3.6.1 and 3.10.7.4; RFC 6191 for opening the same socket pair anew."""

from __future__ import annotations

from typing import Any

import pytest

from hythe.config import HostConfig
from hythe.errors import ParseError
from hythe.host.timewait import TimeWait
from hythe.tcp.connection import Connection
from hythe.tcp.states import State
from hythe.units import NEVER, SECOND
from hythe.wire.segment import ACK, FIN, SYN, Segment
from tests.tcp.harness import PEER_ISS, PEER_PORT, PLAIN, Peer, ms


def time_wait(**changes: Any) -> Peer:
    peer = Peer(PLAIN, **changes)
    stamps = {"ts_val": 100, "ts_ecr": 0} if peer.config.timestamps else {}
    peer.listen()
    peer.inject("S", mss=1_460, **stamps)
    peer.inject(".", **stamps)
    peer.close()
    peer.inject("F.", **stamps)
    assert isinstance(peer.time_wait, TimeWait)
    peer.sent()
    return peer


def syn(peer: Peer, seq: int, **options: Any) -> None:
    peer.inject("S", seq=seq, **options)


def test_syn_beyond_what_was_received_opens_anew() -> None:
    peer = time_wait()
    old = peer.time_wait
    syn(peer, seq=3)
    assert peer.state is State.SYN_RECEIVED
    fresh = peer.host.connections[peer.key]
    assert isinstance(fresh, Connection)
    assert (fresh.iss - old.snd_nxt) & 0xFFFFFFFF == 65_537  # beyond anything the old one sent (RFC 6191, 2)


def test_syn_at_or_before_is_answered_with_an_ack() -> None:
    for seq in (2, 1, -1_000):
        peer = time_wait()
        syn(peer, seq=seq)
        peer.expect(".", seq=2, ack=2)
        assert peer.state is State.TIME_WAIT


def test_rfc6191_a_newer_timestamp_decides() -> None:
    peer = time_wait(timestamps=True)
    syn(peer, seq=-1_000, ts_val=101, ts_ecr=0)
    assert peer.state is State.SYN_RECEIVED


def test_rfc6191_an_equal_one_leaves_it_to_the_sequence_number() -> None:
    peer = time_wait(timestamps=True)
    syn(peer, seq=-1_000, ts_val=100, ts_ecr=0)
    assert peer.state is State.TIME_WAIT
    syn(peer, seq=1_000, ts_val=100, ts_ecr=0)
    assert peer.state is State.SYN_RECEIVED


def test_rfc6191_an_older_one_is_an_old_duplicate_whatever_its_number() -> None:
    peer = time_wait(timestamps=True)
    syn(peer, seq=1_000, ts_val=99, ts_ecr=0)
    assert peer.state is State.TIME_WAIT


def test_the_new_connection_outlives_the_old_record() -> None:
    peer = time_wait()
    syn(peer, seq=1_000)
    peer.inject(".", seq=1_001, ack=peer.host.connections[peer.key].snd_nxt - peer.iss)
    assert peer.state is State.ESTABLISHED
    peer.tick(200 * SECOND)
    assert peer.state is State.ESTABLISHED


def test_rst_in_place_ends_it() -> None:
    peer = time_wait()
    peer.inject("R", seq=3)
    assert peer.state is State.TIME_WAIT
    peer.inject("R", seq=2)
    assert peer.state is State.CLOSED
    peer.expect_nothing()
    peer.tick(100 * SECOND)


def test_an_ack_in_place_is_not_answered() -> None:
    peer = time_wait()
    peer.inject(".", seq=2, ack=2)
    peer.expect_nothing()


def test_text_is_acknowledged_but_seldom_and_changes_nothing() -> None:
    peer = time_wait()
    for _ in range(5):
        peer.inject("P.", seq=2, ack=2, data=10)
    peer.expect(".", seq=2, ack=2)
    peer.expect_nothing()
    peer.tick(ms(500))
    peer.inject("P.", seq=2, ack=2, data=10)
    peer.expect(".", seq=2, ack=2)
    peer.tick(60 * SECOND)
    assert peer.state is State.CLOSED


def test_its_ack_bears_timestamps_when_the_connection_did() -> None:
    peer = time_wait(timestamps=True)
    peer.inject("F.", seq=1, ack=2, ts_val=105, ts_ecr=0)
    assert peer.expect(".").options.ts_ecr == 100


def test_repeated_fins_add_nothing_to_the_queue() -> None:
    peer = time_wait()
    for _ in range(1_000):
        peer.tick(ms(10))
        peer.inject("F.", seq=1, ack=2)
    assert len(peer.sent()) == 1_000
    assert len(peer.host.time_waits) == 1
    peer.tick(130 * SECOND)
    assert peer.state is State.CLOSED
    assert len(peer.host.time_waits) == 0
    assert peer.host.time_waits.deadline == NEVER


def test_the_oldest_makes_room() -> None:
    peer = Peer(host=HostConfig(time_wait_limit=3)).listen()
    for index in range(5):
        port = PEER_PORT + index
        peer.connection = None
        peer.key = peer.key[:8] + port.to_bytes(2, "big") + peer.key[10:]
        peer.inject("S", seq=0, port=port)
        peer.inject(".", seq=1, port=port)
        peer.close()
        peer.inject("F.", seq=1, port=port)
    assert len(peer.host.time_waits) == 3
    assert len(peer.host.connections) == 3
    assert peer.key in peer.host.connections


def test_broken_options_are_a_parse_error() -> None:
    record = time_wait().time_wait
    segment = Segment(record.key, PEER_ISS, 0, SYN, 0, memoryview(b""), 0, b"\x02\x00\x00\x00", 0, 0, 0)
    record.ts_recent = 5
    with pytest.raises(ParseError):
        record.allows(segment)


def test_only_a_bare_syn_may_open() -> None:
    record = time_wait().time_wait
    for flags in (ACK, SYN | ACK, FIN | ACK):
        assert not record.allows(Segment(record.key, PEER_ISS + 99, 0, flags, 0, memoryview(b""), 0, None, 0, 0, 0))
