"""Clients of a server on asyncio: accepted in batches, counted, and not kept from it by those who say nothing.

Theory of operation. A client is one task, or what serves it without one (`Served`). Until it has said what it wants
(`greeted`) it is one of those there are only so many of: a new one pushes the oldest of them out, so that whoever opens
connections and says nothing keeps nobody else from being served. Where no descriptor is left, nothing is accepted for a
moment; clients wait in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from hythe.units import MILLISECOND, SECOND

#: Clients accepted in a row before others have their turn.
_BATCH: Final = 64
#: Seconds without accepting when there are no descriptors left.
PAUSE: Final = 50 * MILLISECOND / SECOND
_NO_DESCRIPTORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Served(Protocol):
    """What serves a client without a task. `asks`: the client has yet to say what it wants; otherwise it has by coming."""

    @property
    def asks(self) -> bool:
        """As above."""

    def begin(self) -> None:
        """Serve it. Its acceptor is told when it has asked (`greeted`), and at its end by `forget` or `go_on`, once."""

    def cancel(self) -> object:
        """End it."""


#: Makes one, for a connected non-blocking socket and its name; None where a task has to.
Make = Callable[[socket.socket, Any, "Acceptor"], Served | None]
#: Serves one connected non-blocking socket; calls what it is given once the client has said what it wants.
Serve = Callable[[socket.socket, Callable[[], object]], Coroutine[Any, Any, None]]


def accept(listener: socket.socket, take: Callable[[socket.socket, Any], object]) -> bool:
    """Give some of those who wait to `take`, with their names.

    False where no descriptor is left for the next, who waits in the kernel.
    """
    for _ in range(_BATCH):
        try:
            client, name = listener.accept()
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                return False
            continue  # it has gone already
        take(client, name)
    return True


class Acceptor:
    """`clients`: most at a time; `greeting`: most of them that have not said what they want.

    `counts`: of those sent away, by why; `away` hears of each while its socket is open. `make`: rather than `serve`.
    """

    def __init__(
        self,
        serve: Serve,
        what: str,
        *,
        clients: int,
        greeting: int,
        away: Callable[[socket.socket, str], object] = lambda *_: None,
        make: Make | None = None,
    ) -> None:
        self._serve = serve
        self._make = make
        self._away = away
        self._what = what
        self._most = clients
        self._most_greeting = greeting
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._clients: set[Served | asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._greeting: dict[socket.socket, Served | asyncio.Task[None]] = {}  # the oldest first
        self.counts = {"pushed out": 0, "no room": 0}

    def listen(self, listener: socket.socket) -> None:
        """Accept from a listening socket, ours from now on."""
        listener.setblocking(False)
        _tune(listener)  # what is accepted has it from there (tcp(7))
        self._listeners.append(listener)
        self._loop.add_reader(listener, self._accept, listener)

    @property
    def clients(self) -> int:
        """How many there are now."""
        return len(self._clients)

    @property
    def listeners(self) -> list[socket.socket]:
        """What is accepted from."""
        return list(self._listeners)

    def stop(self) -> None:
        """Listen no more; who is there stays, but who has not said what it wants."""
        self.release(self.listeners)
        for each in list(self._greeting.values()):
            each.cancel()

    def release(self, listeners: list[socket.socket]) -> None:
        """Close some of the listening sockets."""
        for listener in listeners:
            self._listeners.remove(listener)
            self._loop.remove_reader(listener)
            listener.close()

    def hand_over(self) -> None:
        """Another has the listening sockets from now on."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._listeners.clear()

    async def settle(self, seconds: float | None) -> bool:
        """Wait until all clients have gone, as long as that; have they?"""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._clients:
                    self._empty.clear()
                    await self._empty.wait()
        return not self._clients

    async def close(self) -> None:
        """Stop listening, and end every client."""
        self.stop()
        for client in list(self._clients):
            client.cancel()
        await self.settle(None)

    def _accept(self, listener: socket.socket) -> None:
        if not accept(listener, self._begin):
            self._loop.remove_reader(listener)
            self._loop.call_later(PAUSE, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._accept, listener)

    def take(self, client: socket.socket) -> asyncio.Task[None] | None:
        """Serve a connected socket, ours from now on; None where there is no room for one more."""
        _tune(client)
        return self._begin(client, None)

    def _begin(self, client: socket.socket, name: Any) -> asyncio.Task[None] | None:
        if len(self._clients) >= self._most or len(self._greeting) >= self._most_greeting:
            if not self._greeting:
                self.counts["no room"] += 1
                self._away(client, f"there are {self._most} clients already")
                client.close()
                return None
            oldest = next(iter(self._greeting))
            self.counts["pushed out"] += 1
            self._away(oldest, "it has said nothing for too long, and others wait")
            self._greeting.pop(oldest).cancel()
        client.setblocking(False)
        served = self._make(client, name, self) if self._make is not None else None
        if served is None:
            task = self._greeting[client] = self._run(client, self._serve(client, partial(self.greeted, client)))
            return task
        self._clients.add(served)
        if served.asks:
            self._greeting[client] = served
        served.begin()
        return None

    def greeted(self, client: socket.socket) -> None:
        """It has said what it wants."""
        self._greeting.pop(client, None)

    def go_on(self, served: Served, client: socket.socket, serve: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """From now on a task serves a client, who has said what it wants, or not, as before."""
        task = self._run(client, serve)
        self._clients.discard(served)
        if client in self._greeting:
            self._greeting[client] = task
        return task

    def forget(self, served: Served | asyncio.Task[None], client: socket.socket) -> None:
        """It has gone."""
        self._clients.discard(served)
        self._greeting.pop(client, None)
        if not self._clients:
            self._empty.set()

    def _run(self, client: socket.socket, serve: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(serve)
        self._clients.add(task)
        task.add_done_callback(partial(self._gone, client))
        return task

    def _gone(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        client.close()  # a task that is ended before its first step has not begun to see to it
        self.forget(task, client)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": self._what, "exception": task.exception(), "task": task})


def _tune(stream: socket.socket) -> None:
    """Without Nagle: whoever writes has put together what belongs together; and one that has gone silently is noticed."""
    if stream.family != socket.AF_UNIX:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
