"""Ethernet II frames and their 802.1Q tag: the 14 or 18 bytes before a packet (RFC 894; IEEE 802.3, 3.2; 802.1Q, 9.6).

MAC addresses are 6 bytes inside hythe; `parse_mac` and `format_mac` are the edge. The frame check sequence is the
device's matter and never seen here.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from hythe.errors import ParseError, UsageError
from hythe.wire.checksum import Octets

HEADER_SIZE: Final = 14
TAG_SIZE: Final = 4
MAC_SIZE: Final = 6
BROADCAST: Final = b"\xff" * MAC_SIZE

IPV4: Final = 0x0800
ARP: Final = 0x0806
VLAN: Final = 0x8100
IPV6: Final = 0x86DD
#: Below this the field is a length and the frame not Ethernet II but LLC (IEEE 802.3, 3.2.6).
ETHERTYPE_MIN: Final = 0x0600
#: 802.1Q, 9.6: 12 bits, 0 for a tag that bears a priority only, and one value is reserved.
VLAN_MAX: Final = 0xFFE
_VLAN_RESERVED: Final = 0xFFF

_HEADER: Final = struct.Struct(">6s6sH")
_TAG: Final = struct.Struct(">HH")
_MAC: Final = re.compile(r"[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)


@dataclass(slots=True)
class Header:
    """One header. `ethertype` is that of the payload, behind the tag if there is one.

    `vlan`: the tag's VLAN identifier, 0 for a priority tag, None without a tag; `priority` 0..7 and `drop_eligible` are
    the tag's too. A second tag is left in the payload: its type is `ethertype` then.
    """

    destination: bytes
    source: bytes
    ethertype: int
    vlan: int | None = None
    priority: int = 0
    drop_eligible: bool = False

    @property
    def size(self) -> int:
        """Bytes of header: where the payload starts."""
        return HEADER_SIZE if self.vlan is None else HEADER_SIZE + TAG_SIZE


def parse(view: Octets, length: int) -> Header:
    """The header of the frame `view[:length]`.

    Raises `ParseError` for a frame cut short, a length in place of the type, a group address as the source and the
    reserved VLAN identifier.
    """
    length = min(length, len(view))
    if length < HEADER_SIZE:
        raise ParseError(f"Ethernet header needs {HEADER_SIZE} bytes, {length} are there")
    destination, source, ethertype = _HEADER.unpack_from(view)
    if is_group(source):
        raise ParseError(f"Ethernet source {format_mac(source)} is a group address")
    header = Header(destination, source, ethertype)
    if ethertype == VLAN:
        if length < HEADER_SIZE + TAG_SIZE:
            raise ParseError(f"802.1Q tag needs {TAG_SIZE} bytes, {length - HEADER_SIZE} are there")
        control, header.ethertype = _TAG.unpack_from(view, HEADER_SIZE)
        header.vlan = control & 0xFFF
        header.priority = control >> 13
        header.drop_eligible = bool(control & 0x1000)
        if header.vlan == _VLAN_RESERVED:
            raise ParseError("802.1Q tag bears the reserved VLAN identifier 4095")
    if header.ethertype < ETHERTYPE_MIN:
        raise ParseError(f"Ethernet type {header.ethertype:#06x} is a length: an LLC frame")
    return header


def build(
    destination: bytes,
    source: bytes,
    ethertype: int,
    *,
    vlan: int | None = None,
    priority: int = 0,
    drop_eligible: bool = False,
) -> bytes:
    """The header's bytes, with a tag if `vlan` is given. Raises ValueError for what does not fit its field."""
    if len(destination) != MAC_SIZE or len(source) != MAC_SIZE:
        raise ValueError("a MAC address has 6 bytes")
    if vlan is None:
        return _HEADER.pack(destination, source, ethertype)
    if not 0 <= vlan <= VLAN_MAX or not 0 <= priority <= 7:
        raise ValueError(f"VLAN {vlan} with priority {priority} fits no 802.1Q tag")
    control = priority << 13 | drop_eligible << 12 | vlan
    return _HEADER.pack(destination, source, VLAN) + _TAG.pack(control, ethertype)


def is_group(mac: Octets) -> bool:
    """Is it the address of many: multicast or broadcast?"""
    return bool(mac[0] & 1)


def group_of(address: bytes) -> bytes:
    """The MAC address for a multicast address: RFC 1112, 6.4 for IPv4, RFC 2464, 7 for IPv6."""
    if len(address) == 4:
        return b"\x01\x00\x5e" + bytes((address[1] & 0x7F,)) + address[2:]
    return b"\x33\x33" + address[12:]


def parse_mac(text: str) -> bytes:
    """From text, ``02:00:5e:10:00:01``. Raises `UsageError`, also for the address of a group or of nobody."""
    if not _MAC.fullmatch(text):
        raise UsageError(f"{text!r} is not a MAC address: write for example 02:00:5e:10:00:01")
    mac = bytes.fromhex(text.replace(":", "").replace("-", ""))
    if is_group(mac) or not any(mac):
        raise UsageError(f"{text!r} is not one interface's MAC address: the first byte must be even, for example 02")
    return mac


def format_mac(mac: bytes) -> str:
    """For people."""
    return mac.hex(":")
