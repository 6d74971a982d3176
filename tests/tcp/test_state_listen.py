"""LISTEN and CLOSED: RFC 9293, 3.10.7.1 and 3.10.7.2."""

from __future__ import annotations

from hythe.config import HostConfig, TcpConfig
from hythe.tcp.opening import scale_for
from hythe.tcp.states import State
from tests.tcp.harness import PEER_PORT, Peer


def test_syn_is_answered_with_syn_ack() -> None:
    peer = Peer().listen()
    peer.inject("S", mss=1_000)
    out = peer.expect("S.", seq=0, ack=1, window=65_535)
    assert out.options.mss == 1_460
    assert peer.state is State.SYN_RECEIVED


def test_options_are_offered_only_if_the_syn_bears_them() -> None:
    peer = Peer(TcpConfig()).listen()
    peer.inject("S", mss=1_000)
    options = peer.expect("S.").options
    assert (options.wscale, options.sack_permitted, options.ts_val) == (None, False, None)


def test_options_of_the_syn_are_taken_up() -> None:
    peer = Peer(TcpConfig()).listen()
    peer.inject("S", mss=1_000, wscale=7, sack_permitted=True, ts_val=77, ts_ecr=0)
    options = peer.expect("S.").options
    assert (options.wscale, options.sack_permitted, options.ts_ecr) == (scale_for(TcpConfig().window_max), True, 77)


def test_ack_is_answered_with_rst() -> None:
    peer = Peer().listen()
    peer.inject(".", ack=500)
    peer.expect("R", seq=500)


def test_rst_is_ignored() -> None:
    peer = Peer().listen()
    peer.inject("R")
    peer.expect_nothing()
    assert not peer.host.connections


def test_no_listener_no_ack_rst_acknowledges_the_segment() -> None:
    peer = Peer()
    peer.inject("S", data=10)
    peer.expect("R.", ack=11)


def test_no_listener_ack_rst_takes_its_number() -> None:
    peer = Peer()
    peer.inject(".", ack=500, data=3)
    peer.expect("R", seq=500)


def test_a_syn_with_broken_options_leaves_nothing_behind() -> None:
    peer = Peer().listen()
    head = peer._head(0, 0, 2, 1_000, 0, 0, b"\x02\x00\x00\x00")
    peer.host.receive(peer._ring.fill(head[10:], 0, 1), peer.now, peer.interface)
    peer.turn()
    peer.expect_nothing()
    assert not peer.host.connections
    assert peer.host.counters.malformed == 1


def test_backlog_bounds_half_open_and_unaccepted_together() -> None:
    peer = Peer(host=HostConfig(syn_cookies=False)).listen(backlog=2)
    assert peer.listener is not None
    peer.listener.owner = None
    for index in range(3):
        peer.inject("S", seq=0, port=PEER_PORT + index)
    assert [out.flags for out in peer.sent()] == ["S.", "S."]
    assert (peer.listener.pending, peer.listener.dropped) == (2, 1)
    peer.inject(".", seq=1)
    assert (peer.listener.pending, len(peer.listener.arrivals)) == (1, 1)
    peer.inject("S", seq=0, port=PEER_PORT + 2)
    peer.expect_nothing()
    peer.listener.take()
    peer.inject("S", seq=0, port=PEER_PORT + 2)
    peer.expect("S.")


def test_a_closed_listener_resets_those_that_still_arrive() -> None:
    peer = Peer().listen()
    peer.inject("S")
    peer.expect("S.")
    assert peer.listener is not None
    peer.host.unlisten(peer.listener)
    peer.inject(".")
    peer.expect("R.", seq=1, ack=1)
    assert not peer.host.connections


def test_a_closed_listener_resets_those_that_nobody_took() -> None:
    peer = Peer().listen()
    assert peer.listener is not None
    peer.listener.owner = None
    peer.inject("S")
    peer.expect("S.")
    peer.inject(".")
    peer.host.unlisten(peer.listener)
    peer.turn()
    peer.expect("R.", seq=1, ack=1)


def test_held_syn_waits_for_the_owner() -> None:
    peer = Peer().listen(hold=True)
    peer.inject("S", seq=0)
    peer.inject("S", seq=0)
    peer.expect_nothing()
    peer.connection.accept()
    peer.turn()
    peer.expect("S.", seq=0, ack=1)
    peer.inject(".")
    assert peer.state is State.ESTABLISHED


def test_held_syn_refused_looks_like_a_closed_port() -> None:
    peer = Peer().listen(hold=True)
    peer.inject("S", seq=0)
    peer.connection.refuse()
    peer.turn()
    out = peer.sent()[0]
    assert (out.flags, out.seq + peer.iss, out.ack) == ("R.", 0, 1)
    assert not peer.host.connections


def test_held_syn_dropped_is_not_answered_and_may_come_again() -> None:
    peer = Peer().listen(hold=True)
    peer.inject("S", seq=0)
    peer.connection.drop()
    peer.turn()
    peer.expect_nothing()
    assert not peer.host.connections
    peer.connection = None
    peer.inject("S", seq=0)
    assert peer.state is State.SYN_RECEIVED


def test_held_syn_taken_back_only_by_a_rst_in_its_place() -> None:
    peer = Peer().listen(hold=True)
    peer.inject("S", seq=0)
    peer.inject("R", seq=500)
    assert peer.state is State.SYN_RECEIVED
    peer.inject("R", seq=1)
    assert peer.state is State.CLOSED
    for verb in (peer.connection.accept, peer.connection.refuse, peer.connection.drop):
        verb()
        peer.turn()
    peer.expect_nothing()


def test_held_syn_closed_by_its_owner_is_refused() -> None:
    peer = Peer().listen(hold=True)
    peer.inject("S", seq=0)
    peer.close()
    assert peer.sent()[0].flags == "R."
    assert not peer.host.connections
