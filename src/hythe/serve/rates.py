"""How often something may happen: token buckets, and one for each address."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from hythe.units import SECOND


class Bucket:
    """`rate` a second, `burst` at once; `now` is in nanoseconds."""

    __slots__ = ("_burst", "_filled", "_rate", "_tokens")

    def __init__(self, rate: int, burst: int, now: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled = now

    def take(self, now: int, most: int = 1) -> int:
        """So many of `most` as there may be now, perhaps 0."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate / SECOND)
        self._filled = now
        taken = min(most, int(self._tokens))
        self._tokens -= taken
        return taken


class Buckets:
    """One bucket for each client's network (an IPv4 address, or a /64 of IPv6), the `most` that were used last."""

    def __init__(self, rate: int, burst: int, most: int) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def take(self, address: str, now: int) -> bool:
        """May a client at `address` have one more?"""
        packed = ipaddress.ip_address(address.partition("%")[0]).packed
        key = packed if len(packed) == 4 else packed[:8]
        bucket = self._buckets.setdefault(key, Bucket(self._rate, self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bool(bucket.take(now))
