"""A path MTU that falls or rises under a connection: RFC 1191, 6.4; RFC 8201, 5.4."""

from __future__ import annotations

from hythe.tcp.pathmtu import path_changed
from tests.tcp.harness import Peer


def sending() -> Peer:
    peer = Peer().accepted()
    peer.write(14_600)
    assert sum(out.size for out in peer.sent()) == 14_600
    return peer


def test_what_is_too_long_is_resent_in_smaller_segments() -> None:
    peer = sending()
    path_changed(peer.connection, 1_000)
    peer.turn()
    first = peer.sent()
    assert peer.connection.snd_mss == 960
    assert first[0].seq == 1
    assert {out.gso_size for out in first} <= {0, 960}
    for _ in range(10):
        peer.inject(".", ack=max(peer.connection.snd_una - peer.iss, *(out.seq + out.size for out in first)))
        first = peer.sent() or first
    assert peer.connection.flight == 0


def test_it_is_no_sign_of_congestion() -> None:
    peer = sending()
    segments = peer.connection.congestion.cwnd // peer.connection.snd_mss
    path_changed(peer.connection, 1_000)
    assert peer.connection.congestion.cwnd // peer.connection.snd_mss == segments


def test_a_wider_path_is_used_up_to_what_the_peer_takes() -> None:
    peer = Peer(mtu=9_000).accepted(mss=4_000)
    path_changed(peer.connection, 1_500)
    assert peer.connection.snd_mss == 1_460
    path_changed(peer.connection, 9_000)
    assert peer.connection.snd_mss == 4_000
    peer.turn()
    peer.expect_nothing()
