"""How often a host says something: token buckets, one for all and one for each whom it tells (RFC 4443, 2.4(f))."""

from __future__ import annotations

from typing import Final

from hythe.units import SECOND

#: Buckets of single peers kept; the one that was made first makes room. Who can show more addresses meets the bucket of all.
_PEERS_MAX: Final = 1_024


class Bucket:
    """A token bucket that holds one second's worth: `limit` tokens. Full at first."""

    __slots__ = ("_filled", "_limit", "_tokens")

    def __init__(self, limit: int, now: int) -> None:
        self._limit = limit
        self._tokens = limit * SECOND  # a token is a second's nanoseconds
        self._filled = now

    def has_token(self, now: int) -> bool:
        """Is there one? Does not take it."""
        self._tokens = min(self._limit * SECOND, self._tokens + (now - self._filled) * self._limit)
        self._filled = now
        return self._tokens >= SECOND

    def take(self) -> None:
        """One token leaves."""
        self._tokens -= SECOND


class RateLimit:
    """At most `limit` a second in all, and `each` to one peer."""

    __slots__ = ("_all", "_each", "_peers")

    def __init__(self, limit: int, each: int) -> None:
        self._all = Bucket(limit, 0)
        self._each = each
        self._peers: dict[bytes, Bucket] = {}

    def allows(self, peer: bytes, now: int) -> bool:
        """May another one go to `peer`? Counts it if so: one who asks for too much takes nothing from the others."""
        bucket = self._peers.get(peer)
        if bucket is None:
            if len(self._peers) >= _PEERS_MAX:
                del self._peers[next(iter(self._peers))]
            bucket = self._peers[peer] = Bucket(self._each, now)
        if not bucket.has_token(now) or not self._all.has_token(now):
            return False
        bucket.take()
        self._all.take()
        return True
