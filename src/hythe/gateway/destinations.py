"""Where a destination inside leads to outside: the policy of addresses.

Refused, in every spelling: loopback, the unspecified address, this machine's own addresses, broadcast and multicast. An
IPv6 address that carries an IPv4 address is as good or bad as that (a NAT64, a 6to4 relay or the machine's own kernel
would lead there). With `host_loopback` the addresses inside that stand for this machine lead to 127.0.0.1 and ::1, and
its own addresses are open as well. The rest of the network inside is nobody: names (port 53) are answered before anything
comes here.

`stream` is on the way of every connection, so what was found out about an address is kept until the machine's own
addresses change.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, Protocol

from hythe.gateway.egress.base import Destination
from hythe.gateway.layout import Family
from hythe.gateway.machine import Machine
from hythe.host.interfaces import Prefix
from hythe.wire.embedded import embedded

#: Addresses remembered; then all are forgotten.
_KNOWN_LIMIT: Final = 4_096
_BROADCAST: Final = b"\xff\xff\xff\xff"


class Leads(Protocol):
    """Where destinations inside lead to."""

    def stream(self, address: bytes, port: int) -> Destination | None:
        """Where a TCP connection to `address` (packed) goes, or None when it is refused (`reason` tells why)."""

    def datagram(self, address: bytes, port: int) -> Destination | None:
        """The same for a UDP datagram, and with port 0 for pings."""

    def inside(self, host: str) -> bytes | None:
        """The other way round: the address by which the command knows `host`, None where it may not hear from there."""

    def reason(self, address: bytes) -> int:
        """Why `address` is refused, as an errno: ECONNREFUSED, EHOSTUNREACH or EACCES; 0 when it is not."""


class Destinations:
    """`families`: the network inside; `others`: further networks there. `machine`: whose own addresses are not for it."""

    __slots__ = ("_families", "_gateways", "_inside", "_known", "_machine", "_mapped", "_open", "_outside")

    def __init__(
        self,
        machine: Machine,
        families: list[Family],
        *,
        host_loopback: bool,
        others: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        self._machine = machine
        self._open = host_loopback
        self._gateways = frozenset(family.gateway for family in families)
        self._families = [Prefix(family.gateway, family.prefix) for family in families]
        self._inside = [*self._families, *(Prefix(*network) for network in others)]
        self._mapped: dict[bytes, str] = {}
        if host_loopback:
            self._mapped = {family.host: "127.0.0.1" if len(family.host) == 4 else "::1" for family in families}
        self._outside = {text: address for address, text in self._mapped.items()}
        #: Packed address -> address outside as text, or the errno by which it is refused.
        self._known: dict[bytes, str | int] = {}

    def know(self, others: Sequence[tuple[bytes, int]]) -> None:
        """These are the further networks inside now."""
        self._inside = [*self._families, *(Prefix(*network) for network in others)]
        self._known.clear()

    def stream(self, address: bytes, port: int) -> Destination | None:
        """Where a TCP connection to `address` (packed) goes, or None when it is refused (`reason` tells why)."""
        host = self._find(address)
        return Destination(host, port) if isinstance(host, str) else None

    def datagram(self, address: bytes, port: int) -> Destination | None:
        """The same for a UDP datagram."""
        return self.stream(address, port)

    def inside(self, host: str) -> bytes | None:
        """The other way round: the address by which the command knows `host`, None where it may not hear from there."""
        mapped = self._outside.get(host)
        if mapped is not None:
            return mapped
        try:
            address = inet_pton(AF_INET6 if ":" in host else AF_INET, host)
            return address if isinstance(self._find(address), str) else None
        except OSError:
            return None  # a scoped address, which the command could not name; or it could not be found out

    def reason(self, address: bytes) -> int:
        """Why `address` is refused, as an errno: ECONNREFUSED, EHOSTUNREACH or EACCES; 0 when it is not."""
        found = self._find(address)
        return found if isinstance(found, int) else 0

    def _find(self, address: bytes) -> str | int:
        if self._machine.changed:
            self._machine.read()
            self._known.clear()
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            found = self._known[address] = self._decide(address)
        return found

    def _decide(self, address: bytes) -> str | int:
        mapped = self._mapped.get(address)
        if mapped is not None:
            return mapped
        if address in self._gateways:
            return errno.ECONNREFUSED  # it is there, but nothing listens
        if any(prefix.contains(address) for prefix in self._inside):
            return errno.EHOSTUNREACH
        if self._refused4(address) if len(address) == 4 else self._refused6(address):
            return errno.EACCES
        return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)

    def _refused4(self, address: bytes) -> bool:
        first = address[0]
        # RFC 1122, 3.2.1.3: 0 is "this host on this network", which Linux connects to loopback; 127 is loopback.
        return first in (0, 127) or 224 <= first < 240 or address == _BROADCAST or self._own(address)

    def _refused6(self, address: bytes) -> bool:
        if address[0] == 0xFF or self._own(address):
            return True
        carried = embedded(address)
        return carried is not None and self._refused4(carried)

    def _own(self, address: bytes) -> bool:
        return self._machine.is_broadcast(address) or (not self._open and self._machine.owns(address))
