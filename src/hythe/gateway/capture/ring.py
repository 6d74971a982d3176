"""A ring of records in memory that two processes share: one puts, the other takes, and neither waits for the other.

Theory of operation. Positions count bytes since the beginning and never wrap; a record lies at its position modulo the
size, whole, so that what is left at the end of the memory is skipped. The one that puts owns `head`, the one that takes
owns `tail`, and each only reads the other's. A record that finds no room is not put, and counted; the next one that does
tells how many packets are missing before it. From then on the ring is *shut* until most of it is empty: what is taken are
whole stretches of traffic with gaps between them.

The one that takes sleeps until the bell: a byte in a pipe for each `publish`, lost without harm where the pipe is full. It
looks at `head` after the bell alone, so that the system calls on both sides order what the processors may not. The pipe's
end is the end of all records.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hythe.units import MIB

#: Half a second at 1 Gbit/s: as long as a disk, or a machine with much to do, may pause. Memory is taken as it is used.
SIZE: Final = 64 * MIB

#: What a record is: a packet that went to the command or came from it, or one of `recorder`'s notes.
TO_COMMAND: Final = 1
FROM_COMMAND: Final = 2
RESENT: Final = 3
ANSWER: Final = 4

#: Before the records: head, tail, packets that found no room, whether it is shut, and bytes that found no room.
_SHARED: Final = 64
_HEAD, _TAIL, _DROPPED, _SHUT, _LOST = 0, 1, 2, 3, 4
#: Bytes of the record in all, of its body, gso_size, checksum, kind, packets missing before it, time.
_RECORD: Final = struct.Struct("=IIHBBIQ")
#: Shut until an eighth is left.
_EMPTY: Final = 3
_WORD: Final = struct.Struct("=I")
_READ: Final = 4_096


class Record(NamedTuple):
    """`body` is good until the next is asked for. `missing`: packets before this one that found no room."""

    kind: int
    now: int
    body: memoryview
    gso_size: int
    checksum: int
    missing: int


class Ring:
    """Made before the fork. `size`: bytes, a power of two."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self._mask = size - 1
        self._most = size  # that may wait when a record more is put
        self._memory = mmap.mmap(-1, _SHARED + size + _RECORD.size)  # what skips the end looks like a record
        self._view = memoryview(self._memory)
        self._words = self._view[:_SHARED].cast("Q")
        self._records = self._view[_SHARED:]
        self.bell, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._head = 0
        self._missing = 0

    @property
    def dropped(self) -> int:
        """Packets that found no room."""
        return self._words[_DROPPED]

    @property
    def shut(self) -> bool:
        """Has it been full, and is not empty enough yet?"""
        return bool(self._words[_SHUT])

    @property
    def offered(self) -> int:
        """Bytes that came, with room for them or without."""
        return self._words[_HEAD] + self._words[_LOST]

    @property
    def taken(self) -> int:
        """Bytes that have been taken."""
        return self._words[_TAIL]

    @property
    def used(self) -> int:
        """Bytes that wait, as far as the one that takes knows."""
        return self._words[_HEAD] - self._words[_TAIL]

    # --- The one that puts

    def put(
        self,
        kind: int,
        now: int,
        parts: Sequence[bytes | memoryview],
        length: int,
        gso_size: int = 0,
        checksum: int = 0,
        packets: int = 0,
    ) -> bool:
        """Copy a record in, if there is room: `parts` are `length` bytes, which stand for `packets` packets."""
        head = self._head
        at = head & self._mask
        total = _RECORD.size + length + 7 & ~7
        skip = self.size - at if at + total > self.size else 0
        if head + skip + total - self._words[_TAIL] > self._most:
            self._turn_away(packets, total)
            return False
        if self._most < self.size:
            self._most = self.size
            self._words[_SHUT] = 0
        records = self._records
        if skip:
            _WORD.pack_into(records, at, 0)
            at = 0
        _RECORD.pack_into(records, at, total, length, gso_size, checksum, kind, self._missing, now)
        self._missing = 0
        at += _RECORD.size
        for part in parts:
            end = at + len(part)
            records[at:end] = part
            at = end
        self._head = head + skip + total
        return True

    def _turn_away(self, packets: int, size: int) -> None:
        self._missing += packets
        self._words[_DROPPED] += packets
        self._words[_LOST] += size
        if self._most == self.size:
            self._most = self.size >> _EMPTY
            self._words[_SHUT] = 1

    def publish(self) -> None:
        """Show what was put, and ring the bell. Raises `BrokenPipeError` when nobody is there to hear it."""
        self._words[_HEAD] = self._head
        try:
            os.write(self._rope, b".")
        except BlockingIOError:
            return  # it has not heard the last thousands, and need not sleep

    def end(self) -> None:
        """There will be no more."""
        self._words[_HEAD] = self._head
        os.close(self._rope)

    # --- The one that takes

    def is_ended(self) -> bool:
        """Having heard the bell: was it the last time?"""
        try:
            return not os.read(self.bell, _READ)
        except BlockingIOError:
            return False

    def records(self) -> Iterator[Record]:
        """What is there by the last bell."""
        words, records = self._words, self._records
        head = words[_HEAD]
        tail = words[_TAIL]
        while tail != head:
            at = tail & self._mask
            total, length, gso_size, checksum, kind, missing, now = _RECORD.unpack_from(records, at)
            if not total:
                tail += self.size - at
                continue
            start = at + _RECORD.size
            yield Record(kind, now, records[start : start + length], gso_size, checksum, missing)
            tail += total
            words[_TAIL] = tail
