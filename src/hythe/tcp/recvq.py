"""The receive queue: bytes in order that the owner has not taken yet, and the islands beyond a gap.

Theory of operation. In-order payloads are queued as they came: views into the link's ring, good for this turn only. The
owner normally takes them in the same turn, so nothing is copied; `keep` copies what is left when the turn ends. Islands
(RFC 9293, 3.10.7.4) are always copied, kept sorted and disjoint, and joined to the queue when the gap before them closes.

`held` counts every byte kept here, islands included: the window is the limit less `held`. What that count does not see,
the cost of an object a piece, is bounded too: small leftovers are joined, and past `ISLANDS_MAX` pieces a segment beyond
a gap is dropped as if the network had lost it.

Windows are promises, and a host may promise more than it has. What is really kept from turn to turn is charged to the
`ReceiveMemory` of the host. When that is short no window opens further, and what would have to wait is dropped; who reads
at once is not concerned.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import Final

from hythe.units import NEVER

#: More pieces than an honest sender makes of the default window: 512 KiB at an MSS of 536.
ISLANDS_MAX: Final = 1_024
#: Packets of a wire come one by one; those that continue an island are joined to it up to this size.
_ISLAND_SIZE: Final = 65_536
#: Kept views shorter than this are joined with their neighbours.
_WORTH_A_VIEW: Final = 16_384
_BY_END: Final = attrgetter("end")


class Island:
    """Bytes received beyond a gap: `data` starts at unwrapped sequence number `start`. `stamp` orders them by arrival."""

    __slots__ = ("data", "end", "stamp", "start")

    def __init__(self, start: int, data: bytearray, stamp: int) -> None:
        self.start = start
        self.end = start + len(data)
        self.data = data
        self.stamp = stamp


class ReceiveMemory:
    """What the receive queues of one host keep together: `held` bytes, and the `limit` from which on memory is short."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int = NEVER) -> None:
        self.limit = limit
        self.held = 0

    @property
    def short(self) -> bool:
        """Is there no room for more?"""
        return self.held >= self.limit


class ReceiveQueue:
    """`views`: what the owner may take, in order; all but the first `kept` lie in the link's ring still.

    `charged`: bytes that the host's memory was last told of.
    """

    __slots__ = ("_stamp", "charged", "held", "islands", "kept", "views")

    def __init__(self) -> None:
        self.views: list[memoryview] = []
        self.held = 0
        self.charged = 0
        self.islands: list[Island] | None = None
        self.kept = 0
        self._stamp = 0

    def consume(self, size: int) -> None:
        """The owner has taken the first `size` bytes of `views`."""
        self.held -= size
        views = self.views
        if len(views) == 1 and size == len(views[0]):
            views.clear()
            self.kept = 0
            return
        taken = 0
        while size and size >= len(views[taken]):
            size -= len(views[taken])
            taken += 1
        del views[:taken]
        self.kept = max(0, self.kept - taken)
        if size:
            views[0] = views[0][size:]

    def keep(self) -> None:
        """The turn ends: what the owner has not taken is copied out of the link's ring."""
        views = self.views
        kept = self.kept
        if len(views) > kept:
            if kept and len(views[kept - 1]) < _WORTH_A_VIEW:
                kept -= 1
            views[kept:] = [memoryview(b"".join(views[kept:]))]
            self.kept = kept + 1

    def add_island(self, start: int, data: memoryview) -> int:
        """Keep bytes beyond a gap; where they overlap, what came first stays. Returns how many bytes were new."""
        islands = self.islands
        if islands is None:
            islands = self.islands = []
        self._stamp += 1
        end = start + len(data)
        added = 0
        position = start
        index = bisect_right(islands, start, key=_BY_END)
        while position < end:
            following = islands[index] if index < len(islands) else None
            stop = min(end, following.start) if following else end
            if position < stop:
                before = islands[index - 1] if index else None
                if before and before.end == position and stop - before.start <= _ISLAND_SIZE:
                    before.data += data[position - start : stop - start]
                    before.end = stop
                    before.stamp = self._stamp
                elif len(islands) >= ISLANDS_MAX:
                    break
                else:
                    islands.insert(index, Island(position, bytearray(data[position - start : stop - start]), self._stamp))
                    index += 1
                added += stop - position
            if following is None or stop == end:
                break
            following.stamp = self._stamp  # touched by this segment: its block is the most recent (RFC 2018, 4)
            position = max(position, following.end)
            index += 1
        self.held += added
        return added

    def join(self, rcv_nxt: int) -> int:
        """The gap before `rcv_nxt` closed: move what follows it into `views`. Returns the new rcv_nxt."""
        islands = self.islands
        if islands is None:
            return rcv_nxt
        joined = 0
        for island in islands:
            if island.start > rcv_nxt:
                break
            joined += 1
            if island.end > rcv_nxt:
                self.views.append(memoryview(island.data)[rcv_nxt - island.start :])
                self.held -= rcv_nxt - island.start
                rcv_nxt = island.end
            else:
                self.held -= island.end - island.start
        del islands[:joined]
        if not islands:
            self.islands = None
        return rcv_nxt

    @property
    def highest(self) -> int:
        """The sequence number after the last byte of the last island, 0 without any."""
        return self.islands[-1].end if self.islands else 0

    def blocks(self, limit: int) -> list[tuple[int, int]]:
        """SACK blocks, adjacent islands merged, the most recently touched first (RFC 2018, 4)."""
        merged: list[list[int]] = []
        for island in self.islands or ():
            if merged and merged[-1][1] == island.start:
                merged[-1][1] = island.end
                merged[-1][2] = max(merged[-1][2], island.stamp)
            else:
                merged.append([island.start, island.end, island.stamp])
        merged.sort(key=lambda block: -block[2])
        return [(start, end) for start, end, _ in merged[:limit]]

    def charge(self, memory: ReceiveMemory, size: int) -> None:
        """Of `memory` this queue takes `size` bytes now, whatever it was before."""
        memory.held += size - self.charged
        self.charged = size

    def clear(self) -> None:
        """Forget everything: nobody will read it."""
        self.views.clear()
        self.islands = None
        self.held = 0
        self.kept = 0
