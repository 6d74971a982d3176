"""Auto-tuning: the receive window follows what the reader takes in a round trip, the send buffer the congestion window."""

from __future__ import annotations

import pytest

from hythe.config import HostConfig, TcpConfig
from hythe.tcp.sizing import FIRST_LOOK
from hythe.tcp.states import State
from hythe.units import KIB, MIB, MILLISECOND, NEVER
from tests.tcp.harness import Peer, ms

RTT = ms(100)
MSS = 1_460
TEXT = bytes(44 * MSS)
#: What a scale of 5 can tell of 2 MiB.
MOST = 0xFFFF << 5
TUNED = TcpConfig(receive_buffer=64 * KIB, receive_buffer_max=2 * MIB)
PLAIN = TcpConfig(receive_buffer=64 * KIB, receive_buffer_max=2 * MIB, timestamps=False)


class Sender:
    """A peer that is RTT away: it learns of our window a round trip after that left us, and fills it."""

    def __init__(self, config: TcpConfig = PLAIN, *, scaled: bool = True, receive_memory: int = 256 * MIB) -> None:
        self.peer = peer = Peer(config, host=HostConfig(receive_memory=receive_memory)).listen()
        self.stamps = config.timestamps
        self.echo = 0
        peer.inject("S", mss=MSS, sack_permitted=True, **({"wscale": 8} if scaled else {}), **self._options())
        out = peer.expect("S.")
        self.echo = out.options.ts_val or 0
        peer.tick(RTT)
        peer.inject(".", win=4_096, **self._options())
        self.scale = peer.connection.rcv_scale
        self.edge = 1 + out.window

    def _options(self) -> dict[str, int]:
        return {"ts_val": self.peer.now // MILLISECOND, "ts_ecr": self.echo} if self.stamps else {}

    def round_trip(self, most: int = 1 << 30) -> int:
        """Send what the window allows, `most` bytes at most; returns how much that was."""
        peer, first = self.peer, self.peer.nxt
        end = min(self.edge, first + most)
        while peer.nxt < end:
            peer.inject(".", data=TEXT[: end - peer.nxt], gso=MSS, win=4_096, **self._options())
        outs = peer.sent()
        for out in outs:
            edge = (out.ack or 0) + (out.window << self.scale)
            assert edge > self.edge - (1 << self.scale), "the right edge moved back"
            self.edge = max(self.edge, edge)
        peer.tick(RTT)
        if outs and self.stamps:
            self.echo = outs[-1].options.ts_val or 0
        return peer.nxt - first


@pytest.mark.parametrize("config", [PLAIN, TUNED], ids=["plain", "timestamps"])
def test_the_window_grows_with_what_is_taken_in_a_round_trip_up_to_its_maximum(config: TcpConfig) -> None:
    sender = Sender(config)
    sent = [sender.round_trip() for _ in range(24)]
    assert max(sent[:2]) <= 64 * KIB
    assert sent[-1] > 2 * MIB - 4 * 2 * MSS
    assert sender.peer.connection.rcv_limit == MOST
    assert len(sender.peer.received) == sum(sent)


def test_it_grows_no_slower_than_a_sender_in_slow_start() -> None:
    sender = Sender()
    window = 10 * MSS
    for _ in range(20):
        if window < MIB:
            assert sender.round_trip(window) == window, "the window held the sender up"
        window = min(window * 2, MIB)


def test_a_sender_that_sends_little_leaves_it_as_it_is() -> None:
    sender = Sender()
    for _ in range(200):
        assert sender.round_trip(8 * KIB) == 8 * KIB
    assert sender.peer.connection.rcv_limit == 64 * KIB
    assert sender.peer.connection.info().rcv_space == 16 * KIB


def test_a_reader_that_takes_little_leaves_it_as_it_is() -> None:
    sender = Sender()
    sender.peer.reads = False
    for _ in range(200):
        sender.round_trip()
        sender.peer.read(8 * KIB)
    assert len(sender.peer.received) == 200 * 8 * KIB
    assert sender.peer.connection.rcv_limit == 64 * KIB


def test_a_connection_of_little_data_measures_nothing() -> None:
    sender = Sender()
    sender.round_trip(FIRST_LOOK - 1)
    assert sender.peer.connection.sizing is None
    sender.round_trip(1)
    assert sender.peer.connection.sizing is not None


def test_without_window_scaling_there_is_nothing_to_grow_into() -> None:
    sender = Sender(scaled=False)
    for _ in range(10):
        assert sender.round_trip() <= 65_535
    assert (sender.peer.connection.rcv_limit, sender.peer.connection.rcv_mark) == (65_535, NEVER)


def test_a_fixed_buffer_stays_fixed() -> None:
    sender = Sender(TcpConfig(receive_buffer=256 * KIB, receive_buffer_max=0))
    for _ in range(10):
        sender.round_trip()
    connection = sender.peer.connection
    assert (connection.rcv_limit, connection.rcv_scale, connection.rcv_mark) == (256 * KIB, 2, NEVER)


def test_the_window_scale_is_that_of_the_maximum() -> None:
    assert Sender().scale == 5  # 2 MiB
    assert Sender(TcpConfig()).scale == 8  # 16 MiB


def test_info_tells_what_was_measured() -> None:
    sender = Sender(TUNED)
    assert (sender.peer.connection.info().rcv_rtt, sender.peer.connection.info().rcv_ssthresh) == (0, 64 * KIB)
    for _ in range(24):
        sender.round_trip()
    info = sender.peer.connection.info()
    assert info.rcv_rtt == pytest.approx(RTT, rel=0.05)
    assert info.rcv_space == pytest.approx(2 * MIB, rel=0.3)
    assert info.rcv_ssthresh == MOST


def test_a_round_trip_is_measured_by_a_window_of_data_when_the_handshake_tells_none() -> None:
    sender = Sender()
    sender.peer.connection.rtt.srtt = 0  # as after a SYN-ACK that was sent twice
    for _ in range(8):
        sender.round_trip()
    assert sender.peer.connection.info().rcv_rtt == pytest.approx(RTT, rel=0.05)


# --- The memory of the host


def test_windows_grow_no_further_than_the_host_has_memory_for() -> None:
    sender = Sender(receive_memory=100 * KIB)
    for _ in range(24):
        sender.round_trip(256 * KIB)
    assert sender.peer.connection.rcv_limit < 2 * MIB
    sender.peer.reads = False
    for _ in range(24):
        sender.round_trip()
    assert sender.peer.connection.recvq.held <= 100 * KIB + len(TEXT)


def test_what_a_slow_reader_leaves_is_dropped_when_memory_is_short_and_comes_again() -> None:
    sender = Sender(receive_memory=16 * KIB)
    peer = sender.peer
    peer.reads = False
    peer.inject(".", data=TEXT[: 11 * MSS], gso=MSS, win=4_096)
    peer.inject(".", data=TEXT[: 11 * MSS], gso=MSS, win=4_096)
    peer.expect(".", ack=1 + 11 * MSS)
    peer.expect(".", ack=1 + 22 * MSS)
    assert peer.host.around.memory.short
    peer.inject(".", data=TEXT[:MSS], win=4_096)
    peer.expect(".", ack=1 + 22 * MSS)
    assert peer.connection.recvq.held == peer.host.around.memory.held == 22 * MSS
    peer.reads = True
    peer.read()
    peer.sent()
    peer.inject(".", 1 + 22 * MSS, data=TEXT[:MSS], win=4_096)
    assert len(peer.received) == 23 * MSS
    assert peer.host.around.memory.held == 0


def test_what_fills_a_gap_is_taken_even_when_memory_is_short() -> None:
    peer = Sender(receive_memory=4 * MSS).peer
    for index in range(1, 6):
        peer.inject(".", 1 + index * MSS, data=TEXT[:MSS], win=4_096)
    assert peer.connection.recvq.held == 4 * MSS, "the fifth found no room"
    assert peer.sent()[-1].sack == ((1 + MSS, 1 + 5 * MSS),)
    peer.inject(".", 1, data=TEXT[:MSS], win=4_096)
    assert len(peer.received) == 5 * MSS
    assert peer.host.around.memory.held == 0


def test_who_reads_at_once_is_not_concerned() -> None:
    sender = Sender(receive_memory=16 * KIB)
    sender.peer.host.around.memory.held += 16 * KIB  # somebody else's
    assert [sender.round_trip(48 * KIB) for _ in range(5)] == [48 * KIB] * 5


@pytest.mark.parametrize("how", ["reset", "close", "fin"])
def test_an_ended_connection_gives_its_memory_back(how: str) -> None:
    peer = Sender().peer
    peer.reads = False
    peer.inject(".", data=TEXT, gso=MSS, win=4_096)
    peer.inject(".", peer.nxt + 100, data=100, win=4_096)
    assert peer.host.around.memory.held == len(TEXT) + 100
    if how == "reset":
        peer.inject("R", 1 + len(TEXT))
        assert len(peer.take()) == len(TEXT), "what came before the reset can still be read"
        peer.connection.note(0)
        peer.turn()
    elif how == "close":
        peer.close()
    else:
        peer.shutdown()
        peer.inject(".", 1 + len(TEXT), data=100)
        peer.inject("F.", 1 + len(TEXT) + 200)
        assert peer.state is State.TIME_WAIT
    assert peer.host.around.memory.held == 0


# --- The send buffer


def test_the_send_buffer_follows_the_congestion_window() -> None:
    peer = Peer(TcpConfig(timestamps=False, send_buffer_min=16 * KIB, send_buffer_max=256 * KIB)).listen()
    peer.inject("S", mss=MSS, wscale=8, sack_permitted=True)
    peer.expect("S.")
    peer.inject(".", win=4_096)
    connection = peer.connection
    assert connection.room() == 16 * KIB
    rooms = []
    for _ in range(8):
        while (room := connection.room()) > 0:
            peer.write(room)
        rooms.append(len(connection.sendq))
        assert len(connection.sendq) == min(connection.flight + connection.congestion.cwnd, 256 * KIB)
        peer.sent()
        peer.tick(RTT)
        peer.inject(".", win=4_096)
    assert rooms[0] == 20 * MSS
    assert rooms[-1] == 256 * KIB
