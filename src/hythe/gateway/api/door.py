"""The door of a session: its listening socket, watched by the loop. Whoever it lets in is served by `serving`.

The socket's file is its user's alone, and the command's mount namespace has its directory covered. Should a command find
another way to it (a directory that was made later, by a session with another environment), it still stands in a user
namespace of its own, and is turned away for that.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hythe.gateway.api.serving import Answering

#: Callers at a time; more wait in the kernel's queue until one goes.
CALLERS: Final = 64
#: What the first request imports, with the loop's turn between them: 30 ms in a row would be a pause in the traffic.
_PARTS: Final = (
    "json",
    "h11",
    "hythe.session.model",
    "hythe.session.routes",
    "hythe.link.faults",
    "hythe.gateway.wiring",
    "hythe.gateway.api.lookups",
    "hythe.gateway.api.changes",
    "hythe.gateway.api.resources",
    "hythe.gateway.api.serving",
)
#: Seconds for which somebody may be silent.
SILENCE: Final = 30
#: Seconds until it is tried again to let somebody in when there is no descriptor left.
_PAUSE: Final = 0.1
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Callers(Protocol):
    """A listening socket, or who gives connections as one does."""

    def fileno(self) -> int:
        """Readable when somebody calls."""

    def accept(self) -> tuple[socket.socket, Any]:
        """The next one. OSError."""


class Door:
    """Listens until `close`. `resources` makes what is served, when the first request comes; `notice` tells of failures.

    `parts`: what it needs imported, piece by piece.
    """

    def __init__(
        self,
        listener: Callers,
        resources: Callable[[], Answering],
        notice: Callable[[str], None],
        parts: Sequence[str] = _PARTS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make = resources
        self._notice = notice
        self._parts = parts
        self._resources: Answering | None = None
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}  # callers that have not said anything yet
        self._served: set[asyncio.Task[None]] = set()
        self._open = False
        self._closed = False
        self._watch()

    def _watch(self) -> None:
        """Listen as long as there is room for one more."""
        self._listen(not self._closed and len(self._silent) + len(self._served) < CALLERS)

    def _listen(self, yes: bool) -> None:
        if yes != self._open:
            self._open = yes
            if yes:
                self._loop.add_reader(self._listener.fileno(), self._accept)
            else:
                self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # gone again
        except OSError:  # no descriptor is left: it waits in the kernel until there is one
            self._listen(False)
            self._loop.call_later(_PAUSE, self._watch)
            return
        if not _is_welcome(caller):
            caller.close()
            return
        caller.setblocking(False)
        self._silent[caller] = self._loop.call_later(SILENCE, self._turn_out, caller)
        self._loop.add_reader(caller.fileno(), self._begin, caller)
        self._watch()

    def _turn_out(self, caller: socket.socket) -> None:
        """It has said nothing for so long that another may have its place."""
        self._loop.remove_reader(caller.fileno())
        self._silent.pop(caller).cancel()
        caller.close()
        self._watch()

    def _begin(self, caller: socket.socket) -> None:
        """The first bytes: until now it may have been somebody who only looks whether we live."""
        if not _says_something(caller):
            self._turn_out(caller)
            return
        self._loop.remove_reader(caller.fileno())
        self._silent.pop(caller).cancel()
        task = self._loop.create_task(self._serve(caller))
        self._served.add(task)
        task.add_done_callback(self._done)

    async def _serve(self, caller: socket.socket) -> None:
        with caller:
            for part in self._parts:
                if part not in sys.modules:
                    import_module(part)
                    await asyncio.sleep(0)
            from hythe.gateway.api.serving import serve

            if self._resources is None:
                self._resources = self._make()
            await serve(caller, self._resources)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._served.discard(task)
        self._watch()
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, ModuleNotFoundError):
            self._notice(
                f"this session cannot be asked or controlled, for {failure.name} is missing: pip install {failure.name}"
            )
        elif failure is not None:  # a bug of ours must not cost the command its network
            self._notice("".join(traceback.format_exception(failure)))

    async def close(self) -> None:
        """Turn everybody out. The socket stays its owner's."""
        self._closed = True
        self._watch()
        for caller in list(self._silent):
            self._turn_out(caller)
        if self._resources is not None:
            await self._resources.finish()
        for task in self._served:
            task.cancel()
        if self._served:
            await asyncio.wait(self._served)


def _says_something(caller: socket.socket) -> bool:
    try:
        return bool(caller.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _is_welcome(caller: socket.socket) -> bool:
    """Does it stand where we stand: outside of every room?

    Where that cannot be seen, root is trusted: it is root of the machine, since root of a room is nobody but its user.
    """
    pid, uid, _ = _CREDENTIALS.unpack(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        return os.path.samefile(f"/proc/{pid}/ns/user", "/proc/self/ns/user")
    except OSError:
        return bool(uid == 0 != os.getuid())
