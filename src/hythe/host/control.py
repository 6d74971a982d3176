"""ICMP of one host: the errors it sends, rate-limited, and those it is told.

Source: RFC 792, RFC 1122 3.2.2, RFC 4443.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from typing import Final

from hythe.host.counters import Counters
from hythe.link.base import Link
from hythe.units import SECOND
from hythe.wire import icmp, icmpv6, ipv4, ipv6
from hythe.wire.packet import VNET_PLAIN
from hythe.wire.segment import PROTOCOL as TCP
from hythe.wire.segment import split_key

#: errno -> code of "destination unreachable": ICMP (RFC 1122, 3.2.2.1) and ICMPv6 (RFC 4443, 3.1).
_CODES4: Final = {errno.ENETUNREACH: 0, errno.EHOSTUNREACH: 1, errno.EACCES: 13, errno.EPERM: 13}
_CODES6: Final = {errno.ENETUNREACH: 0, errno.EHOSTUNREACH: 3, errno.EACCES: 1, errno.EPERM: 1}


class Control:
    """`link_to(address)`: the link by which an address is reached. At most `limit` errors leave a second."""

    def __init__(self, link_to: Callable[[bytes], Link], limit: int, ttl: int, counters: Counters) -> None:
        self._link_to = link_to
        self._limit = limit
        self._ttl = ttl
        self._counters = counters
        self._tokens = limit
        self._filled = 0

    def turn_down(self, key: bytes, seq: int, number: int, now: int) -> None:
        """Answer the SYN with this key and sequence number by "unreachable", for the reason `number` (errno)."""
        if not self._allowed(now):
            return
        remote, remote_port, local, port = split_key(key)
        quoted = struct.pack(">HHI12x", remote_port, port, seq & 0xFFFFFFFF)
        if len(remote) == 4:
            original = ipv4.build(remote, local, TCP, len(quoted)) + quoted
            packet = icmp.error_packet(local, remote, icmp.UNREACHABLE, _CODES4.get(number, 1), original, ttl=self._ttl)
        else:
            original = ipv6.build(remote, local, TCP, len(quoted)) + quoted
            packet = icmpv6.error_packet(local, remote, icmpv6.UNREACHABLE, _CODES6.get(number, 3), original)
        self._link_to(remote).send(now, VNET_PLAIN + packet)

    def _allowed(self, now: int) -> bool:
        """A token bucket of one second's worth (RFC 4443, 2.4 (f))."""
        self._tokens = min(self._limit, self._tokens + (now - self._filled) * self._limit // SECOND)
        self._filled = now
        if self._tokens < 1:
            self._counters.icmp_limited += 1
            return False
        self._tokens -= 1
        return True
