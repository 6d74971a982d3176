"""Inside and outside: at which addresses a port may be opened.

Loopback is always inside. Where the configuration names what is internal, ports are opened there alone, and never at what is
external. Where it names nothing, addresses of private networks are inside, and public ones, like the wildcards, only for
ports where clients have to log in. `expose` is the administrator's word that everyone is meant.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.forward.places import EVERYWHERE, LOOPBACK
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.proxy.kinds import EVERYONE, Listen, Network

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})


class Zones:
    """`internal` and `external`: networks and names of interfaces."""

    def __init__(self, internal: Sequence[Network | str], external: Sequence[Network | str]) -> None:
        self._named = bool(internal or external)
        self._restricted = bool(internal)
        self._internal = _networks(internal)
        self._external = _networks(external)

    def places(self, listen: Listen, *, expose: bool, login: bool) -> tuple[str, ...]:
        """The addresses to listen at. UsageError for one that is not inside, MachineError."""
        addresses = _addresses(listen.address)
        for each in addresses:
            problem = "" if expose else self._problem(each, login=login)
            if problem:
                raise UsageError(
                    f'{listen.text}: {each} {problem}: listen at an internal address, or write expose = "{EVERYONE}"'
                )
        return addresses

    def _problem(self, text: str, *, login: bool) -> str:
        address = ipaddress.ip_address(text)  # a zone of an IPv6 address included
        if address.is_loopback:
            return ""
        if text in _WILDCARDS:
            if self._named:
                return "is all addresses of this machine, external ones included"
            return "" if login else "is open to everyone, and nobody has to log in"
        if _within(address, self._external):
            return "is external"
        if self._restricted:
            return "" if _within(address, self._internal) else "is not internal"
        return "is public, and nobody has to log in" if address.is_global and not login else ""


def interface_addresses(name: str) -> list[tuple[bytes, int]]:
    """The addresses of an interface: (packed, prefix length). MachineError."""
    try:
        index = socket.if_nametoindex(name)
        with RouteSocket() as routes:
            return routes.addresses(index)
    except OSError as error:
        raise MachineError(f"there is no interface {name!r} on this machine: write one that `ip address` shows") from error


def _addresses(written: str) -> tuple[str, ...]:
    if written in ("", "localhost"):
        return LOOPBACK
    if written == "*":
        return EVERYWHERE
    try:
        ipaddress.ip_address(written)
    except ValueError:
        found = [socket.inet_ntop(_family(packed), packed) for packed, _ in interface_addresses(written)]
        if not found:
            raise MachineError(f"the interface {written} has no address to listen at: give it one") from None
        return tuple(f"{each}%{written}" if each.startswith("fe80:") else each for each in found)
    return (written,)


def _networks(zones: Sequence[Network | str]) -> list[Network]:
    found: list[Network] = []
    for each in zones:
        if isinstance(each, str):
            found += [ipaddress.ip_network((packed, 8 * len(packed))) for packed, _ in interface_addresses(each)]
        else:
            found.append(each)
    return found


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: list[Network]) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        address = ipaddress.IPv6Address(int(address))
    return any(address in each for each in networks)


def _family(packed: bytes) -> socket.AddressFamily:
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6
