"""TIME-WAIT at the host's door: RFC 9293, 3.10.7.4. The record itself is tested in tests/host/test_timewait.py."""

from __future__ import annotations

from hythe.tcp.states import State
from hythe.units import SECOND
from tests.tcp.harness import Peer


def time_wait() -> Peer:
    peer = Peer().accepted()
    peer.close()
    peer.expect("F.", seq=1)
    peer.inject("F.")
    peer.expect(".", seq=2, ack=2)
    assert peer.state is State.TIME_WAIT
    return peer


def test_lasts_two_msl() -> None:
    peer = time_wait()
    peer.tick(60 * SECOND - 1)
    assert peer.state is State.TIME_WAIT
    peer.tick(1)
    assert peer.state is State.CLOSED
    assert not peer.host.connections
    peer.expect_nothing()


def test_the_fin_again_is_acknowledged_and_starts_it_anew() -> None:
    peer = time_wait()
    peer.tick(50 * SECOND)
    peer.inject("F.", seq=1, ack=2)
    peer.expect(".", seq=2, ack=2)
    peer.tick(59 * SECOND)
    assert peer.state is State.TIME_WAIT
    peer.tick(70 * SECOND)
    assert peer.state is State.CLOSED


def test_what_the_owner_has_not_read_is_still_there() -> None:
    peer = Peer().accepted()
    peer.reads = False
    peer.shutdown()
    peer.inject("F.", data=b"late")
    assert peer.state is State.TIME_WAIT
    peer.sent()
    assert peer.read() == b"late"
    peer.close()
    peer.tick(2 * SECOND)
    peer.expect_nothing()


def test_the_connection_is_let_go() -> None:
    peer = time_wait()
    assert peer.time_wait is not peer.connection
    assert peer.connection.deadline > peer.now + 1_000 * SECOND
    peer.tick(5 * SECOND)
    assert len(peer.host.around.timers) == 1  # one for all records
