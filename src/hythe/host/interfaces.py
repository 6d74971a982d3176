"""Interfaces and routes: which link a destination is reached by, and from which address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hythe.errors import UsageError
from hythe.link.base import Link

_LOOPBACK6 = bytes(15) + b"\1"


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address with the length of its network part: ``10.0.0.2/24``."""

    address: bytes
    length: int

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """From text; a bare address is a host route. Raises `UsageError`."""
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError as error:
            raise UsageError(f"{text!r} is not an IP address with prefix length: write for example 10.0.0.2/24") from error
        return cls(interface.packed, interface.network.prefixlen)

    def contains(self, address: bytes) -> bool:
        """Does `address` lie in the network?"""
        size = len(self.address)
        if len(address) != size:
            return False
        shift = 8 * size - self.length
        return int.from_bytes(address, "big") >> shift == int.from_bytes(self.address, "big") >> shift

    def __str__(self) -> str:
        return f"{ipaddress.ip_address(self.address)}/{self.length}"


class Interface:
    """A link with a name and addresses, the best first. `hop_limit`: what routers say that IPv6 packets should bear."""

    __slots__ = ("hop_limit", "link", "name", "prefixes", "send")

    def __init__(self, name: str, link: Link, prefixes: tuple[Prefix, ...]) -> None:
        self.name = name
        self.link = link
        self.send = link.send  # bound once: every connection keeps it
        self.prefixes = prefixes
        self.hop_limit: int | None = None

    def is_broadcast(self, address: bytes) -> bool:
        """Is it the broadcast address of a network here (RFC 1122, 3.2.1.3 (d))? IPv6 has none."""
        if address[-1] & 3 != 3:
            return False  # nearly all: a network that has one leaves two bits at least to its hosts
        for prefix in self.prefixes:
            if len(prefix.address) == len(address) == 4 and prefix.length < 31 and prefix.contains(address):
                host_bits = (1 << 32 - prefix.length) - 1
                if int.from_bytes(address, "big") & host_bits == host_bits:
                    return True
        return False

    def source_for(self, destination: bytes) -> bytes | None:
        """Our address that fits the destination: of its network if we have one there, else the first of its family.

        A link-local address goes beyond its link only where there is no other (RFC 6724, 5, rule 2).
        """
        fallback = None
        for prefix in self.prefixes:
            if prefix.contains(destination):
                return prefix.address
            if len(prefix.address) == len(destination) and (fallback is None or _is_link_local(fallback)):
                fallback = prefix.address
        return fallback


def _is_link_local(address: bytes) -> bool:
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80 and len(address) == 16


def is_unspecified(address: bytes) -> bool:
    """Is it the address of one who has none yet (RFC 1122, 3.2.1.3 (a), (b); RFC 4291, 2.5.2)?"""
    return address[0] == 0 if len(address) == 4 else not any(address)


def is_loopback(address: bytes) -> bool:
    """Does it never leave a host (RFC 1122, 3.2.1.3 (g); RFC 4291, 2.5.3)?"""
    return address[0] == 127 if len(address) == 4 else address == _LOOPBACK6


def may_be_source(address: bytes) -> bool:
    """Can a packet come from there: is it one host's address (RFC 1122, 3.2.1.3; RFC 4291, 2.7)?"""
    return not is_loopback(address) and (address[0] != 0xFF if len(address) == 16 else address[0] < 224)
