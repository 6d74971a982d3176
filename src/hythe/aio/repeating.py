"""Work that takes a while, is asked for at any time, and is never done twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Repeating:
    """`work` is begun when it is asked for; asked for meanwhile, it is done once more when it has ended."""

    __slots__ = ("_again", "_task", "_work")

    def __init__(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def ask(self) -> None:
        """Do it soon."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._ended)
        else:
            self._again = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        task.result()  # a bug, if it raises: the loop's handler has it
        if self._again:
            self._again = False
            self.ask()

    def close(self) -> None:
        """No more. What goes on is cancelled."""
        self._again = False
        if self._task is not None:
            self._task.cancel()
