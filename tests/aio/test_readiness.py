"""A loop that watches sockets by an epoll of its own does what asyncio's does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from hythe.aio.readiness import ReadyLoop


class Pair:
    """Two ends, and what has been called."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.calls: list[str] = []
        self.called = asyncio.Event()

    def note(self, what: str) -> None:
        self.calls.append(what)
        self.called.set()

    async def next(self) -> str:
        self.called.clear()
        await asyncio.wait_for(self.called.wait(), 20)
        return self.calls[-1]

    def read(self) -> None:
        self.note(self.near.recv(100).decode())

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def reported() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def runner(reported: list[dict[str, Any]]) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=ReadyLoop) as made:
        made.get_loop().set_exception_handler(lambda _, context: reported.append(context))
        yield made


def run(runner: asyncio.Runner, what: Coroutine[Any, Any, None], reported: list[dict[str, Any]]) -> None:
    runner.run(what)
    assert not reported


def test_a_reader_is_called_until_it_is_removed_and_then_no_more(
    runner: asyncio.Runner, reported: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        loop, pair, beside = asyncio.get_running_loop(), Pair(), Pair()
        loop.add_reader(pair.near, pair.read)
        loop.add_reader(beside.near.fileno(), beside.read)
        for word in ("one", "two"):
            pair.far.send(word.encode())
            assert await pair.next() == word
        assert loop.remove_reader(pair.near)
        assert not loop.remove_reader(pair.near)
        pair.far.send(b"three")
        beside.far.send(b"other")
        assert await beside.next() == "other"
        assert pair.calls == ["one", "two"]
        beside.far.close()
        assert await beside.next() == ""
        loop.remove_reader(beside.near)
        for each in (pair, beside):
            each.close()

    run(runner, main(), reported)


def test_one_socket_may_have_both_and_a_callback_that_is_replaced(
    runner: asyncio.Runner, reported: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        loop, pair = asyncio.get_running_loop(), Pair()
        loop.add_reader(pair.near, pair.note, "never")
        loop.add_reader(pair.near, pair.read)
        loop.add_writer(pair.near, pair.note, "room")
        assert await pair.next() == "room"
        assert loop.remove_writer(pair.near)
        assert not loop.remove_writer(pair.near)
        pair.far.send(b"more")
        assert await pair.next() == "more"
        loop.add_writer(pair.near, pair.note, "again")
        assert loop.remove_reader(pair.near)
        assert await pair.next() == "again"
        loop.remove_writer(pair.near)
        pair.close()
        assert "never" not in pair.calls

    run(runner, main(), reported)


def test_what_one_raises_is_reported_and_the_others_are_called(
    runner: asyncio.Runner, reported: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        loop, bad, good = asyncio.get_running_loop(), Pair(), Pair()

        def fail() -> None:
            loop.remove_reader(bad.near)
            raise ValueError("a bug")

        loop.add_reader(bad.near, fail)
        loop.add_reader(good.near, good.read)
        bad.far.send(b"x")
        good.far.send(b"fine")
        assert await good.next() == "fine"
        while not reported:
            await asyncio.sleep(0)
        for each in (bad, good):
            loop.remove_reader(each.near)
            each.close()

    runner.run(main())
    assert [str(each["exception"]) for each in reported] == ["a bug"]


def test_a_descriptor_that_was_closed_first_is_forgotten(runner: asyncio.Runner, reported: list[dict[str, Any]]) -> None:
    async def main() -> None:
        loop, pair = asyncio.get_running_loop(), Pair()
        number = pair.near.fileno()
        loop.add_reader(number, pair.read)
        pair.close()
        assert loop.remove_reader(number)
        again = Pair()
        loop.add_reader(again.near, again.read)
        again.far.send(b"served")
        assert await again.next() == "served"
        loop.remove_reader(again.near)
        again.close()

    run(runner, main(), reported)


def test_what_the_loop_does_with_sockets_leaves_nothing_behind(
    runner: asyncio.Runner, reported: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        loop, pair = asyncio.get_running_loop(), Pair()
        room = memoryview(bytearray(10))
        filling = asyncio.ensure_future(loop.sock_recv_into(pair.near, room))  # asyncio's own
        await asyncio.sleep(0)
        pair.far.send(b"into")
        assert await asyncio.wait_for(filling, 20) == 4
        for word in (b"one", b"two"):
            waiting = asyncio.ensure_future(loop.sock_recv(pair.near, 10))
            await asyncio.sleep(0)
            pair.far.send(word)
            assert await asyncio.wait_for(waiting, 20) == word
        given_up = asyncio.ensure_future(loop.sock_recv(pair.near, 10))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        loop.add_reader(pair.near, pair.read)
        pair.far.send(b"free")
        assert await pair.next() == "free"
        loop.remove_reader(pair.near)
        assert not loop.remove_reader(pair.near)
        pair.close()

    run(runner, main(), reported)


def test_a_connection_and_a_long_sending_wait_for_room(runner: asyncio.Runner, reported: list[dict[str, Any]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as near:
            listener.setblocking(False)
            near.setblocking(False)
            await loop.sock_connect(near, listener.getsockname())
            far, _ = await asyncio.wait_for(loop.sock_accept(listener), 20)
            sending = asyncio.ensure_future(loop.sock_sendall(near, bytes(8 << 20)))
            left = 8 << 20
            while left:
                left -= len(await asyncio.wait_for(loop.sock_recv(far, 1 << 20), 20))
            await asyncio.wait_for(sending, 20)
            assert not loop.remove_writer(near)
            far.close()

    run(runner, main(), reported)
