"""ARP packets (RFC 826), reverse (RFC 903) and inverse (RFC 2390) ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ethertypes import ETHERTYPES, mac_text
from hythe.view.dump.show import ENDS, Show, readable

_HEADER: Final = struct.Struct(">HHBBH").unpack_from
#: IPv4, and IPv4 with trailers (RFC 893).
_PROTOCOLS: Final = frozenset({0x0800, 0x1000})
_HARDWARE: Final[Mapping[int, str]] = MappingProxyType(
    {1: "Ethernet", 6: "TokenRing", 7: "ArcNet", 15: "FrameRelay", 17: "Strip", 24: "IEEE 1394", 32: "Infiniband"}
)


def arp(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `data[at]`; `length` is what the layer below left for it."""
    begun = len(show.out)
    try:
        _arp(show, data, at, length)
    except ENDS:
        del show.out[begun:]  # it is told as a whole, or not at all
        show.left = True
        show.put(" [|arp]")


def _arp(show: Show, data: bytes, at: int, length: int) -> None:
    put = show.put
    hardware, protocol, wide, long, operation = _HEADER(data, at)
    data[at + 8 + 2 * wide + 2 * long - 1]
    if not show.style.link:
        put("ARP, ")
    usual = protocol in _PROTOCOLS and wide and long == 4
    if not usual or show.style.verbose:
        put(f"{_HARDWARE.get(hardware, f'Unknown Hardware ({hardware})')} (len {wide}), ")
        put(f"{ETHERTYPES.get(protocol, f'Unknown Protocol (0x{protocol:04x})')} (len {long})")
        if not show.style.verbose:
            put(f", length {length}")
            return
        put(", ")
    places = at + 8, at + 8 + wide, at + 8 + wide + long, at + 8 + 2 * wide + long
    ours, theirs = (mac_text(data[place : place + wide]) or "<empty>" for place in places[::2])
    sender, target = (_address(show, data[place : place + 4], protocol, long) for place in places[1::2])
    match operation:
        case 1:
            known = f" ({theirs})" if any(data[places[2] : places[2] + wide]) else ""
            put(f"Request who-has {target}{known} tell {sender}")
        case 2:
            put(f"Reply {sender} is-at {ours}")
        case 3:
            put(f"Reverse Request who-is {theirs} tell {ours}")
        case 4:
            put(f"Reverse Reply {theirs} at {target}")
        case 8:
            put(f"Inverse Request who-is {theirs} tell {ours}")
        case 9:
            put(f"Inverse Reply {ours} at {sender}")
        case _:
            put("NACK Reply " if operation == 10 else f"Unknown ({operation}) ")
            put(readable(data[at : at + length]))
            return
    put(f", length {length}")


def _address(show: Show, address: bytes, protocol: int, size: int) -> str:
    if protocol not in _PROTOCOLS:
        return "<wrong proto type>"
    return show.names.host(address) if size == 4 else "<wrong len>"
