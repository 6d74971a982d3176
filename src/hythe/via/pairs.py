"""Socket pairs for ways whose streams are no kernel sockets: one end is given away, the other is pumped.

When a stream breaks, the end that was given away must not see it end: it is reset. An end of a pair is reset by closing the
other one while that has something unread, and so that it has, something is sent by the first (`Given`). Once the first has
ended its own direction there can be nothing, and a break then does look like an end: a limit of socket pairs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

#: One direction of a pump: runs until that has ended, and raises OSError when it breaks.
Direction = Callable[[socket.socket], Coroutine[Any, Any, None]]


_RESET: Final = struct.pack("ii", 1, 0)


class PairEnd(socket.socket):
    """The end that is given away. `break_off` resets the stream behind it."""

    __slots__ = ("break_off",)

    def __init__(self, fd: int, break_off: Callable[[], object]) -> None:
        super().__init__(fileno=fd)
        self.break_off = break_off


def reset(stream: socket.socket) -> None:
    """Let its end, which follows, be none that could be taken for a regular one."""
    if isinstance(stream, PairEnd):
        stream.break_off()
    elif stream.fileno() >= 0 and stream.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # one that is broken already may refuse
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Given:
    """An end that was given away. No copy of it is kept, with which its closing would go unnoticed at the other end.

    Its owner may have closed it, and the descriptor may be another file's by now: sockets are told apart by their inodes.
    """

    __slots__ = ("_fd", "_identity")

    def __init__(self, end: socket.socket) -> None:
        self._fd = end.fileno()
        self._identity = _identity(self._fd)

    def spoil(self) -> None:
        """Send the other end something that nobody reads: closing that is a reset from now on."""
        with contextlib.suppress(OSError):  # closed; full, which is as unread as anything; or ended, as told above
            if _identity(self._fd) == self._identity:
                os.write(self._fd, b"\0")


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


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
        task = loop.create_task(_pump(theirs, Given(ours), up(theirs), down(theirs), end))
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
    given: Given,
    up: Coroutine[Any, Any, None],
    down: Coroutine[Any, Any, None],
    end: Callable[[bool], object],
) -> None:
    whole = False
    try:
        whole = await _both(up, down)
    finally:
        if not whole:
            given.spoil()
        theirs.close()
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
