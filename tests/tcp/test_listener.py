"""The listener by itself: what it counts and whom it tells. With a host around it: test_state_listen.py."""

from __future__ import annotations

from hythe.config import TcpConfig
from hythe.tcp.block import READABLE, Surroundings
from hythe.tcp.connection import Connection
from hythe.tcp.isn import SequenceNumbers
from hythe.tcp.listener import Listener
from hythe.tcp.sendq import SendPool
from hythe.tcp.timers import TimerQueue
from hythe.wire.segment import SYN, Segment, envelope, make_key

AROUND = (1 << 20, 1 << 10, 1 << 16)


def around() -> Surroundings:
    return Surroundings(TimerQueue(), SendPool(*AROUND), SequenceNumbers(bytes(16)))


def begun(listener: Listener, port: int) -> Connection:
    key = make_key(bytes([10, 0, 0, 1]), port, bytes([10, 0, 0, 2]), 80)
    connection = Connection(key, envelope(key), TcpConfig(), listener.around, lambda now, head, payload: None, 1_500, 0)
    connection.answer(Segment(key, 1, 0, SYN, 1_000, memoryview(b""), 0, None, 0, 0, 0), 0, hold=listener.hold)
    listener.begun(connection)
    return connection


def test_half_open_ones_are_counted_not_shown() -> None:
    listener = Listener(None, 80, 2, around())
    first = begun(listener, 1)
    assert (listener.pending, listener.arrivals, listener.full) == (1, [], False)
    begun(listener, 2)
    assert listener.full
    listener.failed(first, 0)
    assert (listener.pending, listener.full, first.parent) == (1, False, None)


def test_those_that_are_open_are_shown_once_and_taken_once() -> None:
    listener = Listener(None, 80, 2, around())
    connection = begun(listener, 1)
    listener.established(connection)
    assert (listener.pending, listener.news) == (0, READABLE)
    assert listener.around.ready.count(listener) == 1
    assert listener.take() == [connection]
    assert listener.take() == []


def test_held_ones_are_shown_at_once() -> None:
    listener = Listener(None, 0, 1, around(), hold=True)
    connection = begun(listener, 1)
    assert (listener.pending, listener.arrivals, connection.held) == (0, [connection], True)
    assert listener.full


def test_closing_resets_what_is_here_and_what_comes() -> None:
    listener = Listener(None, 80, 5, around())
    here, coming = begun(listener, 1), begun(listener, 2)
    listener.established(here)
    listener.close()
    assert here.answer_reset is not None
    listener.established(coming)
    assert coming.answer_reset is not None
    assert listener.arrivals == []
