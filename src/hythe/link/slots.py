"""The packets of an in-process link: filled by who sends, read by who receives, and used again.

Theory of operation. What is sent is copied once, into a slot that waits in the inbox and is handed out as it is. After
the next receive it is spare, and the latest spare is filled first, for its memory is in the cache still. Nothing is
allocated for a super-segment that way: 64 KiB blocks that come and go at the end of the heap have the C library give
pages back and take them anew, which costs more than all of TCP. What fits an Ethernet frame gets a short slot, so that
a queue of a thousand acknowledgments takes 2 MB and not 64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from hythe.link.inbox import QUEUE
from hythe.wire.packet import PACKET_ROOM, Packet

P = TypeVar("P", bound=Packet)

_SHORT: Final = 2_048
#: Spare long slots kept at most: as many super-segments as the largest window has.
_KEPT: Final = 256


class Slots(Generic[P]):
    """`make` makes a slot of a given room."""

    __slots__ = ("_long", "_make", "_short")

    def __init__(self, make: Callable[[int], P]) -> None:
        self._make = make
        self._short: list[P] = []
        self._long: list[P] = []

    def fill(self, parts: Sequence[bytes | memoryview], gso_size: int, checksum: int) -> P:
        """A slot that contains `parts`, one after the other."""
        size = 0
        for part in parts:
            size += len(part)
        if size <= _SHORT:
            slot = self._short.pop() if self._short else self._make(_SHORT)
            slot.view[:size] = b"".join(parts)
        else:
            slot = self._long.pop() if self._long else self._make(PACKET_ROOM)
            end = 0
            for part in parts:
                start = end
                end += len(part)
                slot.view[start:end] = part
        slot.length = size
        slot.gso_size = gso_size
        slot.checksum = checksum
        return slot

    def give(self, slots: Sequence[P]) -> None:
        """Nobody looks at these any more."""
        for slot in slots:
            if len(slot.buffer) == _SHORT:
                if len(self._short) < QUEUE:
                    self._short.append(slot)
            elif len(self._long) < _KEPT:
                self._long.append(slot)
