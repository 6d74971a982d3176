"""What keeps a connection alive or lets it go: SO_LINGER, options of one connection, limits of SYNs, shut windows."""

from __future__ import annotations

import errno

import pytest

from hythe.config import TcpConfig
from hythe.tcp.connection import ADJUSTABLE
from hythe.tcp.states import State
from hythe.units import NEVER, SECOND
from tests.tcp.harness import PLAIN, Peer, ms

# --- SO_LINGER


def test_linger_0_resets() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"unsent")
    peer.connection.close(peer.now, linger=0)
    peer.turn()
    peer.expect("R.", seq=1)
    peer.expect_nothing()
    assert peer.state is State.CLOSED


def test_linger_lets_go_what_the_peer_does_not_take_in_time() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"unread")
    peer.connection.close(peer.now, linger=3 * SECOND)
    peer.turn()
    peer.tick(3 * SECOND - 1)
    assert peer.state is State.FIN_WAIT_1
    peer.sent()
    peer.tick(1)
    peer.expect("R.")
    assert (peer.state, peer.connection.error) == (State.CLOSED, errno.ETIMEDOUT)


def test_linger_is_over_once_all_has_arrived() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"read")
    peer.connection.close(peer.now, linger=3 * SECOND)
    peer.turn()
    peer.inject(".")
    assert peer.state is State.FIN_WAIT_2
    peer.tick(59 * SECOND)
    assert peer.state is State.FIN_WAIT_2  # tcp_fin_timeout, not the linger time
    peer.inject("F.")
    assert peer.state is State.TIME_WAIT


def test_without_linger_an_orphan_tries_on() -> None:
    peer = Peer().accepted()
    peer.connection.write(b"x")
    peer.close()
    peer.tick(20 * SECOND)
    assert peer.state is State.FIN_WAIT_1


# --- Options of one connection


@pytest.mark.rfc("9293", "3.8.4", "MUST-24")
def test_keep_alive_can_be_switched_on_and_off() -> None:
    peer = Peer().accepted()
    peer.tick(100 * SECOND)
    peer.expect_nothing()
    peer.connection.adjust(peer.now, keepalive=True, keepalive_idle=120 * SECOND, keepalive_interval=2 * SECOND)
    peer.turn()
    peer.tick(20 * SECOND)
    peer.expect(".", seq=0, size=0)  # 120 s after the peer was last heard
    peer.tick(2 * SECOND)
    peer.expect(".", seq=0, size=0)
    peer.connection.adjust(peer.now, keepalive=False)
    peer.turn()
    peer.tick(1_000 * SECOND)
    peer.expect_nothing()
    assert peer.connection.keep_at == NEVER


def test_nagle_can_be_switched_off() -> None:
    peer = Peer().accepted()
    peer.write(b"a")
    peer.write(b"b")
    peer.expect(".", data=b"a")
    peer.expect_nothing()
    peer.connection.adjust(peer.now, nagle=False)
    peer.turn()
    peer.expect(".", data=b"b")


def test_one_connection_only() -> None:
    peer = Peer().accepted()
    peer.connection.adjust(peer.now, keepalive=True)
    assert not peer.host.config.tcp.keepalive


@pytest.mark.parametrize("name", ["sack", "receive_buffer", "nonsense"])
def test_what_is_settled_when_opening_cannot_be_changed(name: str) -> None:
    peer = Peer().accepted()
    with pytest.raises(ValueError, match=f"{name} is settled when a connection opens"):
        peer.connection.adjust(peer.now, **{name: 1})


def test_what_can_be_adjusted_exists() -> None:
    assert set(TcpConfig.__dataclass_fields__) >= ADJUSTABLE


# --- Limits of SYNs (RFC 9293, 3.8.3; Linux tcp_syn_retries, tcp_synack_retries)


@pytest.mark.rfc("9293", "3.8.3", "MUST-23")
@pytest.mark.parametrize("retries", [0, 1, 3, 6])
def test_so_many_syns_and_no_more(retries: int) -> None:
    peer = Peer(PLAIN, syn_retries=retries).connect()
    peer.tick(400 * SECOND)
    assert [out.flags for out in peer.sent()] == ["S"] * (1 + retries)
    assert peer.connection.error == errno.ETIMEDOUT


@pytest.mark.rfc("9293", "3.8.3", "MUST-23")
@pytest.mark.parametrize("retries", [0, 1, 5])
def test_so_many_syn_acks_and_no_more(retries: int) -> None:
    peer = Peer(PLAIN, synack_retries=retries).listen()
    peer.inject("S")
    peer.tick(400 * SECOND)
    assert [out.flags for out in peer.sent()] == ["S."] * (1 + retries)
    assert peer.state is State.CLOSED


def test_the_time_between_syns_doubles() -> None:
    peer = Peer(PLAIN, syn_retries=4).connect()
    gaps = []
    for _ in range(4):
        gaps.append(peer.until_deadline())
        peer.tick(peer.until_deadline())
    assert gaps == [ms(1_000), ms(2_000), ms(4_000), ms(8_000)]


# --- Zero-window persistence (RFC 9293, 3.8.6.1, MUST-36, MUST-37) and a window that shrinks (3.8.6, MUST-34)


@pytest.mark.rfc("9293", "3.8.6.1", "MUST-37")
def test_a_peer_that_answers_may_keep_its_window_shut_for_hours() -> None:
    peer = Peer().accepted()
    peer.inject(".", win=0)
    peer.write(b"patience")
    probes = 0
    while peer.now < 7_200 * SECOND:
        peer.tick(10 * SECOND)
        if peer.sent():
            probes += 1
            peer.inject(".", win=0)
    assert peer.state is State.ESTABLISHED
    assert 55 < probes < 110  # every 120 s in the end
    peer.inject(".", win=1_000)
    peer.expect(".", data=b"patience")


@pytest.mark.rfc("9293", "3.8.6", "MUST-34")
def test_a_window_that_shrinks_below_what_is_out_is_survived() -> None:
    peer = Peer(PLAIN).accepted(window=5_000)
    peer.write(5_000)
    peer.sent()
    peer.inject(".", ack=1_001, win=500)
    assert peer.connection.snd_wnd == 500
    peer.inject(".", ack=5_001, win=5_000)
    peer.write(b"on")
    peer.expect(".", seq=5_001, data=b"on")


# --- TIME-WAIT without a listener (RFC 9293, 3.10.7.4; RFC 6191)


@pytest.mark.rfc("9293", "3.10.7.4")
def test_a_syn_to_time_wait_without_a_listener_is_refused_or_answered() -> None:
    """Nobody listens: what would open the pair anew is refused, what is old is acknowledged, and the record stays."""
    peer = Peer().connect()
    peer.expect("S")
    peer.inject("S.", mss=1_460)
    peer.expect(".")
    peer.close()
    peer.expect("F.")
    peer.inject("F.")
    peer.expect(".")
    assert peer.state is State.TIME_WAIT
    peer.inject("S", seq=100_000)
    peer.expect("R.", ack=100_001)
    assert peer.state is State.TIME_WAIT
    peer.inject("S", seq=-100_000)
    peer.expect(".", ack=2)
