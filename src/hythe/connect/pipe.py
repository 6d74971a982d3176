"""Our side where it is no terminal: standard input and output, byte by byte as they are.

A regular file cannot be waited for and a pipe may be shared, so neither is made non-blocking; a thread reads, and another
writes. The one that reads is left behind at the end, perhaps in the middle of a read that nobody waits for any more.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Final

from hythe.connect.telnet import Telnet
from hythe.errors import MachineError

_READ: Final = 64 * 1_024
#: Reads ahead of what the far side takes.
_AHEAD: Final = 4


class Pipe:
    """Descriptors `source` and `target`. `most`: the longest read, bytes."""

    def __init__(self, source: int = 0, target: int = 1, *, most: int = _READ) -> None:
        self._most = min(most, _READ)
        self._source = source
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        threading.Thread(target=self._reader, name="input", daemon=True).start()

    async def read(self) -> bytes:
        """Input; nothing at its end. Raises `MachineError`."""
        came = await self._came.get()
        self._room.release()
        if isinstance(came, OSError):
            raise MachineError(f"standard input cannot be read ({came.strerror})") from came
        return came

    async def write(self, data: bytes) -> None:
        """All of it. Raises `MachineError`, also when nobody reads any more."""
        try:
            await asyncio.to_thread(self._write, data)
        except OSError as error:
            raise MachineError(f"standard output cannot be written ({error.strerror})") from error

    def options(self, telnet: Telnet) -> None:
        """A pipe has none."""

    def close(self) -> None:
        """Nothing is held back."""

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._target, left) :]

    def _reader(self) -> None:
        came: bytes | OSError = b"?"
        while came and not isinstance(came, OSError):
            self._room.acquire()
            try:
                came = os.read(self._source, self._most)
            except OSError as error:
                came = error
            try:
                self._loop.call_soon_threadsafe(self._came.put_nowait, came)
            except RuntimeError:  # the loop is closed: nobody waits for it
                return
