"""RFC 5961: blind attacks find a connection that asks back. The section stands in each test's name."""

from __future__ import annotations

import errno

import pytest

from hythe.config import HostConfig
from hythe.tcp.states import State
from hythe.wire.segment import make_key
from tests.tcp.harness import OUR_PORT, OURS, PEERS, Peer, ms


def test_3_2_rst_in_place_resets() -> None:
    peer = Peer().accepted()
    peer.inject("R", seq=1)
    assert peer.connection.error == errno.ECONNRESET
    peer.expect_nothing()


@pytest.mark.parametrize("seq", [2, 1_000, 65_535])
def test_3_2_rst_in_window_is_challenged(seq: int) -> None:
    peer = Peer().accepted()
    peer.inject("R", seq=seq)
    peer.expect(".", seq=1, ack=1)
    assert peer.state is State.ESTABLISHED


@pytest.mark.parametrize("seq", [-5, 0, 65_537, 1 << 30])
def test_3_2_rst_outside_the_window_is_dropped(seq: int) -> None:
    peer = Peer().accepted()
    peer.inject("R", seq=seq)
    peer.expect_nothing()
    assert peer.state is State.ESTABLISHED


def test_3_2_rst_behind_sacked_text_resets() -> None:
    """Linux: the peer's snd_nxt lies beyond a gap."""
    peer = Peer(sack=True).accepted(sack_permitted=True)
    peer.inject("P.", seq=101, data=50)
    peer.sent()
    peer.inject("R", seq=120)
    peer.expect(".", ack=1)
    peer.inject("R", seq=151)
    assert peer.state is State.CLOSED


def test_3_2_rst_with_zero_window_counts_in_place_only() -> None:
    peer = Peer(receive_buffer=100).accepted()
    peer.reads = False
    peer.inject("P.", data=100)
    peer.sent()
    peer.inject("R", seq=102)
    assert peer.state is State.ESTABLISHED
    peer.inject("R", seq=101)
    assert peer.state is State.CLOSED


@pytest.mark.parametrize("seq", [0, 1, 500, 1 << 30])
def test_4_2_syn_is_challenged_wherever_it_lies(seq: int) -> None:
    peer = Peer().accepted()
    peer.inject("S", seq=seq)
    peer.expect(".", seq=1, ack=1)
    assert peer.state is State.ESTABLISHED


def test_4_2_a_restarted_peer_resets_after_the_challenge() -> None:
    peer = Peer().accepted()
    peer.inject("S", seq=99_999)
    challenge = peer.expect(".")
    peer.inject("R", seq=challenge.ack)
    assert peer.state is State.CLOSED


def test_5_2_ack_of_what_was_not_sent_is_challenged_and_its_text_dropped() -> None:
    peer = Peer().accepted()
    peer.inject("P.", ack=100, data=b"evil")
    peer.expect(".", seq=1, ack=1)
    assert peer.received == b""


def test_5_2_ack_older_than_the_largest_window_is_challenged() -> None:
    peer = Peer().accepted(window=1_000)
    for _ in range(5):
        peer.write(1_000)
        peer.sent()
        peer.inject(".", win=1_000)
    peer.inject("P.", seq=1, ack=4_001, data=b"late", win=1_000)
    assert peer.received == b"late"
    peer.sent()
    peer.inject("P.", seq=5, ack=4_000, data=b"evil", win=1_000)
    peer.expect(".", ack=5)
    assert peer.received == b"late"


def test_5_2_ack_before_the_syn_is_never_old_but_wrong() -> None:
    peer = Peer().accepted(window=65_535)
    peer.inject("P.", ack=-100, data=b"evil")
    assert peer.received == b""


def test_7_challenges_are_throttled() -> None:
    peer = Peer().accepted()
    for seq in range(10, 20):
        peer.inject("R", seq=seq)
    peer.expect(".")
    peer.expect_nothing()
    peer.tick(ms(499))
    peer.inject("S", seq=500)
    peer.expect_nothing()
    peer.tick(ms(1))
    peer.inject("S", seq=500)
    peer.expect(".")


def test_7_text_out_of_window_is_answered_each_time() -> None:
    peer = Peer().accepted()
    peer.inject("P.", seq=1, data=b"abc")
    for _ in range(3):
        peer.inject("P.", seq=1, data=b"abc")
        peer.expect(".", ack=4)


def test_7_all_connections_together_are_throttled_as_well() -> None:
    """So that who opens many connections cannot have us send an ACK for each; how many, nobody can count on."""
    peer = Peer(host=HostConfig(challenge_acks_per_second=4)).listen(backlog=50)
    ports = range(40_000, 40_030)
    for port in ports:
        peer.connection = None
        peer.nxt = peer.iss = 0
        peer.key = make_key(PEERS, port, OURS, OUR_PORT)
        peer.inject("S", seq=0, port=port)
        peer.inject(".", seq=1, ack=1, port=port)
    peer.sent()
    for port in ports:
        peer.inject("R", seq=1_000, port=port)
    assert 2 <= len(peer.sent()) <= 6
    assert all(each.state == State.ESTABLISHED for each in peer.host.connections.values())
