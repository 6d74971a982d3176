"""Packets of a running session as a source: what its command sends and receives, as the session streams it.

No right is needed beyond being the session's user. Whoever reads too slowly misses packets: the comment of the next one says
how many, and the stream's end how many there were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from hythe.errors import MachineError
from hythe.session.client import find
from hythe.wire.pcapng import CapturedPacket, Reader

_MISSED: Final = re.compile(r"^(\d+) packets before this one were not captured", re.MULTILINE)


class Session:
    """A capture of the session called `name`; iterate over it, until it ends or `stop`, and close it.

    `snaplen`: bytes of each packet, 0 for all. `others`: where blocks go that are not packets, as with `pcapng.Reader`.
    `interface` is the command's. Raises `UsageError` that says which sessions there are, `SessionEndedError`.
    """

    __slots__ = ("_first", "_missed", "_pieces", "_reader", "_received", "_stopped", "_waits", "interface", "name")

    #: A signal needs no help to end the wait: `stop` does.
    waker: Final = -1
    #: All packets come.
    filtered: Final = False

    def __init__(self, name: str, *, snaplen: int = 0, others: list[tuple[int, bytes]] | None = None) -> None:
        self.name = name
        self._pieces = find(name).capture(snaplen=snaplen)
        self._reader = Reader(others)
        self._first: list[CapturedPacket] = []
        self._received = 0
        self._missed = 0
        self._stopped = False
        self._waits = False
        while not self._reader.interfaces:
            piece = next(self._pieces, b"")
            if not piece:
                raise MachineError(f"the session {name!r} has ended")
            self._first += self._reader.feed(piece)
        self.interface = self._reader.interfaces[0]

    def __iter__(self) -> Iterator[CapturedPacket]:
        """Packets as they come."""
        yield from map(self._counted, self._first)
        while piece := self._next():
            for packet in self._reader.feed(piece):
                yield self._counted(packet)
                if self._stopped:
                    return

    def _counted(self, packet: CapturedPacket) -> CapturedPacket:
        self._received += 1
        if packet.comment:
            self._missed += sum(map(int, _MISSED.findall(packet.comment)))
        return packet

    def _next(self) -> bytes:
        """The next piece; nothing at the end, or when `stop` was called."""
        try:
            self._waits = True  # first: a signal either finds it so, or has been seen below
            return b"" if self._stopped else next(self._pieces, b"")
        except KeyboardInterrupt:
            if not self._stopped:
                raise
            return b""
        finally:
            self._waits = False

    def statistics(self) -> tuple[int, int]:
        """Packets that came, and those that the session says did not: at the end it tells of the last, too."""
        return self._received, max(self._missed, self._reader.dropped)

    def stop(self) -> None:
        """End the iteration, from a signal handler: before its next packet, or where it waits for one."""
        self._stopped = True
        if self._waits:
            raise KeyboardInterrupt

    def close(self) -> None:
        """End the request."""
        self._pieces.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
