"""Socket pairs for ways whose streams are no kernel sockets: one end is given away, the other is pumped.

When a stream breaks, the end that was given away must not see it end: it is reset. An end of a pair is reset by closing the
other one while that has something unread, and so that it has, a copy of the first is kept to send it something. Once the
first has ended its own direction there can be nothing, and a break then does look like an end: a limit of socket pairs.

The copy would also hide that the first was closed. So that one is a `PairEnd`, whose end can be told as a kernel socket's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

#: One direction of a pump: runs until that has ended, and raises OSError when it breaks.
Direction = Callable[[socket.socket], Coroutine[Any, Any, None]]


_RESET: Final = struct.pack("ii", 1, 0)


class PairEnd(socket.socket):
    """The end that is given away. `close` ends both directions, as it does of any socket; `break_off` resets the stream."""

    __slots__ = ("break_off",)

    def __init__(self, fd: int, break_off: Callable[[], object]) -> None:
        super().__init__(fileno=fd)
        self.break_off = break_off

    def close(self) -> None:
        """As any socket's."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError):  # it has ended already
                self.shutdown(socket.SHUT_RDWR)
        super().close()


def reset(stream: socket.socket) -> None:
    """Let its end, which follows, be none that could be taken for a regular one."""
    if isinstance(stream, PairEnd):
        stream.break_off()
    elif stream.fileno() >= 0 and stream.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # one that is broken already may refuse
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Pairs:
    """Makes them, and pumps until `close`."""

    __slots__ = ("_pumping",)

    def __init__(self) -> None:
        self._pumping: set[asyncio.Task[None]] = set()

    def make(self, up: Direction, down: Direction, end: Callable[[bool], object]) -> PairEnd:
        """The end to give away, non-blocking. `up` reads the other one, `down` writes it and shuts it down.

        `end` is called at last: have both directions come to their ends?
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        loop = asyncio.get_running_loop()
        task = loop.create_task(_pump(theirs, ours.dup(), up(theirs), down(theirs), end))
        self._pumping.add(task)
        task.add_done_callback(self._pumping.discard)
        return PairEnd(ours.detach(), lambda: loop.call_soon(task.cancel))  # not before it has begun

    async def close(self) -> None:
        """Break what still goes on."""
        for task in self._pumping:
            task.cancel()
        await asyncio.gather(*self._pumping, return_exceptions=True)


async def _pump(
    theirs: socket.socket,
    twin: socket.socket,
    up: Coroutine[Any, Any, None],
    down: Coroutine[Any, Any, None],
    end: Callable[[bool], object],
) -> None:
    whole = False
    try:
        whole = await _both(up, down)
    finally:
        if not whole:
            with contextlib.suppress(OSError):  # full, which is as unread as anything; or ended, as told above
                twin.send(b"\0")
        theirs.close()
        twin.close()
        end(whole)


async def _both(up: Coroutine[Any, Any, None], down: Coroutine[Any, Any, None]) -> bool:
    """Run both to their ends. False when one met an error, which ended the other."""
    tasks = [asyncio.ensure_future(each) for each in (up, down)]
    try:
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        return not waiting and all(_went_well(each) for each in done)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.wait(tasks)


def _went_well(task: asyncio.Task[None]) -> bool:
    error = task.exception()
    if error is not None and not isinstance(error, OSError):
        raise error
    return error is None
