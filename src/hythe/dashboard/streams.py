"""Server-sent events for one page (WHATWG's HTML, 9.2): what waits for it, and what becomes of it when it does not read."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from starlette.responses import StreamingResponse

#: Messages that wait for a page; then they are let go, and it is told everything anew.
_QUEUE: Final = 20
#: Seconds after which a quiet stream says that it lives.
_QUIET: Final = 15.0


def encode(kind: str, value: Any) -> bytes:
    """One event."""
    return f"event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


class Stream:
    """What one page is told. `anew`: makes all that a page needs which knows nothing."""

    def __init__(self, anew: Callable[[], list[bytes]]) -> None:
        self._anew = anew
        self._waiting: deque[bytes] = deque(anew())
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False

    def put(self, message: bytes) -> None:
        """Say something."""
        if len(self._waiting) >= _QUEUE:
            self._waiting = deque(self._anew())
        else:
            self._waiting.append(message)
        self._news.set()

    async def room(self) -> None:
        """Until the page has read most of what waits for it: for who would rather wait than say everything anew."""
        while len(self._waiting) >= _QUEUE // 2:
            self._taken.clear()
            await self._taken.wait()

    def finish(self) -> None:
        """There is nothing more to come."""
        self._ended = True
        self._news.set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """As they come, until `finish`."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
                self._taken.set()
            if self._ended:
                return
            self._news.clear()
            try:
                async with asyncio.timeout(_QUIET):
                    await self._news.wait()
            except TimeoutError:
                yield b": quiet\n\n"


def answer(pieces: AsyncGenerator[bytes, None]) -> StreamingResponse:
    """The response that carries them."""
    return StreamingResponse(pieces, media_type="text/event-stream")
