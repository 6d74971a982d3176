"""ARP for IPv4 over Ethernet (RFC 826), with the two messages of address conflict detection (RFC 5227).

A *probe* asks who has an address without claiming it: its sender's IPv4 address is zero. An *announcement* is a request
whose sender and target addresses are the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError
from hythe.wire.checksum import Octets

SIZE: Final = 28
REQUEST: Final = 1
REPLY: Final = 2

_ETHERNET: Final = 1
_IPV4: Final = 0x0800
_UNKNOWN: Final = bytes(6)
_NOBODY: Final = bytes(4)

_PACKET: Final = struct.Struct(">HHBBH6s4s6s4s")


@dataclass(slots=True)
class Arp:
    """One message. MAC addresses 6 bytes, IPv4 addresses 4."""

    operation: int
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes

    @property
    def is_probe(self) -> bool:
        """RFC 5227, 1.1: a request that claims nothing."""
        return self.operation == REQUEST and self.sender == _NOBODY


def parse(view: Octets, length: int) -> Arp:
    """The message `view[:length]`, Ethernet header already off; padding behind it is ignored.

    Raises `ParseError` for anything but requests and replies of IPv4 over Ethernet, and a group as the sender.
    """
    if length < SIZE or len(view) < SIZE:
        raise ParseError(f"ARP message needs {SIZE} bytes, {min(length, len(view))} are there")
    hardware, protocol, hardware_size, protocol_size, operation, *addresses = _PACKET.unpack_from(view)
    if (hardware, protocol, hardware_size, protocol_size) != (_ETHERNET, _IPV4, 6, 4):
        raise ParseError(f"ARP of hardware {hardware} and protocol {protocol:#06x} is not IPv4 over Ethernet")
    if operation not in (REQUEST, REPLY):
        raise ParseError(f"ARP operation is {operation}, neither request nor reply")
    if addresses[0][0] & 1:
        raise ParseError("ARP sender is a group of Ethernet stations")
    return Arp(operation, *addresses)


def build(message: Arp) -> bytes:
    """The 28 bytes of a message."""
    return _PACKET.pack(
        _ETHERNET,
        _IPV4,
        6,
        4,
        message.operation,
        message.sender_mac,
        message.sender,
        message.target_mac,
        message.target,
    )


def request(mac: bytes, sender: bytes, target: bytes) -> bytes:
    """Who has `target`? Tell `sender`, who is at `mac`."""
    return build(Arp(REQUEST, mac, sender, _UNKNOWN, target))


def probe(mac: bytes, target: bytes) -> bytes:
    """Has anybody `target` (RFC 5227, 2.1.1)?"""
    return request(mac, _NOBODY, target)


def announcement(mac: bytes, address: bytes) -> bytes:
    """`address` is at `mac` (RFC 5227, 2.3): what is also called gratuitous ARP."""
    return request(mac, address, address)


def reply(mac: bytes, sender: bytes, asked: Arp) -> bytes:
    """To `asked`: `sender` is at `mac`."""
    return build(Arp(REPLY, mac, sender, asked.sender_mac, asked.sender))
