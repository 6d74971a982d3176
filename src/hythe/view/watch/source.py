"""A session by its name: asked again and again, through its end, and its return under the same name."""

from __future__ import annotations

from typing import Final

from hythe.errors import UsageError
from hythe.session.client import Session, SessionEndedError, find
from hythe.session.model import Changes

#: Seconds for which an answer is waited for: a session may be stopped (^Z).
_PATIENCE: Final = 2.0


class Contact:
    """To the session called `name`. `session` is None while there is none; `trouble` says what is wrong, if anything is.

    Raises `UsageError` where there is none to begin with.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: Session | None = find(name, _PATIENCE)
        self.trouble = ""

    def changes(self, since: int) -> Changes | None:
        """As `Session.changes`; None, and `trouble`, while nobody answers, which may take a while to see."""
        try:
            if self.session is None:
                self.session = find(self.name, _PATIENCE)
            found = self.session.changes(since)
        except SessionEndedError as error:
            self.session = None
            self.trouble = str(error)
            return None
        except UsageError:
            return None  # it has not come back
        self.trouble = ""
        return found
