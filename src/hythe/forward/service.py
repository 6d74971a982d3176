"""What an init system gives and wants: sockets that listen (sd_listen_fds(3)), and word of how we are (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hythe.errors import UsageError
from hythe.forward.places import Place

_FIRST: Final = 3


def notify(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell it, if there is one: ``READY=1``, ``STATUS=…``. Nobody hearing is no error of ours."""
    path = environment.get("NOTIFY_SOCKET")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as teller:
        try:
            teller.sendto(text.encode(), address)
        except OSError:
            return


def given(environment: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets that were handed to us, non-blocking."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environment.get("LISTEN_FDS", "0"))
    found = []
    for fd in range(_FIRST, _FIRST + count):
        os.set_inheritable(fd, False)
        one = socket.socket(fileno=fd)
        one.setblocking(False)
        found.append(one)
    return found


def assigned(sockets: Sequence[socket.socket], places: Sequence[Place], whose: str) -> dict[Place, list[socket.socket]]:
    """Which of them is whose, by its address. Raises `UsageError` for one that is nobody's; `whose` could have been."""
    found: dict[Place, list[socket.socket]] = {}
    for one in sockets:
        place = next((each for each in places if _fits(one, each)), None)
        if place is None:
            raise UsageError(f"the socket at {one.getsockname()} that was handed to us is no {whose}: name its port")
        found.setdefault(place, []).append(one)
    return found


def _fits(one: socket.socket, place: Place) -> bool:
    name: Any = one.getsockname()
    if place.path or isinstance(name, str):
        return bool(place.path) and name == place.path
    return (one.type == socket.SOCK_DGRAM) == place.udp and name[1] == place.port and name[0] in _addresses(place)


def _addresses(place: Place) -> Iterator[str]:
    yield from place.addresses
    if "::" in place.addresses:
        yield "0.0.0.0"
