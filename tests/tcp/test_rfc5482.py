"""RFC 5482: the user timeout and its option. The section stands in each test's name."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from hythe.tcp.states import State
from hythe.units import MILLISECOND, NEVER, SECOND
from tests.tcp.harness import PLAIN, Peer


def patient(seconds: int, **changes: Any) -> Peer:
    return Peer(PLAIN, user_timeout=seconds * SECOND, **changes)


def seconds_until_closed(peer: Peer, limit: int = 2_000) -> float:
    """How long the connection lives on without a word from its peer."""
    start = peer.now
    while peer.state is not State.CLOSED:
        assert peer.now - start < limit * SECOND, "it never gives up"
        peer.tick(10 * MILLISECOND)
    return (peer.now - start) / SECOND


# --- The local one (RFC 9293, 3.10.8)


@pytest.mark.parametrize("seconds", [1, 5, 30])
def test_rfc9293_3_10_8_the_connection_ends_when_its_owner_has_waited_long_enough(seconds: int) -> None:
    peer = patient(seconds).accepted()
    peer.write(b"hello")
    assert seconds_until_closed(peer) == pytest.approx(seconds, abs=0.02)
    assert peer.connection.error == errno.ETIMEDOUT
    assert "R" not in "".join(out.flags for out in peer.sent())


def test_rfc9293_3_10_8_an_acknowledgment_begins_the_waiting_anew() -> None:
    peer = patient(5).accepted()
    for _ in range(4):
        peer.write(bytes(10))
        peer.tick(4 * SECOND)
        peer.inject(".")
    assert peer.state is State.ESTABLISHED
    peer.write(b"x")
    assert 5 < seconds_until_closed(peer) < 8  # the time-out was backed off, and only its end finds out (as in Linux)


def test_rfc9293_3_10_8_it_replaces_the_count_of_retransmissions() -> None:
    peer = patient(3_000, retries=3).accepted()
    peer.write(b"hello")
    assert seconds_until_closed(peer, 4_000) == pytest.approx(3_000, abs=1)


def test_rfc9293_3_10_8_a_window_that_stays_shut_is_no_answer() -> None:
    """Linux TCP_USER_TIMEOUT; without it a peer that answers may keep the window shut (3.8.6.1)."""
    peer = patient(20).accepted()
    peer.inject(".", win=0)
    peer.write(b"hello")
    for _ in range(400):
        peer.tick(100 * MILLISECOND)
        if peer.state is State.CLOSED:
            break
        if peer.sent():
            peer.inject(".", win=0)
    assert peer.connection.error == errno.ETIMEDOUT


def test_rfc9293_3_10_8_opening_is_bounded_as_well() -> None:
    peer = patient(10).connect()
    assert seconds_until_closed(peer) == pytest.approx(10, abs=0.02)
    assert peer.connection.error == errno.ETIMEDOUT


def test_rfc9293_3_10_8_without_one_retransmissions_are_counted() -> None:
    peer = Peer(PLAIN, retries=3).accepted()
    peer.write(b"hello")
    assert seconds_until_closed(peer) < 60
    assert peer.connection.user_at == NEVER


def test_rfc9293_3_10_8_it_may_be_set_while_the_peer_is_silent() -> None:
    peer = Peer(PLAIN).accepted()
    peer.write(b"hello")
    peer.tick(2 * SECOND)
    peer.connection.adjust(peer.now, user_timeout=5 * SECOND)
    peer.turn()
    assert seconds_until_closed(peer) == pytest.approx(5, abs=0.1)


# --- The option


def test_3_the_option_is_not_sent_unless_asked_for() -> None:
    peer = patient(300).connect()
    assert peer.expect("S").options.user_timeout is None


def test_3_the_option_goes_with_syn_and_syn_ack() -> None:
    peer = patient(300, user_timeout_option=True).connect()
    assert peer.expect("S").options.user_timeout == 300
    peer = patient(300, user_timeout_option=True).listen()
    peer.inject("S", mss=1_460)
    assert peer.expect("S.").options.user_timeout == 300


@pytest.mark.parametrize(
    ("ours", "theirs", "both"), [(300, 600, 600), (600, 300, 600), (20, 30, 100), (300, 32_767 * 60, 3_600), (0, 200, 200)]
)
def test_3_1_who_waits_longer_counts_between_limits(ours: int, theirs: int, both: int) -> None:
    peer = patient(ours, user_timeout_option=True).accepted(user_timeout=theirs)
    assert peer.connection.user_timeout == both * SECOND


def test_3_1_the_option_may_come_later() -> None:
    peer = patient(100, user_timeout_option=True).accepted()
    peer.inject("P.", data=b"x", user_timeout=200)
    assert peer.connection.user_timeout == 200 * SECOND
    peer.inject("P.", seq=200_000, user_timeout=400)
    assert peer.connection.user_timeout == 200 * SECOND  # not in the window: anybody may have sent it


def test_3_1_who_did_not_ask_for_it_does_not_heed_it() -> None:
    peer = patient(300).accepted(user_timeout=600)
    assert peer.connection.user_timeout == 300 * SECOND


def test_4_2_keep_alives_end_with_the_user_timeout() -> None:
    """Not with their own count (RFC 5482, 4.2; Linux)."""
    keep = {"keepalive": True, "keepalive_idle": 10 * SECOND, "keepalive_interval": SECOND, "keepalive_probes": 2}
    peer = patient(40, **keep).accepted()
    assert seconds_until_closed(peer) == pytest.approx(40, abs=1.1)
    peer = patient(0, **keep).accepted()
    assert seconds_until_closed(peer) == pytest.approx(12, abs=1.1)
