"""RFC 9293, 3.7.4 and 3.8: Nagle, windows, silly windows, probes, keep-alive. The section stands in each test's name."""

from __future__ import annotations

import errno

from hythe.config import TcpConfig
from hythe.tcp.states import State
from hythe.units import KIB, SECOND
from tests.tcp.harness import PLAIN, Peer, ms

# --- Nagle


def test_3_7_4_a_small_segment_waits_for_the_one_before() -> None:
    peer = Peer().accepted()
    peer.write(b"a")
    peer.expect("P.", data=b"a")
    peer.write(b"b")
    peer.write(b"c")
    peer.expect_nothing()
    peer.inject(".", ack=2)
    peer.expect("P.", data=b"bc")


def test_3_7_4_minshall_full_segments_hold_nobody_up() -> None:
    peer = Peer().accepted()
    peer.write(1_460)
    peer.write(b"tail")
    assert [out.size for out in peer.sent()] == [1_460, 4]


def test_3_7_4_the_short_end_of_a_super_segment_waits_as_well() -> None:
    peer = Peer().accepted()
    peer.write(b"a")
    peer.write(3_000)
    assert [out.size for out in peer.sent()] == [1, 2_920]
    peer.inject(".", ack=2)
    peer.expect("P.", size=80)


def test_3_7_4_fin_does_not_wait() -> None:
    peer = Peer().accepted()
    peer.write(b"a")
    peer.connection.write(b"b")
    peer.shutdown()
    assert [(out.flags, out.data) for out in peer.sent()] == [("P.", b"a"), ("FP.", b"b")]


def test_3_7_4_it_can_be_switched_off() -> None:
    peer = Peer(nagle=False).accepted()
    for _ in range(3):
        peer.write(b"a")
    assert [out.size for out in peer.sent()] == [1, 1, 1]


# --- The peer's window


def test_3_8_6_nothing_is_sent_beyond_the_window() -> None:
    peer = Peer().accepted(window=2_920)
    peer.write(10_000)
    assert sum(out.size for out in peer.sent()) == 2_920
    peer.inject(".", ack=1_461, win=1_460)
    peer.expect_nothing()
    peer.inject(".", ack=1_461, win=4_380)
    assert peer.expect(".", seq=2_921).size == 2_920


def test_3_8_6_a_shrunk_window_is_survived() -> None:
    peer = Peer().accepted(window=5_840)
    peer.write(10_000)
    peer.sent()
    peer.inject(".", ack=1_461, win=0)
    peer.inject("P.", ack=1_461, data=b"x", win=0)
    peer.tick(ms(60))
    out = peer.expect(".", ack=2)
    assert out.seq == 1_461  # its snd_nxt would lie outside of the window
    peer.inject(".", ack=5_841, win=5_840)
    assert sum(each.size for each in peer.sent()) == 10_000 - 5_840


def test_3_8_6_data_shut_out_is_asked_about_for_ever_while_the_peer_answers() -> None:
    peer = Peer(retries=3).accepted(window=5_840)
    peer.write(5_000)
    peer.sent()
    peer.inject(".", ack=1, win=0)
    for _ in range(10):
        peer.tick(peer.until_deadline())
        peer.inject(".", ack=1, win=0)
    assert peer.state is State.ESTABLISHED


def test_3_8_6_window_of_an_old_segment_is_ignored() -> None:
    """SND.WL1 and SND.WL2 keep an update from being undone by one that fell behind."""
    peer = Peer().accepted()
    peer.inject("P.", seq=1, data=10, win=5_000)
    peer.inject("P.", seq=11, data=10, win=6_000)
    peer.inject(".", seq=5, win=1_000)
    assert peer.connection.snd_wnd == 6_000


def test_3_8_6_2_1_a_sliver_of_window_is_left_unused() -> None:
    peer = Peer().accepted(window=10_000)
    peer.write(10_000)
    peer.sent()
    peer.connection.write(bytes(5_000))
    peer.inject(".", ack=10_001, win=500)
    peer.expect_nothing()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=10_001, size=500)  # waited for long enough: 3.8.6.2.1 (4)


def test_3_8_6_2_1_half_of_the_largest_window_is_no_sliver() -> None:
    peer = Peer().accepted(window=800)
    peer.write(5_000)
    assert [out.size for out in peer.sent()] == [800]


# --- Our window


def test_3_8_6_2_2_the_window_opens_by_worthwhile_steps() -> None:
    peer = Peer(receive_buffer=16_000).accepted()
    peer.reads = False
    for _ in range(16):
        peer.inject(".", data=1_000)
    assert peer.sent()[-1].window == 0
    peer.read(500)
    peer.expect_nothing()
    peer.read(499)
    peer.expect_nothing()
    peer.read(1)
    peer.expect(".", ack=16_001, window=1_000)
    peer.read(999)
    peer.expect_nothing()
    peer.read()
    peer.expect(".", ack=16_001, window=16_000)


def test_3_8_6_the_window_never_moves_back() -> None:
    peer = Peer(PLAIN, receive_buffer=64_000).accepted()
    peer.reads = False
    edge = 0
    for size in (1, 3_000, 7, 20_000, 1, 30_000, 50_000):
        peer.inject("P.", data=size)
        peer.tick(ms(300))
        for out in peer.sent():
            assert out.ack is not None
            assert out.ack + out.window >= edge
            edge = out.ack + out.window
    assert edge == 64_001


def test_a_window_wider_than_64_kib_is_told_with_the_first_ack_not_before() -> None:
    peer = Peer(TcpConfig(receive_buffer_max=0, timestamps=False)).accepted(wscale=7)
    peer.inject("P.", data=10)
    out = peer.expect(".", ack=11)
    assert out.window << 3 == 512 * KIB - 8


# --- Probes


def test_3_8_6_1_a_shut_window_is_probed_with_doubling_pauses() -> None:
    peer = Peer().accepted(window=1_460)
    peer.write(5_000)
    peer.expect(".", size=1_460)
    peer.inject(".", ack=1_461, win=0)
    rto = peer.connection.rtt.rto
    for doubling in range(5):
        assert peer.until_deadline() == rto << doubling
        peer.tick(peer.until_deadline())
        peer.expect(".", seq=1_460, size=0)
        peer.inject(".", ack=1_461, win=0)
    peer.inject(".", ack=1_461, win=5_000)
    assert sum(out.size for out in peer.sent()) == 3_540
    assert peer.until_deadline() == rto


def test_3_8_6_1_a_peer_that_answers_may_take_for_ever() -> None:
    peer = Peer(retries=3).accepted(window=1_460)
    peer.write(5_000)
    peer.inject(".", ack=1_461, win=0)
    for _ in range(20):
        peer.tick(peer.until_deadline())
        peer.inject(".", ack=1_461, win=0)
    assert peer.state is State.ESTABLISHED


def test_3_8_6_1_a_silent_one_may_not() -> None:
    peer = Peer(retries=3).accepted(window=1_460)
    peer.write(5_000)
    peer.sent()
    peer.inject(".", ack=1_461, win=0)
    peer.tick(100 * SECOND)
    assert len(peer.sent()) == 3
    assert peer.connection.error == errno.ETIMEDOUT


def test_3_8_6_1_a_probe_is_answered_when_our_window_is_shut() -> None:
    peer = Peer(receive_buffer=1_000).accepted()
    peer.reads = False
    peer.inject("P.", data=1_000)
    peer.tick(ms(40))
    peer.expect(".", ack=1_001, window=0)
    peer.inject("P.", seq=1_001, data=1)
    peer.expect(".", ack=1_001, window=0)
    peer.inject(".", seq=1_000)
    assert peer.sent()[0].ack == 1_001
    peer.read()
    peer.expect(".", ack=1_001, window=1_000)


def test_3_8_6_1_nobody_waits_for_ever_behind_an_orphan() -> None:
    peer = Peer(orphan_retries=3).accepted(window=1_460)
    peer.connection.write(bytes(5_000))
    peer.close()
    peer.inject(".", ack=1_461, win=0)
    for _ in range(3):
        peer.tick(peer.until_deadline())
        peer.inject(".", ack=1_461, win=0)
    assert peer.state is State.FIN_WAIT_1
    peer.tick(peer.until_deadline())
    assert peer.state is State.CLOSED
    assert peer.connection.error == errno.ETIMEDOUT


def test_fin_does_not_fit_a_shut_window() -> None:
    peer = Peer().accepted(window=1_460)
    peer.write(1_460)
    peer.inject(".", ack=1_461, win=0)
    peer.sent()
    peer.shutdown()
    peer.expect_nothing()
    peer.tick(peer.until_deadline())
    peer.expect(".", seq=1_460)
    peer.inject(".", ack=1_461, win=1)
    peer.expect("F.", seq=1_461)


def test_fin_with_data_that_fills_the_window_comes_after_it() -> None:
    peer = Peer().accepted(window=1_460)
    peer.connection.write(bytes(1_460))
    peer.shutdown()
    peer.expect(".", size=1_460)
    peer.inject(".", ack=1_461, win=1_460)
    peer.expect("F.", seq=1_461)


def test_fin_is_taken_though_our_window_is_shut() -> None:
    peer = Peer(receive_buffer=100).accepted()
    peer.reads = False
    peer.inject("F.", data=100)
    peer.expect(".", ack=102)
    assert peer.state is State.CLOSE_WAIT


def test_fin_behind_text_that_found_no_room_is_not_taken() -> None:
    peer = Peer(receive_buffer=100).accepted()
    peer.reads = False
    peer.inject("F.", data=150)
    peer.expect(".", ack=101, window=0)
    assert peer.state is State.ESTABLISHED


# --- Keep-alive


def test_3_8_4_keep_alive_asks_and_an_answer_satisfies_it() -> None:
    peer = Peer(keepalive=True).accepted()
    for _ in range(3):
        peer.tick(7_200 * SECOND)
        peer.expect(".", seq=0, size=0)
        peer.inject(".")
        peer.tick(76 * SECOND)
        peer.expect_nothing()
        peer.now -= 76 * SECOND
    assert peer.state is State.ESTABLISHED


def test_3_8_4_a_dead_peer_is_reset_after_all_probes() -> None:
    peer = Peer(keepalive=True, keepalive_probes=3).accepted()
    peer.tick(7_200 * SECOND + 4 * 75 * SECOND)
    assert [out.flags for out in peer.sent()] == [".", ".", ".", "R."]
    assert peer.connection.error == errno.ETIMEDOUT
    assert peer.state is State.CLOSED


def test_3_8_4_it_is_off_unless_asked_for() -> None:
    peer = Peer().accepted()
    peer.tick(100_000 * SECOND)
    peer.expect_nothing()
    assert len(peer.host.around.timers) == 0


def test_3_8_4_a_keep_alive_of_the_peer_is_answered() -> None:
    peer = Peer().accepted()
    peer.inject("P.", data=b"x")
    peer.tick(ms(50))
    peer.expect(".", ack=2)
    peer.inject(".", seq=1)
    peer.expect(".", ack=2)
