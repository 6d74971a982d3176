"""One question asked once, however many want to know.

Two questions of the same name on their way at the same time would let a forger guess at two identifiers (RFC 5452, 5, the
"birthday attack"), and a slow server be asked by everybody. So whoever wants what is being asked already waits for that;
it is given up when nobody waits any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Sharing(Generic[K, V]):
    """`find` finds the value of a key, at most once at the same time."""

    def __init__(self, find: Callable[[K], Awaitable[V]]) -> None:
        self._find = find
        self._under_way: dict[K, _Shared[V]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def get(self, key: K) -> V:
        """The value. Cancelled, it ends the finding unless somebody else waits for it; what `find` raises, all get."""
        shared = self._under_way.get(key)
        if shared is None:
            shared = self._under_way[key] = _Shared(asyncio.ensure_future(self._find(key)))
            shared.future.add_done_callback(lambda _: self._forget(key, shared))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.future)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.future.done():
                self._forget(key, shared)
                shared.future.cancel()
                await asyncio.wait([shared.future])

    def _forget(self, key: K, shared: _Shared[V]) -> None:
        if self._under_way.get(key) is shared:
            del self._under_way[key]


class _Shared(Generic[V]):
    __slots__ = ("future", "waiting")

    def __init__(self, future: asyncio.Future[V]) -> None:
        self.future = future
        self.waiting = 0
