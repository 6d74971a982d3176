"""RFC 2525: known implementation problems, not had here. The section stands in each test's name."""

from __future__ import annotations

import errno

from hythe.tcp.states import State
from tests.tcp.harness import Peer


def test_2_16_text_for_a_closed_connection_is_answered_with_rst() -> None:
    peer = Peer().accepted()
    peer.close()
    peer.expect("F.", seq=1)
    peer.inject("P.", data=b"nobody reads this")
    peer.expect("R", seq=2)
    assert peer.state is State.CLOSED


def test_2_16_an_old_segment_is_not() -> None:
    peer = Peer().accepted()
    peer.inject("P.", data=b"abc")
    peer.close()
    peer.sent()
    peer.inject("P.", seq=1, data=b"abc")
    peer.expect(".", ack=4)
    assert peer.state is State.FIN_WAIT_1


def test_2_17_close_with_unread_text_resets() -> None:
    peer = Peer().accepted()
    peer.reads = False
    peer.inject("P.", data=b"unread")
    peer.close()
    peer.expect("R.", seq=1, ack=7)
    assert peer.connection.error == errno.ECONNABORTED


def test_2_17_close_with_everything_read_does_not() -> None:
    peer = Peer().accepted()
    peer.inject("P.", data=b"read")
    peer.close()
    peer.expect("F.", ack=5)


def test_2_4_a_time_out_does_not_resend_a_whole_window() -> None:
    peer = Peer().accepted()
    peer.write(14_600)
    assert sum(out.size for out in peer.sent()) == 14_600
    peer.tick(peer.until_deadline())
    assert sum(out.size for out in peer.sent()) == 1_460
