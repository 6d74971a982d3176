"""Congestion controllers behind one interface (`base.Controller`)."""

from __future__ import annotations

from collections.abc import Callable

from hythe.errors import UsageError
from hythe.tcp.congestion.base import Controller
from hythe.tcp.congestion.cubic import Cubic
from hythe.tcp.congestion.reno import Reno

__all__ = ["Controller", "Cubic", "Reno", "controller"]


def controller(name: str) -> Callable[[int, int], Controller]:
    """The class for a name, to be called with (mss, initial window in segments). Raises `UsageError`."""
    match name:
        case "cubic":
            return Cubic
        case "reno":
            return Reno
    raise UsageError(f"{name!r} is not a congestion control hythe knows: choose cubic or reno")
