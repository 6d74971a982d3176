"""Where a view's changes come from: a session by its name, asked again and again, through its end and its return."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hythe.errors import UsageError
from hythe.session.client import Session, SessionEndedError, find
from hythe.session.model import Changes, Holding

#: Seconds from one question to the next: what happens is to be seen within a second.
PERIOD: Final = 0.8
#: Seconds for which an answer is waited for: a session may be stopped (^Z).
_PATIENCE: Final = 2.0


class Source(Protocol):
    """`name`: for people. `session`: what can be asked more, and changed; None for what is no session, or has none just now.

    `trouble` says why nothing is told, where that is so.
    """

    name: str
    session: Session | None
    trouble: str

    def changes(self, since: int) -> Changes | None:
        """As `Session.changes`; None while nothing is told. It may take some seconds to see that."""

    def holders(self, after: int = 0) -> Sequence[Holding]:
        """As `Session.holders`."""


def pause(begun: float, now: float) -> float:
    """Seconds until the next question, when the last began at `begun` and it is `now` (monotonic).

    That clock is the machine's: all views ask at the same instants of it, so that a session looks once for all of them. What
    takes long is not all that is done.
    """
    earliest = max(begun + PERIOD / 2, now + (now - begun))
    return math.ceil(earliest / PERIOD) * PERIOD - now


def _found(name: str) -> Session:
    return find(name, _PATIENCE)


class Contact:
    """A session, by what finds it. Raises `UsageError` where there is none of that name to begin with."""

    def __init__(self, name: str, find: Callable[[str], Session] = _found) -> None:
        self.name = name
        self.session: Session | None = find(name)
        self.trouble = ""
        self._find = find

    def changes(self, since: int) -> Changes | None:
        """As `Source.changes`."""
        try:
            session = self.session or self._find(self.name)
        except UsageError:
            return None  # it has not come back
        try:
            found = session.changes(since)
        except SessionEndedError as error:
            self.session = None
            self.trouble = str(error)
            return None
        except UsageError as error:  # it does not know the question
            self.trouble = f"the session {self.name!r} is of another version of hythe ({error})"
            return None
        self.session = session
        self.trouble = ""
        return found

    def holders(self, after: int = 0) -> Sequence[Holding]:
        """As `Source.holders`."""
        try:
            return self.session.holders(after=after) if self.session is not None else ()
        except SessionEndedError:
            return ()  # whoever asks for changes will see
