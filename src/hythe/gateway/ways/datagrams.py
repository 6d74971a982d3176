"""Datagrams by ways: what the command sends from one address and port, by associations of the ways they need.

All addresses that go by one way share an association. A name has one of its own: the far end answers by the address that it
has found, and only so is it known for whom that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from hythe.gateway.egress.base import Buffer, Destination, Lost, Peer, Run
from hythe.via.base import Datagrams, Way
from hythe.via.direct import Direct
from hythe.via.patterns import is_address

#: Datagrams that wait for an association to be made, and for the gate to take them; what is beyond is lost.
_WAITING: Final = 64
_CAME: Final = 512
#: How a way says that it has no datagrams, for us at least.
_NONE: Final = frozenset((errno.EOPNOTSUPP, errno.EACCES, errno.ECONNABORTED))
_LONGEST: Final = 65_535


class _Path:
    """One association. `waiting`: what was sent before it was there; `number`: why there is none, 0 while that is open."""

    __slots__ = ("number", "open", "task", "waiting")

    def __init__(self) -> None:
        self.open: Datagrams | None = None
        self.task: asyncio.Task[None] | None = None
        self.waiting: list[tuple[bytes, str, int]] = []
        self.number = 0


class WayDatagrams:
    """As `egress.base.Datagrams`."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._direct = Direct()
        self._here: set[Peer] = set()  # of this machine, which no way leads to
        self._paths: dict[object, _Path] = {}
        self._came: deque[tuple[Peer, bytes]] = deque()
        self._lost: list[Lost] = []
        self._ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_ready = False

    def fileno(self) -> int:
        """Readable while something waits for the gate."""
        return self._ready

    def peer(self, destination: Destination) -> Peer:
        """As `Datagrams.peer`: refused where the way has no datagrams."""
        peer = destination.host, destination.port
        if not destination.via:
            self._here.add(peer)
            return peer
        way = self._way.choose(*peer)
        if not way.carries_datagrams or (isinstance(way, Direct) and not is_address(destination.host)):
            raise OSError(errno.EACCES, f"{way.name} carries no datagrams")
        return peer

    def send(self, pieces: Sequence[Buffer], gso_size: int, peer: Peer, ecn: int = 0) -> None:
        """As `Datagrams.send`; there is no ECN."""
        host, port = peer
        way = self._direct if peer in self._here else self._way.choose(host, port)
        key = way if is_address(host) else host
        path = self._paths.get(key)
        if path is None:
            path = self._paths[key] = _Path()
            path.task = asyncio.get_running_loop().create_task(self._begin(way, key, path))
        if path.number:
            raise OSError(path.number, os.strerror(path.number))
        if gso_size and len(pieces) == 1:
            whole = memoryview(pieces[0])
            pieces = [whole[start : start + gso_size] for start in range(0, len(whole), gso_size)]
        for piece in pieces:
            if path.open is not None:
                path.open.send(piece, host, port)
            elif len(path.waiting) < _WAITING:
                path.waiting.append((bytes(piece), host, port))

    async def _begin(self, way: Way, key: object, path: _Path) -> None:
        receive = self._receive if key is way else partial(self._receive_named, str(key))
        try:
            path.open = await way.datagrams(receive, partial(self._broken, key))
        except OSError as error:
            # What has none after all refuses from now on, as what never could; anything else may pass.
            number = errno.EACCES if error.errno in _NONE else error.errno or errno.ENETUNREACH
            if error.errno in _NONE:
                path.number = number
            else:
                self._paths.pop(key, None)
            for data, host, port in path.waiting:
                self._lost.append(Lost((host, port), number, len(data), None, None))
            path.waiting.clear()
            self._wake()
            return
        for each in path.waiting:
            with contextlib.suppress(OSError):  # it has ended already, and says so by itself
                path.open.send(*each)
        path.waiting.clear()

    def _broken(self, key: object, error: OSError) -> None:
        """The association has ended; the next datagram begins another."""
        self._paths.pop(key, None)

    def _receive(self, data: bytes, host: str, port: int) -> None:
        if len(self._came) < _CAME:
            self._came.append(((host, port), data))
            self._wake()

    def _receive_named(self, name: str, data: bytes, host: str, port: int) -> None:
        self._receive(data, name, port)

    def _wake(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            os.eventfd_write(self._ready, 1)

    def receive(self, buffer: memoryview, limit: int) -> tuple[list[Run], bool]:
        """As `Datagrams.receive`."""
        runs: list[Run] = []
        at = 0
        while self._came and len(runs) < limit and len(buffer) - at >= _LONGEST:
            peer, data = self._came.popleft()
            buffer[at : at + len(data)] = data
            runs.append(Run(peer, at, at + len(data), 0, 0))
            at += len(data)
        if not self._came and self._is_ready:
            self._is_ready = False
            os.eventfd_read(self._ready)
        return runs, bool(self._came)

    def errors(self) -> list[Lost]:
        """As `Datagrams.errors`."""
        lost, self._lost = self._lost, []
        return lost

    def close(self) -> None:
        """As `Datagrams.close`."""
        for path in self._paths.values():
            if path.task is not None:
                path.task.cancel()
            if path.open is not None:
                path.open.close()
        self._paths.clear()
        self._came.clear()
        self._is_ready = False
        os.close(self._ready)


class WayDatagramEgress:
    """As `DatagramEgress`."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def open_datagrams(self, version: int) -> WayDatagrams:
        """As `DatagramEgress.open_datagrams`."""
        return WayDatagrams(self._way)
