"""Where a destination inside leads to outside: policy of addresses, and the gateway's own two.

Refused, in every spelling: loopback, the unspecified address, this machine's own addresses, broadcast and multicast. With
`host_loopback` two addresses inside stand for this machine: they lead to 127.0.0.1 and ::1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from hythe.gateway.egress.base import Destination

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Destinations:
    """`own`: this machine's addresses; `host4`, `host6`: those inside that mean this machine, when that is allowed."""

    def __init__(self, own: Iterable[bytes], *, host4: bytes | None, host6: bytes | None) -> None:
        self._own = frozenset(own)
        self._mapped: dict[bytes, str] = {}
        if host4 is not None:
            self._mapped[host4] = "127.0.0.1"
        if host6 is not None:
            self._mapped[host6] = "::1"

    def stream(self, address: bytes, port: int) -> Destination | None:
        """Where a TCP connection to `address` goes, or None when it is refused."""
        mapped = self._mapped.get(address)
        if mapped is not None:
            return Destination(mapped, port)
        if self.refused(address):
            return None
        return Destination(str(ipaddress.ip_address(address)), port)

    def refused(self, address: bytes) -> bool:
        """May the command not go there?"""
        ip: Address = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return (ip.packed in self._own or address in self._own or ip.is_loopback or ip.is_unspecified or ip.is_multicast
                or ip == ipaddress.IPv4Address("255.255.255.255"))
