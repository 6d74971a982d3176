"""The send queue: bytes between snd_una and the last one the owner gave us, kept until they are acknowledged.

Theory of operation. The queue is a list of chunks in sequence order, and it is the retransmission queue as well: there is
no second copy. A pooled chunk is filled in place (`reserve`, then `recv_into`, then `commit`), appended to while its tail
has room worth a system call, and goes back to the pool when its last byte is acknowledged. A chunk has room for exactly
one super-segment (`burst`), so that a full read leaves as a full super-segment out of one buffer. `bytes` that the owner
hands over are immutable and are referred to, not copied.

What may be held is what the connection has use for, which is what is on its way and a congestion window more, but no
more than its share of the pool: `SendPool.share` divides it by the flows that are sending. The least and the most are
`send_buffer_min` and `send_buffer_max`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

#: Room in a pooled chunk: no super-segment's payload is longer.
CHUNK: Final = 65_536
#: A tail with less room than this is left alone: a read into it would be a runt.
_WORTH: Final = 8_192
#: Owner's bytes shorter than this are copied into a chunk: a view of its own each would cost more.
_COPY_BELOW: Final = 4_096
_KEPT: Final = 64
_NOTHING: Final = memoryview(bytearray())
_BY_START: Final = attrgetter("start")


class Chunk:
    """A run of queued bytes: `view[:used]` is the stream from sequence number `start` on."""

    __slots__ = ("pooled", "start", "used", "view")

    def __init__(self, start: int, view: memoryview, used: int, *, pooled: bool) -> None:
        self.start = start
        self.view = view
        self.used = used
        self.pooled = pooled  # else the owner's own immutable bytes


class SendPool:
    """Chunks for the send queues of one host. `limit`: bytes of all queues together, by which shares are reckoned.

    `flows` counts the queues that hold something. Between uses a chunk keeps its buffer and its view of it: making
    those anew would cost a third of queueing a super-segment.
    """

    __slots__ = ("_free", "_least", "_most", "flows", "limit")

    def __init__(self, limit: int, least: int, most: int) -> None:
        self.limit = limit
        self._least = least
        self._most = most
        self._free: list[Chunk] = []
        self.flows = 0

    def take(self, start: int) -> Chunk:
        """An empty chunk of CHUNK bytes, with old contents, for the stream from `start` on."""
        if self._free:
            chunk = self._free.pop()
            chunk.start = start
            chunk.used = 0
            return chunk
        return Chunk(start, memoryview(bytearray(CHUNK)), 0, pooled=True)

    def give(self, chunk: Chunk, *, last: bool) -> None:
        """Take a chunk back, of which a bounded number is kept; `last`: its queue is empty now."""
        if chunk.pooled and len(self._free) < _KEPT:
            self._free.append(chunk)
        if last:
            self.flows -= 1

    def share(self, wanted: int) -> int:
        """Bytes that one queue, which has use for `wanted`, may hold now."""
        share = self.limit // (self.flows or 1)
        if share > wanted:
            share = wanted
        if share > self._most:
            return self._most
        return share if share > self._least else self._least


class SendQueue:
    """`end` is the sequence number after the last byte; positions are unwrapped sequence numbers."""

    __slots__ = ("_chunks", "_pool", "burst", "end", "start")

    def __init__(self, pool: SendPool, start: int) -> None:
        self._pool = pool
        self._chunks: list[Chunk] = []
        self.start = start
        self.end = start
        self.burst = CHUNK

    def __len__(self) -> int:
        return self.end - self.start

    def reserve(self, size: int) -> memoryview:
        """A writable view of at most `size` bytes behind the last one. What is written there counts after `commit`."""
        if size <= 0:
            return _NOTHING
        chunks = self._chunks
        if chunks:
            tail = chunks[-1]
            room = self.burst - tail.used
            if tail.pooled and (room >= _WORTH or room >= size):
                return tail.view[tail.used : tail.used + (size if size < room else room)]
        tail = self._pool.take(self.end)
        self._enter(tail)
        return tail.view[: size if size < self.burst else self.burst]

    def commit(self, size: int) -> None:
        """`size` bytes of what `reserve` returned are part of the stream now; 0 gives an unused chunk back."""
        if size:
            self._chunks[-1].used += size
            self.end += size
        elif self._chunks and not self._chunks[-1].used:
            chunk = self._chunks.pop()
            self._pool.give(chunk, last=not self._chunks)

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Queue the owner's bytes. Long immutable ones are not copied."""
        if isinstance(data, bytes) and len(data) >= _COPY_BELOW:
            self._enter(Chunk(self.end, memoryview(data), len(data), pooled=False))
            self.end += len(data)
            return
        view = memoryview(data).cast("B")
        while view:
            room = self.reserve(len(view))
            size = len(room)
            room[:] = view[:size]
            self.commit(size)
            view = view[size:]

    def slices(self, start: int, size: int) -> Sequence[memoryview]:
        """Views of `size` bytes from sequence number `start` on; they stay true until acknowledged."""
        chunks = self._chunks
        index = len(chunks) - 1
        chunk = chunks[index]
        if start < chunk.start:  # new data leaves from the last chunk; only a backlog or a retransmission looks further
            index = bisect_right(chunks, start, key=_BY_START) - 1
            chunk = chunks[index]
        offset = start - chunk.start
        if offset + size <= chunk.used:
            return (chunk.view[offset : offset + size],)
        parts = []
        while True:
            part = chunk.view[offset : min(chunk.used, offset + size)]
            parts.append(part)
            size -= len(part)
            if not size:
                return parts
            index += 1
            chunk = chunks[index]
            offset = 0

    def release(self, una: int) -> None:
        """Everything before `una` is acknowledged: whole chunks go back to the pool."""
        self.start = una
        chunks = self._chunks
        while chunks:
            chunk = chunks[0]
            if una < chunk.start + chunk.used:
                return
            del chunks[0]
            self._pool.give(chunk, last=not chunks)

    def clear(self) -> None:
        """Forget all that is queued: the connection is gone."""
        self.release(self.end)

    def _enter(self, chunk: Chunk) -> None:
        if not self._chunks:
            self._pool.flows += 1
        self._chunks.append(chunk)
