"""Who may have a handshake: the first check of every handshake message, before anything dear is done (paper, 5.3).

A Diffie-Hellman is what an attacker would have us do in vain. A message without our public key in its MAC1 gets nothing.
When there are more of them than `load_handshakes` in a second, its sender must have a cookie, and is sent one if it has
none; and one source, an IPv4 address or a network of 64 bits, may have so many a second with it. A flood gets no more
cookies than leave time for those who have a session.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from typing import Any

from hythe.config import WireguardConfig
from hythe.host.ratelimit import Bucket, RateLimit
from hythe.tunnel.wireguard.cookies import Doorkeeper, has_second
from hythe.units import SECOND

#: Where a datagram came from or goes to, as Python's sockets write it.
Source = tuple[Any, ...]


class Verdict(enum.Enum):
    """What becomes of a handshake message."""

    TAKE = enum.auto()
    BAD_MAC = enum.auto()
    LIMITED = enum.auto()
    COOKIE = enum.auto()


class Admission:
    """One for a device. `public`: our static key."""

    __slots__ = ("_cookies", "_count", "_limit", "_loaded_until", "_second", "_settings", "door")

    def __init__(self, public: bytes, settings: WireguardConfig, entropy: Callable[[int], bytes]) -> None:
        self.door = Doorkeeper(public, settings, entropy)
        self._settings = settings
        self._limit = RateLimit(settings.all_handshakes, settings.source_handshakes)
        self._cookies = Bucket(settings.all_cookies, 0)
        self._second = 0
        self._count = 0
        self._loaded_until = 0

    def judge(self, message: bytes, source: Source, now: int) -> Verdict:
        """What to do with an initiation or a response of the right length. Counts it."""
        if now < self._loaded_until and not has_second(message) and not self._cookies.has_token(now):
            return Verdict.LIMITED  # whatever it is, nothing would come of it
        if not self.door.has_mac1(message):
            return Verdict.BAD_MAC
        if not self.is_loaded(now):
            return Verdict.TAKE
        if not self.door.has_mac2(message, written(source), now):
            if not self._cookies.has_token(now):
                return Verdict.LIMITED
            self._cookies.take()
            return Verdict.COOKIE
        return Verdict.TAKE if self._limit.allows(network(source), now) else Verdict.LIMITED

    def is_loaded(self, now: int) -> bool:
        """Count one more. Are there too many?"""
        if now - self._second >= SECOND:
            self._second, self._count = now, 0
        self._count += 1
        if self._count > self._settings.load_handshakes:
            self._loaded_until = now + self._settings.load_lasts
        return now < self._loaded_until


def written(source: Source) -> bytes:
    """Address and port in one."""
    return f"{source[0]} {source[1]}".encode()


def network(source: Source) -> bytes:
    """What is taken for one source: whoever has an IPv6 address has 2**64 of them."""
    address = ipaddress.ip_address(source[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return mapped.packed if mapped is not None else address.packed[:8]
    return address.packed
