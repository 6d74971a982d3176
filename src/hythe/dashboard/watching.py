"""One watcher for each session that some page looks at: it asks the session, and tells all of them what changed.

A watcher lives as long as somebody looks. It finds its session by name, and when that ends it says so and looks out for
another one of the same name: pages show the old one until then. Questions are asked in a thread, since the client blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from types import TracebackType
from typing import Any, Final

from hythe.dashboard.board import COLUMNS, FIGURES, Board
from hythe.dashboard.recording import Recording
from hythe.dashboard.streams import Stream, encode
from hythe.errors import UsageError
from hythe.session.client import Session, SessionEndedError, SessionSilentError, find
from hythe.session.model import About, Changes, Holding
from hythe.session.plain import plain
from hythe.view.watch.source import PERIOD, pause

#: Seconds that a session may take to answer, until it is said that it does not.
PATIENCE: Final = 5.0
#: Rounds between two questions for what takes a session longer, or changes rarely.
_SELDOM: Final = 4


class Hub:
    """All watchers, by the names of their sessions."""

    def __init__(self) -> None:
        self._watchers: dict[str, Watcher] = {}
        self._streams: set[Stream] = set()
        self._finished = False

    async def __aenter__(self) -> Hub:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in list(self._watchers.values()):
            await each.close()
        self._watchers.clear()

    def finish(self) -> None:
        """The server is to end: end all streams."""
        self._finished = True
        for each in self._streams:
            each.finish()

    @contextlib.asynccontextmanager
    async def watcher(self, name: str) -> AsyncGenerator[Watcher, None]:
        """That of a session, at work meanwhile."""
        watcher = self._watchers.get(name)
        if watcher is None:
            watcher = self._watchers[name] = Watcher(name)
        watcher.looking += 1
        try:
            yield watcher
        finally:
            watcher.looking -= 1
            if not watcher.looking and self._watchers.get(name) is watcher:
                del self._watchers[name]
                await watcher.close()

    @contextlib.contextmanager
    def streamed(self, stream: Stream) -> Iterator[Stream]:
        """A stream that ends with the server."""
        self._streams.add(stream)
        if self._finished:
            stream.finish()
        try:
            yield stream
        finally:
            self._streams.discard(stream)


class Watcher:
    """Of the session called `name`. `session` is None while there is none; `looking`: how many do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.looking = 0
        self.board = Board()
        self.session: Session | None = None
        self.recording: Recording | None = None
        self._turned = asyncio.Event()
        self._keepers = 0
        self._kept = contextlib.ExitStack()
        self._streams: set[Stream] = set()
        self._about: About | None = None
        self._state: dict[str, Any] = {"state": "looking", "sentence": f"looking for the session {name}"}
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Nobody looks any more."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.recording is not None:
            self.recording.close()

    @contextlib.contextmanager
    def listen(self) -> Iterator[Stream]:
        """A stream of all that is found, from what is known to what is news."""
        stream = Stream(self._anew)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def _anew(self) -> list[bytes]:
        told = [encode("columns", {"whole": COLUMNS, "figures": FIGURES}), encode("state", self._state)]
        if self._about is not None:
            told += [encode("about", plain(self._about)), encode("board", self._recorded(self.board.whole()))]
        return told

    def _recorded(self, told: dict[str, Any]) -> dict[str, Any]:
        """With a word on whether packets are recorded now."""
        return told | {"recording": self.recording is not None and self.recording.runs}

    def _tell(self, kind: str, value: Any) -> None:
        message = encode(kind, value)
        for each in self._streams:
            each.put(message)

    def _say(self, state: str, sentence: str = "") -> None:
        if self._state["state"] != state:
            self._state = {"state": state, "sentence": sentence, "at": time.time()}
            self._tell("state", self._state)
            self._turn()

    def _turn(self) -> None:
        """Wake who waits for a round."""
        self._turned.set()
        self._turned = asyncio.Event()

    async def next_round(self) -> None:
        """Until something has been asked, or is known."""
        await self._turned.wait()

    async def found(self) -> Session:
        """The session. Raises `SessionEndedError` where there is none."""
        while self.session is None:
            if self._state["state"] not in ("looking", "running"):
                raise SessionEndedError(self._state["sentence"])
            await self.next_round()
        return self.session

    @contextlib.contextmanager
    def keep(self) -> Iterator[None]:
        """Record the first packets of each connection meanwhile, in one session after the other."""
        self._keepers += 1
        self._record()
        try:
            yield
        finally:
            self._keepers -= 1
            self._record()

    def _record(self) -> None:
        kept, self._kept = self._kept, contextlib.ExitStack()
        if self._keepers and self.recording is not None:
            self._kept.enter_context(self.recording.look())
        kept.close()

    # --- What is asked, again and again

    async def _watch(self) -> None:
        while True:
            try:
                session = await asyncio.to_thread(find, self.name, PATIENCE)
                await self._follow(session)
            except UsageError as error:
                self._say("ended" if self._about is not None else "absent", str(error))
            except SessionSilentError as error:
                self._say("silent", str(error))
            except SessionEndedError as error:
                self._end(str(error))
            await asyncio.sleep(PERIOD)

    async def _follow(self, session: Session) -> None:
        """Until it ends, or does not answer."""
        about = await asyncio.to_thread(session.about)
        if self._about is None or (about.pid, about.since) != (self._about.pid, self._about.since):
            self._end("")
            self.board = Board()
            self.session, self.recording, self._about = session, Recording(session), about
            self._record()
            self._tell("about", plain(about))
        self._say("running")
        for count in range(1 << 62):
            begun = time.monotonic()
            changes: Changes = await asyncio.to_thread(session.changes, self.board.watch.serial)
            told = self.board.take(changes, time.time())
            if self._streams:
                self._tell("board", self._recorded(told))
            if count % _SELDOM == 1:
                await self._ask_seldom(session)
            self._turn()
            await asyncio.sleep(pause(begun, time.monotonic()))

    async def _ask_seldom(self, session: Session) -> None:
        """Which processes hold new connections; how the tunnels of a `hythe forward` are."""
        if self.board.watch.unowned:
            oldest = min(self.board.watch.unowned)
            holdings: list[Holding] = await asyncio.to_thread(session.holders, after=oldest - 1)
            owners = self.board.hold(holdings)
            if owners:
                self._tell("owners", owners)
        if self._about is not None and self._about.tunnels:
            about = await asyncio.to_thread(session.about)
            if about.tunnels != self._about.tunnels:
                self._tell("about", plain(about))
            self._about = about

    def _end(self, sentence: str) -> None:
        if self.recording is not None:
            self.recording.close()
        self.session = self.recording = None
        self._record()
        if sentence:
            self._say("ended", sentence)
