"""System calls that have begun and not returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hythe.pkt.runner import Outcome


class Begun:
    """A call that blocks is one tried again, whenever something may have happened, until it does not."""

    def __init__(
        self,
        action: Callable[[Sequence[Any]], Outcome],
        arguments: Sequence[object],
        now: Callable[[], int],
        *,
        blocking: bool,
    ) -> None:
        self._action = action
        self._now = now
        self.done_at = 0
        self._arguments = arguments
        self._blocking = blocking
        self._outcome: Outcome | None = None
        self.attempt()

    def attempt(self) -> None:
        """Try it."""
        if self._outcome is not None:
            return
        self.done_at = self._now()
        try:
            self._outcome = self._action(self._arguments)
        except BlockingIOError as error:
            if not self._blocking:
                self._outcome = Outcome(-1, error.errno or 0)
        except OSError as error:
            self._outcome = Outcome(-1, error.errno or 0)

    def outcome(self) -> Outcome | None:
        """As `Pending.outcome`."""
        return self._outcome
