"""`hythe.host.neighbors`: the states of RFC 4861, 7.3, one test an arrow."""

from __future__ import annotations

from random import Random

import pytest

from hythe.config import EthernetConfig
from hythe.host.neighbors import DELAY, INCOMPLETE, PROBE, REACHABLE, STALE, Neighbors, Waiting
from hythe.tcp.timers import TimerQueue
from hythe.units import SECOND

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
MAC, OTHER = b"\x02" + bytes(4) + b"\x01", b"\x02" + bytes(4) + b"\x02"


class Cache:
    """A cache and what it has asked for."""

    def __init__(self, **config: int) -> None:
        self.timers = TimerQueue()
        self.asked: list[tuple[bytes, bytes | None]] = []
        self.delivered: list[tuple[bytes, bytes]] = []
        self.failed: list[bytes] = []
        self.lost: list[bytes] = []
        self.progress: list[tuple[bytes, int]] = []
        self.progresses = False
        self.changes = 0
        self.neighbors = Neighbors(
            EthernetConfig(**config),
            self.timers,
            Random(1),
            lambda address, mac, now: self.asked.append((address, mac)),
            self._deliver,
            lambda packet, now: self.failed.append(packet.head),
            self.lost.append,
            self._confirmed,
            self._changed,
        )

    def _deliver(self, mac: bytes, packet: Waiting, now: int) -> None:
        self.delivered.append((mac, packet.head + packet.payload))

    def _confirmed(self, address: bytes, since: int) -> bool:
        self.progress.append((address, since))
        return self.progresses

    def _changed(self) -> None:
        self.changes += 1

    def state(self, address: bytes = A) -> int | None:
        neighbor = self.neighbors.table.get(address)
        return None if neighbor is None else neighbor.state

    def pass_until(self, now: int) -> None:
        while self.timers.next_deadline() <= now:
            self.timers.fire(self.timers.next_deadline())


def reachable(**config: int) -> Cache:
    cache = Cache(**config)
    cache.neighbors.ask(A, b"head", (memoryview(b"pay"), b"load"), 0)
    cache.neighbors.answered(A, MAC, 0)
    assert cache.state() == REACHABLE
    return cache


def test_incomplete_to_reachable_delivers_what_waited() -> None:
    cache = Cache()
    assert cache.neighbors.use(A, 0) == b""
    for number in range(20):
        cache.neighbors.ask(A, bytes((number,)), (), 0)
    assert cache.state() == INCOMPLETE
    assert cache.asked == [(A, None)]
    assert cache.neighbors.use(A, 0) == b""
    cache.neighbors.answered(A, None, 0)
    assert cache.state() == INCOMPLETE
    cache.neighbors.answered(A, MAC, 0, router=True)
    assert cache.delivered == [(MAC, bytes((number,))) for number in range(4, 20)]
    assert (cache.state(), cache.neighbors.use(A, 0), cache.neighbors.table[A].router) == (REACHABLE, MAC, True)


def test_incomplete_gives_up_after_three_questions() -> None:
    cache = Cache()
    cache.neighbors.ask(A, b"one", (), 0)
    cache.pass_until(2 * SECOND)
    cache.neighbors.ask(A, b"two", (), 2 * SECOND)
    assert cache.asked == [(A, None)] * 3
    assert cache.state() == INCOMPLETE
    cache.pass_until(3 * SECOND)
    assert cache.state() is None
    assert cache.failed == [b"one", b"two"]
    assert cache.lost == [A]


def test_an_unsolicited_answer_makes_it_stale() -> None:
    cache = Cache()
    cache.neighbors.ask(A, b"", (), 0)
    cache.neighbors.answered(A, MAC, 0, solicited=False)
    assert cache.state() == DELAY  # stale, and in use at once
    assert len(cache.delivered) == 1


def test_reachable_to_stale_to_delay_to_probe_to_nothing() -> None:
    cache = reachable()
    cache.pass_until(45 * SECOND)
    assert cache.state() == STALE
    assert cache.asked == [(A, None)]
    changes = cache.changes
    assert changes  # whoever kept the MAC address has been told to ask again
    assert cache.neighbors.use(A, 50 * SECOND) == MAC
    assert cache.state() == DELAY
    cache.pass_until(55 * SECOND)
    assert cache.state() == PROBE
    assert cache.neighbors.use(A, 55 * SECOND) == MAC
    cache.pass_until(57 * SECOND)
    assert cache.asked == [(A, None), (A, MAC), (A, MAC), (A, MAC)]
    cache.pass_until(58 * SECOND)
    assert cache.state() is None


@pytest.mark.rfc("4861", "7.3.1")
def test_delay_to_reachable_without_a_question_where_connections_make_progress() -> None:
    cache = reachable()
    cache.pass_until(45 * SECOND)
    cache.neighbors.use(A, 50 * SECOND)
    cache.progresses = True
    cache.pass_until(55 * SECOND)
    assert cache.progress == [(A, 50 * SECOND)]
    assert (cache.state(), cache.asked) == (REACHABLE, [(A, None)])


@pytest.mark.parametrize("wait", [0, 6])
def test_delay_and_probe_to_reachable(wait: int) -> None:
    cache = reachable()
    cache.pass_until(45 * SECOND)
    cache.neighbors.use(A, 45 * SECOND)
    now = (45 + wait) * SECOND
    cache.pass_until(now)
    cache.neighbors.answered(A, None if wait else MAC, now)
    assert cache.state() == REACHABLE
    assert cache.neighbors.table[A].mac == MAC


def test_another_mac_section_7_2_5() -> None:
    cache = reachable()
    cache.neighbors.answered(A, OTHER, 0, override=False)
    assert (cache.state(), cache.neighbors.table[A].mac) == (STALE, MAC)
    cache.neighbors.answered(A, OTHER, 0, override=False)
    assert (cache.state(), cache.neighbors.table[A].mac) == (STALE, MAC)
    cache.neighbors.answered(A, OTHER, 0, solicited=False)
    assert (cache.state(), cache.neighbors.table[A].mac) == (STALE, OTHER)
    cache.neighbors.answered(A, MAC, 0)
    assert (cache.state(), cache.neighbors.table[A].mac) == (REACHABLE, MAC)


def test_who_asks_is_noted_as_stale() -> None:
    cache = Cache()
    cache.neighbors.heard(A, MAC, 0)
    assert cache.state() == STALE
    cache = reachable()
    cache.neighbors.heard(A, MAC, 0)
    assert cache.state() == REACHABLE
    cache.neighbors.heard(A, OTHER, 0)
    assert (cache.state(), cache.neighbors.table[A].mac) == (STALE, OTHER)
    cache = Cache()
    cache.neighbors.ask(A, b"x", (), 0)
    cache.neighbors.heard(A, MAC, 0)
    assert (cache.state(), cache.delivered) == (DELAY, [(MAC, b"x")])


def test_who_was_not_asked_is_not_noted() -> None:
    cache = Cache()
    cache.neighbors.answered(A, MAC, 0)
    assert not cache.neighbors.table


def test_the_table_is_bounded_and_the_idle_make_room() -> None:
    cache = reachable(neighbors=8)
    for number in range(100):
        cache.neighbors.heard(bytes((10, 0, 1, number)), MAC, 0)
        assert cache.neighbors.use(A, 0) == MAC
    assert len(cache.neighbors.table) == 8
    for number in range(100):
        cache.neighbors.ask(bytes((10, 0, 2, number)), b"", (), 0)
    assert len(cache.neighbors.table) == 8
    assert len(cache.timers) < 200
    cache.neighbors.close()
    assert not cache.neighbors.table
