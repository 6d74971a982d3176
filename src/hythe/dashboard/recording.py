"""Packets of one session, recorded only while somebody looks at a connection, or wants those of new connections kept.

What the session streams is read as fast as this process can; what it cannot, the session leaves out and counts, and its
traffic does not wait. When the last one has gone, so have the packets, but for a moment in which a page may be loaded anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from hythe.dashboard.capture import capture
from hythe.dashboard.traces import Traces
from hythe.session.client import Session, SessionEndedError
from hythe.session.model import Connection

#: Seconds for which packets are kept that nobody looks at.
_LINGER: Final = 3.0


class Recording:
    """Of one session. `traces` has what was recorded; `runs`: do packets come?"""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._looking = 0
        self.traces = Traces()
        self.runs = False

    @contextlib.contextmanager
    def look(self, connection: Connection | None = None) -> Iterator[None]:
        """Record meanwhile: all packets of `connection`, and the first ones of every other."""
        self._looking += 1
        self._keep()
        if self._task is None:
            self._task = asyncio.create_task(self._record())
        traces = self.traces
        if connection is not None:
            traces.open(connection)
        try:
            yield
        finally:
            self._looking -= 1
            if connection is not None:
                traces.close(connection)
            if not self._looking and self._task is not None:
                self._linger = asyncio.get_running_loop().call_later(_LINGER, self.close)

    def close(self) -> None:
        """Stop, and forget."""
        self._keep()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.runs = False
        self.traces = Traces()

    def _keep(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    async def _record(self) -> None:
        with contextlib.suppress(SessionEndedError):  # the watcher finds that, too, and says so
            async with contextlib.aclosing(capture(self._session)) as pieces:
                async for packets in pieces:
                    self.runs = True
                    self.traces.take(packets)
        self.runs = False
