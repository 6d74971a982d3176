"""`hythe.host.accepting`: a full backlog, SYN cookies (RFC 4987), and SYNs to more than one host."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP

from hythe.config import HostConfig, TcpConfig
from hythe.tcp.connection import Connection
from hythe.tcp.states import State
from hythe.units import MILLISECOND, SECOND
from hythe.wire.packet import PARTIAL
from hythe.wire.segment import SYN, envelope, make_key
from tests.host.hosts import LEFT4, RIGHT4, Lone
from tests.tcp.harness import OUR_PORT, OURS, PEER_ISS, PLAIN, Peer

FULL = {"mss": 1_460, "sack_permitted": True, "ts_val": 1_000, "wscale": 7}


def crowded(config: TcpConfig | None = None, **host: Any) -> Peer:
    """A listener whose backlog of one is taken by somebody who never answers."""
    peer = Peer(config or TcpConfig(congestion="reno"), host=HostConfig(**host)).listen(backlog=1)
    peer.inject("S", seq=0, port=50_000)
    peer.tick(100 * MILLISECOND)  # some time that a timestamp can tell
    peer.sent()
    peer.nxt = 0
    return peer


def cookie_of(peer: Peer, **options: Any) -> int:
    """Our sequence number in answer to the peer's SYN; nothing is kept."""
    peer.inject("S", seq=0, **options)
    assert peer.connection is None
    assert len(peer.host.connections) == 1
    answer = peer.expect("S.", ack=1)
    peer.iss = peer.iss + answer.seq & 0xFFFFFFFF
    peer.cookie_answer = answer  # type: ignore[attr-defined]
    return peer.iss


def test_a_full_backlog_is_answered_by_a_cookie_and_serves_who_returns_it() -> None:
    peer = crowded(PLAIN)
    cookie_of(peer, mss=1_300)
    peer.inject("P.", seq=1, ack=1, data=b"hello")
    assert peer.state is State.ESTABLISHED
    assert peer.received == b"hello"
    assert peer.connection.snd_mss == 1_300
    assert (peer.connection.sack_on, peer.connection.ts_on, peer.connection.rcv_scale) == (False, False, 0)
    peer.sent()
    peer.write(b"world")
    peer.expect(".", seq=1, data=b"world", ack=6)
    assert (peer.host.counters.syn_cookies_sent, peer.host.counters.syn_cookies_returned) == (1, 1)


def test_timestamps_bring_the_options_back() -> None:
    peer = crowded()
    cookie_of(peer, **FULL)
    answer = peer.cookie_answer.options  # type: ignore[attr-defined]
    assert (answer.mss, answer.sack_permitted, answer.wscale, answer.ts_ecr) == (1_460, True, 8, 1_000)
    peer.tick(30 * MILLISECOND)
    peer.inject(".", seq=1, ack=1, win=100, ts_val=1_030, ts_ecr=answer.ts_val)
    connection = peer.connection
    assert connection.state == State.ESTABLISHED
    assert (connection.sack_on, connection.ts_on, connection.snd_scale, connection.rcv_scale) == (True, True, 7, 8)
    assert (connection.snd_wnd, connection.ts_recent) == (100 << 7, 1_030)
    assert 30 * MILLISECOND <= connection.rtt.srtt < 170 * MILLISECOND  # the bits took up to 127 ms of precision
    peer.sent()
    peer.write(b"x")
    after = peer.expect(".", seq=1, data=b"x").options.ts_val
    assert after is not None
    assert (after - (answer.ts_val or 0)) & 0xFFFFFFFF < 1_000  # the clock goes on from there


@pytest.mark.parametrize(("ecn", "stamped"), [("accept", True), ("off", True), ("accept", False)])
def test_rfc3168_6_1_1_ecn_is_agreed_upon_by_a_cookie_with_timestamps(ecn: str, stamped: bool) -> None:
    peer = crowded(TcpConfig(ecn=ecn))
    peer.inject("SEW", **(FULL if stamped else {"mss": 1_460}))
    agreed = ecn == "accept" and stamped
    answer = peer.expect("SE." if agreed else "S.")
    peer.iss = answer.seq + peer.iss
    stamps: dict[str, Any] = {"ts_val": 1_030, "ts_ecr": answer.options.ts_val} if stamped else {}
    peer.inject(".", seq=1, ack=1, **stamps)
    assert peer.connection.ecn_on is agreed


def test_no_options_without_timestamps() -> None:
    peer = crowded()
    cookie_of(peer, mss=1_460, sack_permitted=True, wscale=7)
    answer = peer.cookie_answer.options  # type: ignore[attr-defined]
    assert (answer.sack_permitted, answer.wscale, answer.ts_val) == (False, None, None)


def test_a_wrong_cookie_is_refused() -> None:
    peer = crowded(PLAIN)
    cookie_of(peer, mss=1_460)
    peer.inject(".", seq=1, ack=1_000)
    peer.expect("R", seq=1_000)
    peer.inject(".", seq=2, ack=1)
    peer.expect("R", seq=1)
    assert peer.connection is None


def test_a_late_cookie_is_refused() -> None:
    peer = crowded(PLAIN)
    cookie_of(peer, mss=1_460)
    peer.tick(120 * SECOND)
    peer.sent()
    peer.inject(".", seq=1, ack=1)
    peer.expect("R", seq=1)


def test_an_ack_to_a_listener_that_gave_no_cookie_is_refused_unread() -> None:
    peer = Peer().listen()
    peer.inject(".", seq=1, ack=1)
    peer.expect("R")
    assert peer.host.counters.syn_cookies_returned == 0


def test_room_first_cookies_only_then() -> None:
    peer = Peer().listen(backlog=2)
    peer.inject("S", port=50_000)
    peer.inject("S", port=50_001)
    assert len(peer.host.connections) == 2
    assert peer.host.counters.syn_cookies_sent == 0


def test_who_holds_gives_no_cookies() -> None:
    peer = Peer().listen(hold=True, backlog=1)
    peer.listener.owner = None  # type: ignore[union-attr]
    peer.inject("S", port=50_000)
    peer.inject("S", port=50_001)
    peer.expect_nothing()
    assert peer.listener is not None
    assert peer.listener.dropped == 1


def test_without_the_option_a_full_backlog_says_nothing() -> None:
    peer = crowded(PLAIN, syn_cookies=False)
    peer.inject("S", seq=0)
    peer.expect_nothing()


def test_an_owner_who_is_behind_gets_no_more() -> None:
    """A cookie returned while the accept queue is full is kept for later: the peer's data will repeat it."""
    peer = crowded(PLAIN)
    cookie_of(peer, mss=1_460)
    listener = peer.listener
    assert listener is not None
    listener.owner, owner = None, listener.owner
    other = [each for each in peer.host.connections.values() if isinstance(each, Connection)]
    listener.established(other[0])
    peer.inject("P.", seq=1, ack=1, data=b"hi")
    peer.expect_nothing()
    assert peer.connection is None
    peer.inject("S", port=50_007)  # and no cookie either
    peer.expect_nothing()
    listener.owner = owner
    owner.visit(listener, peer.now)
    peer.inject("P.", seq=1, ack=1, data=b"hi")
    assert peer.received == b"hi"


def flood(peer: Peer, count: int, rng: Random) -> None:
    """SYNs from anywhere, none of which is ever followed by anything."""
    for _ in range(count):
        remote = bytes([rng.randrange(1, 120), *rng.randbytes(3)])
        head = envelope(make_key(OURS, OUR_PORT, remote, rng.randrange(1_024, 65_536))).head
        packet = head(rng.getrandbits(32), 0, SYN, 65_535)[10:]
        peer.host.receive(peer._ring.fill(packet, 0, PARTIAL), peer.now, peer.interface)
        peer.turn()
        peer.wire.sent.clear()
        peer.now += 10_000


def flooded(count: int, rng: Random) -> None:
    peer = Peer(TcpConfig(congestion="reno")).listen(backlog=256)
    flood(peer, 1_000, rng)
    tracemalloc.start()
    try:
        flood(peer, count, rng)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 256 << 10
    assert len(peer.host.connections) == 256
    assert peer.host.counters.syn_cookies_sent >= 744 + count
    for number in range(20):  # and those who mean it are served
        peer.connection = None
        peer.key = make_key(bytes([10, 0, 0, 1]), 30_000 + number, OURS, OUR_PORT)
        peer.nxt = peer.iss = 0
        peer._outs.clear()
        peer.inject("S", seq=0, port=30_000 + number, **FULL)
        answer = peer.expect("S.", ack=1)
        peer.iss = answer.seq & 0xFFFFFFFF
        peer.inject("P.", 1, 1, b"hello", port=30_000 + number, ts_val=1_001, ts_ecr=answer.options.ts_val)
        assert peer.state is State.ESTABLISHED
        peer.sent()
    assert peer.received == b"hello" * 20


def test_a_flood_of_syns_takes_no_memory_and_hinders_nobody(rng: Random) -> None:
    flooded(5_000, rng)


@pytest.mark.slow
def test_a_flood_of_100_000_syns_takes_no_memory_and_hinders_nobody(rng: Random) -> None:
    flooded(100_000, rng)


@pytest.mark.rfc("9293", "3.9.2.3", "MUST-57")
@pytest.mark.parametrize("destination", ["192.0.2.255", "224.0.0.1", "255.255.255.255", "127.0.0.1"])
@pytest.mark.parametrize("listens", [False, True])
def test_rfc1122_4_2_3_10_a_syn_to_many_is_dropped(destination: str, listens: bool) -> None:
    lone = Lone(any_destination=True, allow_privileged_ports=True)
    if listens:
        lone.host.listen(None, 80)
    assert lone.send(IP(src=RIGHT4, dst=destination) / TCP(dport=80, sport=5, seq=1)) == []
    assert len(lone.send(IP(src=RIGHT4, dst=LEFT4) / TCP(dport=80, sport=5, seq=1))) == 1
    assert not [key for key in lone.host.connections if key[4:8] != bytes([192, 0, 2, 1])]


def test_peer_iss_is_a_number_that_wraps() -> None:
    """The cookie tests cross the wrap: the SYN's number is the last before it."""
    assert PEER_ISS + 16 == 1 << 32
