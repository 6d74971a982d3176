"""The driver: how often it visits, what it puts off, and links that keep packets until a time."""

from __future__ import annotations

import asyncio
import random
import select
import socket
import time
from typing import TYPE_CHECKING

import pytest

import hythe
from hythe.aio.driver import EDGE, READABLE_EDGE, TURN, Driver
from hythe.config import HostConfig
from hythe.host.host import Host
from hythe.link.faults import FaultLink, Plan, RandomLoss
from hythe.tcp.block import CHANGED, READABLE
from hythe.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from hythe.host.udp import Endpoint

PORT = 8_007
DELAY = 100 * MILLISECOND


class Visitor:
    """Owner of an endpoint: counts visits, and at each does `what` with it."""

    def __init__(self, endpoint: Endpoint, what: Callable[[Endpoint, int], None]) -> None:
        self.visits = 0
        self._what = what
        endpoint.owner = self

    def visit(self, endpoint: Endpoint, now: int) -> None:
        endpoint.news = 0
        self.visits += 1
        self._what(endpoint, self.visits)


def a_host() -> Host:
    return Host(HostConfig(any_destination=True), random.Random(1), bytes(16))


@pytest.mark.parametrize(
    ("what", "visits"),
    [
        (lambda endpoint, count: None, 1),
        (lambda endpoint, count: endpoint.note(0), 1),  # the emit that follows sees to it
        (lambda endpoint, count: endpoint.note(READABLE if count < 3 else 0), 3),
    ],
    ids=["nothing", "noted", "news"],
)
def test_a_visit_that_leaves_no_news_is_the_last(what: Callable[[Endpoint, int], None], visits: int) -> None:
    async def main() -> int:
        host = a_host()
        driver = Driver(host)
        endpoint = host.bind(None, 0)
        visitor = Visitor(endpoint, what)
        endpoint.note(CHANGED)
        driver.turn()
        assert not host.around.ready
        driver.close()
        return visitor.visits

    assert asyncio.run(main()) == visits


def test_what_nobody_waits_for_comes_after_what_is_to_be_done() -> None:
    """Behind three visits, and when the turn is over though there is no end of them."""

    async def main(last: int) -> list[int]:
        host = a_host()
        driver = Driver(host)
        endpoint = host.bind(None, 0)
        found: list[int] = []

        def again(endpoint: Endpoint, count: int) -> None:
            if count == 1:
                driver.put_off(lambda: found.append(visitor.visits))
            endpoint.note(READABLE if count != last else 0)

        visitor = Visitor(endpoint, again)
        endpoint.note(0)
        began = time.monotonic_ns()
        driver.turn()
        if last < 0:
            assert time.monotonic_ns() - began >= TURN
        driver.close()
        return found

    assert asyncio.run(main(3)) == [3]
    (visits,) = asyncio.run(main(-1))
    assert visits > 3


def test_what_was_put_off_is_not_forgotten() -> None:
    async def main() -> list[str]:
        done: list[str] = []
        driver = Driver(a_host())
        driver.put_off(lambda: done.append("by a turn of its own"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(done) == 1
        driver.put_off(lambda: done.append("at the end"))
        driver.close()
        return done

    assert asyncio.run(main()) == ["by a turn of its own", "at the end"]


def test_room_is_told_of_only_to_who_waits_for_it() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def on_events(self, events: int, now: int) -> None:
            self.seen.append(events)

    async def main() -> list[int]:
        driver = Driver(a_host())
        near, far = socket.socketpair()
        with near, far:
            watcher = Watcher()
            driver.register(near.fileno(), watcher, READABLE_EDGE)
            driver.turn()
            assert watcher.seen == []
            driver.watch(near.fileno(), EDGE)
            driver.turn()
            driver.forget(near.fileno())
            far.send(b"x")
            driver.turn()
            driver.close()
        return watcher.seen

    assert asyncio.run(main()) == [select.EPOLLOUT]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.write_eof()


def through(up: Plan, down: Plan, payload: bytes) -> tuple[float, float]:
    """Send `payload` to an echo server and back over a faulty wire: seconds to connect, and for the rest."""

    async def main() -> tuple[float, float]:
        near, far = hythe.pair()
        link = FaultLink(near, up, down, seed=1)
        async with (
            asyncio.timeout(60),
            hythe.Host("10.0.0.1/24", link=link) as left,
            hythe.Host("10.0.0.2/24", link=far) as right,
        ):
            await right.start_server(echo, port=PORT)
            start = time.monotonic()
            reader, writer = await left.open_connection("10.0.0.2", PORT)
            connected = time.monotonic()
            writer.write(payload)
            writer.write_eof()
            assert await reader.read(-1) == payload
            ended = time.monotonic()
            writer.close()
            return connected - start, ended - connected

    return asyncio.run(main(), debug=True)


def test_packets_are_let_go_at_their_time_in_both_directions() -> None:
    both = [through(Plan(delay=DELAY), Plan(delay=DELAY), b"x" * 100)]
    while (both[-1][0] * SECOND >= 4 * DELAY or both[-1][1] * SECOND >= 6 * DELAY) and len(both) < 5:  # see below
        both.append(through(Plan(delay=DELAY), Plan(delay=DELAY), b"x" * 100))
    assert 2 * DELAY <= min(connected for connected, _ in both) * SECOND < 4 * DELAY
    assert 2 * DELAY <= min(echoed for _, echoed in both) * SECOND < 6 * DELAY


def test_each_direction_alone() -> None:
    for up, down in ((Plan(delay=DELAY), Plan()), (Plan(), Plan(delay=DELAY))):
        took = [through(up, down, b"x")[0] * SECOND]
        while max(took[0], took[-1]) >= 2 * DELAY and len(took) < 5:  # a machine with much to do adds to it
            took.append(through(up, down, b"x")[0] * SECOND)
        assert DELAY <= min(took) < 2 * DELAY


def test_bytes_arrive_whatever_the_wire_does() -> None:
    bad = Plan(delay=MILLISECOND, loss=RandomLoss(0.02), reorder=0.02, duplicate=0.02, corrupt=0.02)
    through(bad, bad, bytes(range(256)) * 4_096)


def test_a_link_that_is_driven_no_more_is_forgotten() -> None:
    async def main() -> None:
        near, _ = hythe.pair()
        link = FaultLink(near, Plan(delay=SECOND))
        async with hythe.Host("10.0.0.1/24", link=link) as host:
            transport, _ = await host.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("10.0.0.2", 9))
            transport.sendto(b"held")
            await asyncio.sleep(0.01)
            assert len(link.up) == 1
        link.on_deadline(0)  # nobody is called

    asyncio.run(main(), debug=True)
