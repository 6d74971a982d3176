"""epoll(7) on hythe's sockets.

An edge is what would have woken somebody who waits: text, a FIN, an error, another state, room after there was none. Then
all that holds of the descriptor is told, not only what is new.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from hythe.pkt.constants import CONSTANTS
from hythe.pkt.descriptor import ERR, HUP, Socket

_ADD: Final = CONSTANTS["EPOLL_CTL_ADD"]
_DEL: Final = CONSTANTS["EPOLL_CTL_DEL"]
_EDGES: Final = CONSTANTS["EPOLLET"]
_ONCE: Final = CONSTANTS["EPOLLONESHOT"]
_EVENTS: Final = 0xFFFF


class _Interest:
    """In one descriptor. `seen`: the wakes that were told of."""

    __slots__ = ("data", "events", "seen", "socket")

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.change({})

    def change(self, event: Mapping[str, Any]) -> None:
        """As EPOLL_CTL_MOD does, which looks anew."""
        self.events: int = event.get("events", 0)
        self.data = {name: value for name, value in event.items() if name != "events"}
        self.seen: tuple[int, ...] | None = None

    def take(self) -> int:
        """The events to tell of now, 0 for none."""
        found = self.socket.events() & (self.events & _EVENTS | ERR | HUP if self.events else 0)
        if self.events & _EDGES:
            wakes = self.socket.wakes()
            if wakes == self.seen:
                return 0
            self.seen = wakes
        if found and self.events & _ONCE:
            self.events = 0
        return found


class Epoll:
    """One epoll descriptor."""

    def __init__(self) -> None:
        self._interests: dict[int, _Interest] = {}

    def control(self, operation: int, fd: int, socket: Socket, event: object) -> None:
        """epoll_ctl(2)."""
        if operation == _ADD:
            if fd in self._interests:
                raise OSError(errno.EEXIST, "there already")
            self._interests[fd] = _Interest(socket)
        if fd not in self._interests:
            raise OSError(errno.ENOENT, "not there")
        if operation == _DEL:
            del self._interests[fd]
        else:
            self._interests[fd].change(event if isinstance(event, Mapping) else {})

    def forget(self, socket: Socket) -> None:
        """Its descriptor was closed."""
        self._interests = {fd: each for fd, each in self._interests.items() if each.socket is not socket}

    def wait(self, most: int) -> list[dict[str, Any]]:
        """What is there now, `most` of it."""
        found: list[dict[str, Any]] = []
        for interest in self._interests.values():
            events = interest.take() if len(found) < most else 0
            if events:
                found.append({"events": events, **interest.data})
        return found
