"""Cryptokey routing (paper, 2): which peer has an address, by the longest prefix that contains it.

A peer's allowed-ips are where packets to it go, and what packets from it may say they come from. A few tables by length are
looked through, longest first; what was found is remembered by the link's caller, so this is off the hot path.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from hythe.tunnel.wireguard.config import Network

P = TypeVar("P")
_BITS: Final = 8


class AllowedIPs(Generic[P]):
    """Networks and whose they are. Addresses are packed: 4 or 16 bytes. `cache_most`: addresses remembered."""

    __slots__ = ("_cache", "_cache_most", "_tables")

    def __init__(self, cache_most: int) -> None:
        #: (bytes of an address, prefix length) -> (first bits as a number -> owner), longest first.
        self._tables: dict[tuple[int, int], dict[int, P]] = {}
        self._cache: dict[bytes, P | None] = {}
        self._cache_most = cache_most

    def add(self, network: Network, owner: P) -> None:
        """`owner` has `network` from now on; another who had it does not."""
        size, length = network.max_prefixlen // _BITS, network.prefixlen
        table = self._tables.setdefault((size, length), {})
        table[int(network.network_address) >> network.max_prefixlen - length] = owner
        self._tables = dict(sorted(self._tables.items(), key=lambda item: -item[0][1]))
        self._cache.clear()

    def remove(self, owner: P) -> None:
        """`owner` has nothing any more."""
        for table in self._tables.values():
            for first in [first for first, other in table.items() if other is owner]:
                del table[first]
        self._cache.clear()

    def find(self, address: bytes) -> P | None:
        """Whose `address` is."""
        try:
            return self._cache[address]
        except KeyError:
            pass
        size, number = len(address), int.from_bytes(address, "big")
        found = None
        for (bytes_each, length), table in self._tables.items():
            if bytes_each == size:
                found = table.get(number >> size * _BITS - length)
                if found is not None:
                    break
        if len(self._cache) >= self._cache_most:
            self._cache.clear()
        self._cache[address] = found
        return found
