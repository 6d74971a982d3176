"""System calls that have begun and not returned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from hythe.pkt.constants import CONSTANTS
from hythe.pkt.runner import Outcome
from hythe.units import MILLISECOND

#: Which argument is milliseconds.
_TIMEOUTS: Final[Mapping[str, int]] = MappingProxyType({"poll": 2, "epoll_wait": 3})
#: Which argument is flags, and those by which a call does not wait.
_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {"recv": 3, "recvfrom": 3, "recvmsg": 2, "send": 3, "sendto": 3, "sendmsg": 2}
)
_AT_ONCE: Final = CONSTANTS["MSG_DONTWAIT"] | CONSTANTS["MSG_ERRQUEUE"]
#: How often, and how long apart in seconds, a thread is looked at until it has gone to sleep in its call.
_LOOKS: Final = 200
_PAUSE: Final = 0.0005


class Begun:
    """A call that blocks is one tried again, whenever something may have happened, until it does not.

    `expires`: when poll(2) and its kin have waited long enough.
    """

    def __init__(
        self,
        action: Callable[[Sequence[Any]], Outcome],
        arguments: Sequence[object],
        now: Callable[[], int],
        *,
        blocking: bool,
        expires: int | None = None,
    ) -> None:
        self._action = action
        self._now = now
        self.done_at = 0
        self._arguments = arguments
        self._blocking = blocking
        self.eager = False  # goes on before what has happened is answered
        self.expires = expires
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
            if self.expires is not None and self.done_at >= self.expires:
                self._outcome = Outcome(0)
            elif not self._blocking:
                self._outcome = Outcome(-1, error.errno or 0)
        except OSError as error:
            self._outcome = Outcome(-1, error.errno or 0)

    def outcome(self) -> Outcome | None:
        """As `Pending.outcome`."""
        return self._outcome


def waits(name: str, arguments: Sequence[object], *, blocking: bool) -> bool:
    """Does a call wait where it can do nothing yet? Of its descriptor: is that `blocking`?"""
    at = _FLAGS.get(name, len(arguments))
    flags = arguments[at] if at < len(arguments) else 0
    return name in _TIMEOUTS or (blocking and not (isinstance(flags, int) and flags & _AT_ONCE))


def expiry(name: str, arguments: Sequence[object], now: int) -> int | None:
    """When poll(2) or epoll_wait(2), called now, gives up waiting; None: never, or it is another call."""
    at = _TIMEOUTS.get(name, len(arguments))
    given = arguments[at] if at < len(arguments) else -1
    return now + given * MILLISECOND if isinstance(given, int) and given >= 0 else None


class Waiting:
    """A call that waits in the kernel, in a thread of its own.

    There it makes a difference: an ACK is held back for a writer that waits, and whoever wants room is woken when there is
    some to speak of, not with each segment's.
    """

    def __init__(
        self, action: Callable[[Sequence[Any]], Outcome], arguments: Sequence[object], now: Callable[[], int]
    ) -> None:
        self._action = action
        self._arguments = arguments
        self._now = now
        self.done_at = 0
        self._outcome: Outcome | None = None
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        asleep = 0
        for _ in range(_LOOKS):
            time.sleep(_PAUSE)
            asleep = asleep + 1 if _sleeps(thread) else 0
            if asleep > 1 or self._outcome is not None:
                break

    def _run(self) -> None:
        try:
            outcome = self._action(self._arguments)
        except OSError as error:
            outcome = Outcome(-1, error.errno or 0)
        self.done_at = self._now()
        self._outcome = outcome

    def attempt(self) -> None:
        """It goes on by itself."""

    def outcome(self) -> Outcome | None:
        """As `Pending.outcome`."""
        return self._outcome


def _sleeps(thread: threading.Thread) -> bool:
    """Is a thread of ours asleep, or gone?"""
    try:
        with open(f"/proc/self/task/{thread.native_id}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"S"
    except OSError:
        return True
