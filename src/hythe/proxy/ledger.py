"""What each client and user has had: accounts in memory that the processes of one proxy share.

Theory of operation. The memory is a table of buckets; a keyed digest of the name tells the bucket, so nobody can choose
whom he shares one with. Who has no connection and was seen longest ago makes room for another. A bucket is locked by a
record lock (fcntl(2)) on the file that the memory is of: the kernel lets it go with a process that dies. One process alone
has no lock to take. Times are of CLOCK_MONOTONIC, which is the same everywhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_BUCKETS: Final = 4_096
#: Accounts of a bucket: with 20,000 who have connections, one bucket in 100,000 has more.
_PLACES: Final = 16
_CELLS: Final = 8
_BYTES: Final = 8
_NAME: Final = struct.Struct("qq")
#: The cells of an account behind the two of its name; what they mean is `limits`' and `users`' to know.
CONNECTIONS, OPENS, AHEAD, HOUR, VOLUME, _SEEN = range(2, _CELLS)


class Account:
    """One, for as long as it has connections. `cells`: to be looked at and changed while it is locked (`with`)."""

    __slots__ = ("_bucket", "_ledger", "cells")

    def __init__(self, ledger: Ledger, bucket: int, cells: memoryview[int]) -> None:
        self._ledger = ledger
        self._bucket = bucket
        self.cells = cells

    def __enter__(self) -> memoryview[int]:
        self._ledger.lock(self._bucket)
        return self.cells

    def __exit__(self, *_: object) -> None:
        self._ledger.unlock(self._bucket)


class Ledger:
    """`shared`: with processes that are forked from now on."""

    def __init__(self, *, shared: bool = False, buckets: int = _BUCKETS) -> None:
        self._buckets = buckets
        size = buckets * _PLACES * _CELLS * _BYTES  # of which the kernel gives what is used
        self._fd = os.memfd_create("hythe proxy") if shared else -1
        if shared:
            os.ftruncate(self._fd, size)
        self._table: memoryview[int] = memoryview(mmap.mmap(self._fd, size)).cast("q")
        self._secret = os.urandom(16)

    @contextmanager
    def account(self, who: str, now: int) -> Iterator[Account | None]:
        """The account of somebody, locked; a new one where there is none, or None where everybody has connections."""
        name = hashlib.blake2b(who.encode(errors="surrogateescape"), digest_size=_NAME.size, key=self._secret).digest()
        bucket = (name[0] << 8 | name[1]) % self._buckets
        self.lock(bucket)
        try:
            high, low = _NAME.unpack(name)
            cells = self._find(bucket, high, low, now)
            yield Account(self, bucket, cells) if cells is not None else None
        finally:
            self.unlock(bucket)

    def _find(self, bucket: int, high: int, low: int, now: int) -> memoryview[int] | None:
        oldest = None
        for place in range(_PLACES):
            at = (bucket * _PLACES + place) * _CELLS
            cells = self._table[at : at + _CELLS]
            if cells[0] == high and cells[1] == low:
                cells[_SEEN] = now
                return cells
            if not cells[CONNECTIONS] and (oldest is None or cells[_SEEN] < oldest[_SEEN]):
                oldest = cells
        if oldest is not None:
            for number, value in enumerate((high, low, 0, 0, 0, now, 0, now)):
                oldest[number] = value
        return oldest

    def lock(self, bucket: int) -> None:
        """Keep other processes from a bucket."""
        if self._fd >= 0:
            fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, bucket)

    def unlock(self, bucket: int) -> None:
        """Let them."""
        if self._fd >= 0:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, bucket)
