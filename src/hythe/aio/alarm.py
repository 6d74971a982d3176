"""A clock that wakes an epoll at the microsecond: timerfd_create(2), which the standard library has from 3.13 on only.

asyncio sleeps in whole milliseconds, rounded up. That is near enough for a retransmission, not for a link whose packets take
one millisecond; so a driver that has such a link sleeps by this clock instead.
"""

from __future__ import annotations

import ctypes
import os
from time import CLOCK_MONOTONIC
from typing import Final

from hythe.units import NEVER, SECOND

_TFD_TIMER_ABSTIME: Final = 1


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: an interval, which stays zero, and the time of the first expiry."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Alarm:
    """`fd` is to be registered edge-triggered, with this as its watcher. `at`: ns of the monotonic clock; NEVER: not set."""

    __slots__ = ("_libc", "_spec", "at", "fd")

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._spec = _TimerSpec()
        self.at = NEVER
        self.fd = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "no timerfd can be made")

    def set(self, at: int) -> None:
        """Wake at `at`, and not at what was set before; at once when it has passed."""
        self.at = at
        self._spec.value_s, self._spec.value_ns = divmod(max(at, 1), SECOND)  # zero would be "never"
        if self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None) < 0:
            raise OSError(ctypes.get_errno(), "the timerfd cannot be set")

    def on_events(self, events: int, now: int) -> None:
        """It has rung. An edge needs no reading."""
        self.at = NEVER

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)
