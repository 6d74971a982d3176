"""RFC 6093: urgent data stay in line; there is a mark. The section stands in each test's name (or RFC 9293's)."""

from __future__ import annotations

import pytest

from hythe.tcp.states import State
from hythe.wire import options as wire_options
from hythe.wire.segment import ACK, PSH, URG
from tests.tcp.harness import PEER_ISS, PLAIN, Peer


def urgent(peer: Peer, seq: int, data: bytes, pointer: int) -> None:
    """A segment with URG from the peer, all of ours acknowledged."""
    head = peer._head(seq + PEER_ISS, peer.connection.snd_nxt, ACK | PSH | URG, 65_535, len(data), 0, b"", pointer)
    peer.host.receive(peer._ring.fill(head[10:] + data, 0, 1), peer.now, peer.interface)
    peer.nxt = max(peer.nxt, seq + len(data))
    peer.turn()


def test_3_2_urgent_bytes_stay_in_line() -> None:
    peer = Peer().accepted()
    urgent(peer, 1, b"abcdef", 3)
    assert peer.received == b"abcdef"
    assert peer.connection.urgent_mark is None


@pytest.mark.rfc("9293", "3.8.5", "MUST-62")
def test_3_1_the_mark_is_behind_the_last_urgent_byte() -> None:
    peer = Peer().accepted()
    peer.reads = False
    urgent(peer, 1, b"abcdef", 3)
    assert peer.connection.urgent_mark == 3
    peer.read(2)
    assert peer.connection.urgent_mark == 1
    peer.read(1)
    assert peer.connection.urgent_mark is None
    assert peer.read() == b"def"


@pytest.mark.rfc("9293", "3.8.5", "MUST-31")
def test_rfc9293_3_8_5_the_mark_may_be_ahead_of_what_has_come() -> None:
    peer = Peer().accepted()
    urgent(peer, 1, b"ab", 1_000)
    assert peer.received == b"ab"
    assert peer.connection.urgent_mark == 998
    peer.inject("P.", seq=3, data=998)
    assert peer.connection.urgent_mark is None


def test_rfc9293_3_8_5_the_mark_never_moves_back() -> None:
    peer = Peer().accepted()
    urgent(peer, 1, b"ab", 1_000)
    urgent(peer, 3, b"cd", 5)
    assert peer.connection.urgent_mark == 996


@pytest.mark.rfc("9293", "3.8.5", "MUST-32")
def test_rfc9293_3_8_5_an_urgent_segment_without_text_tells_at_once() -> None:
    peer = Peer().accepted()
    peer.connection.news = 0
    urgent(peer, 1, b"", 10)
    assert peer.connection.urgent_mark == 10
    assert peer.state is State.ESTABLISHED


@pytest.mark.parametrize("pointer", [0, 1])
def test_rfc9293_3_8_5_a_pointer_to_what_was_read_is_nothing(pointer: int) -> None:
    peer = Peer().accepted()
    urgent(peer, 1, b"x", pointer)
    assert peer.connection.urgent_mark is None


def test_rfc9293_3_10_7_4_no_urgent_data_after_the_fin() -> None:
    peer = Peer().accepted()
    peer.inject("F.")
    urgent(peer, 2, b"", 10)
    assert peer.connection.urgent_mark is None


def test_rfc9293_3_8_5_sending_marks_every_segment_up_to_the_last_urgent_byte() -> None:
    peer = Peer(PLAIN, mss_max=100, initial_window=10).accepted(mss=100)
    peer.connection.write(bytes(150))
    peer.connection.write(bytes(100), urgent=True)
    peer.connection.write(bytes(100))
    peer.turn()
    seen = [(raw[33] & URG, int.from_bytes(raw[38:40], "big"), len(raw) - 40) for raw, _ in peer.wire.sent]
    assert seen[:3] == [(URG, 250, 100), (URG, 150, 100), (URG, 50, 100)]
    assert all(flag == 0 for flag, _, _ in seen[3:])
    assert sum(size for _, _, size in seen) == 350


def test_rfc9293_3_8_5_what_is_resent_is_marked_again() -> None:
    peer = Peer(PLAIN, nagle=False).accepted()
    peer.connection.write(b"!", urgent=True)
    peer.turn()
    peer.sent()
    peer.tick(peer.until_deadline() * 4)
    raw, _ = peer.wire.sent[0]
    assert (raw[33] & URG, int.from_bytes(raw[38:40], "big")) == (URG, 1)


def test_rfc9293_3_8_6_1_a_probe_of_a_shut_window_tells_of_urgent_data() -> None:
    peer = Peer(PLAIN).accepted()
    peer.inject(".", win=0)
    peer.connection.write(b"help!", urgent=True)
    peer.turn()
    peer.expect_nothing()
    peer.tick(peer.until_deadline())
    raw, _ = peer.wire.sent[0]
    peer.expect("U.", seq=0, data=b"")
    assert int.from_bytes(raw[38:40], "big") == 6
    peer.inject(".", win=1_000)
    peer.expect("U.", seq=1, data=b"help!")
    peer.inject(".", win=0)
    peer.write(b"x")
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=5)


def test_rfc9293_3_10_2_a_pointer_has_16_bits() -> None:
    peer = Peer(PLAIN, send_buffer_min=1 << 20).accepted(window=65_535)
    peer.connection.write(bytes(100_000), urgent=True)
    peer.turn()
    raw, _ = peer.wire.sent[0]
    assert int.from_bytes(raw[38:40], "big") == 0xFFFF


def test_the_option_of_the_user_timeout_and_urgency_do_not_mix() -> None:
    """A segment may bear both; neither hides the other."""
    peer = Peer(PLAIN, user_timeout_option=True).accepted()
    raw = wire_options.build(wire_options.Options(user_timeout=200))
    head = peer._head(1 + PEER_ISS, peer.connection.snd_nxt, ACK | URG, 65_535, 0, 0, raw, 7)
    peer.host.receive(peer._ring.fill(head[10:], 0, 1), peer.now, peer.interface)
    assert (peer.connection.urgent_mark, peer.connection.user_timeout) == (7, 200 * 10**9)
