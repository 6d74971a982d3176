"""Events for whoever listens: one observer of the session, one bounded queue for each listener.

A listener that does not read as fast as things happen loses events, not the traffic its time: how many were left out is
told in their place. Without a listener nothing observes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

from hythe.gateway.session import Observer
from hythe.session.model import Event
from hythe.session.plain import plain
from hythe.units import SECOND

#: Events that wait for one listener.
QUEUE: Final = 1_000
#: Seconds after which a quiet stream says that it lives.
_QUIET: Final = 15
#: Events told at once.
_BATCH: Final = 50


class Watched(Protocol):
    """A session, as far as it is watched: what is in `observers` is told of what happens."""

    observers: list[Observer]


class Broadcast:
    """`describe`: the event of what the session's observers are told."""

    def __init__(self, session: Watched, describe: Callable[[str, object], Event | None]) -> None:
        self._session = session
        self._describe = describe
        self._listeners: set[_Listener] = set()

    @property
    def busy(self) -> bool:
        """Does anybody still listen?"""
        return bool(self._listeners)

    def finish(self) -> None:
        """The session ends: whoever listens gets what is there, and the end."""
        for listener in self._listeners:
            listener.finish()

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events, to the end of the session."""
        listener = _Listener()
        if not self._listeners:
            self._session.observers.append(self._observe)
        self._listeners.add(listener)
        try:
            yield b": hythe\n\n"
            while data := await listener.next():
                yield data
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._session.observers.remove(self._observe)

    def _observe(self, kind: str, about: object) -> None:
        data: bytes | None = None
        for listener in self._listeners:
            if not listener.has_room():
                continue
            if data is None:
                event = self._describe(kind, about)
                if event is None:
                    return
                data = encode(event)
            listener.put(data)


class _Listener:
    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._dropped = 0
        self._news = asyncio.Event()
        self._ended = False

    def has_room(self) -> bool:
        """Is there room for one more? If not, that one is lost, and counted."""
        if len(self._queue) < QUEUE:
            return True
        self._dropped += 1
        return False

    def put(self, data: bytes) -> None:
        if self._dropped:
            self._queue.append(encode(Event("dropped", time.time_ns() / SECOND, count=self._dropped)))
            self._dropped = 0
        self._queue.append(data)
        self._news.set()

    def finish(self) -> None:
        self._ended = True
        self._news.set()

    async def next(self) -> bytes:
        """What has happened since, a few events at once, or a comment after a while in which nothing did; b"" is the end."""
        if not self._queue and not self._ended:
            self._news.clear()
            try:
                async with asyncio.timeout(_QUIET):
                    await self._news.wait()
            except TimeoutError:
                return b": quiet\n\n"
        queue = self._queue
        data = b"".join([queue.popleft() for _ in range(min(len(queue), _BATCH))])
        if not queue and self._dropped:
            data += encode(Event("dropped", time.time_ns() / SECOND, count=self._dropped))
            self._dropped = 0
        return data


def encode(event: Event) -> bytes:
    """As WHATWG's HTML has it (9.2, server-sent events); fields that are null are left out."""
    fields = {name: value for name, value in plain(event).items() if value is not None}
    return f"event: {event.kind}\ndata: {json.dumps(fields)}\n\n".encode()
