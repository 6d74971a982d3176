"""IPv4 packets (RFC 791): the header with its options, then whatever it carries."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ipoptions import final, options
from hythe.view.dump.show import ENDS, Carrier, Show, should_be
from hythe.view.dump.transport import transport
from hythe.wire.checksum import ones_sum

_HEADER: Final = struct.Struct(">BBHHHBBH4s4s").unpack_from
_SIZE: Final = 20
_FRAGMENT: Final = 0x3FFF
_OFFSET: Final = 0x1FFF
#: The low bits of the type-of-service byte (RFC 3168, 5).
_ECN: Final = ("", ",ECT(1)", ",ECT(0)", ",CE")
_FLAGS: Final = ("none", "+", "DF", "+, DF", "rsvd", "+, rsvd", "DF, rsvd", "+, DF, rsvd")

#: Protocols that -v names.
PROTOCOLS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "Options",
        1: "ICMP",
        2: "IGMP",
        4: "IPIP",
        6: "TCP",
        8: "EGP",
        9: "IGRP",
        17: "UDP",
        33: "DCCP",
        41: "IPv6",
        43: "Routing",
        44: "Fragment",
        46: "RSVP",
        47: "GRE",
        50: "ESP",
        51: "AH",
        55: "Mobile IP",
        58: "ICMPv6",
        62: "Mobile IP (old)",
        88: "EIGRP",
        89: "OSPF",
        103: "PIM",
        108: "Compressed IP",
        112: "VRRP",
        113: "PGM",
        132: "SCTP",
        135: "Mobility",
        143: "Ethernet",
    }
)


def four(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `data[at]`; `length` is what the layer below left for it."""
    try:
        _four(show, data, at, length)
    except ENDS:
        show.left = len(data) >= at + _SIZE or len(data) <= at
        show.put(" [|ip]")


def _four(show: Show, data: bytes, at: int, length: int) -> None:
    put = show.put
    first = data[at]
    if first >> 4 != 4:
        put("IP6, wrong link-layer encapsulation (invalid)" if first >> 4 == 6 else f"IP{first >> 4} (invalid)")
        return
    if not show.style.link:
        put("IP ")
    _, _, total, _, place, _, protocol, _, source, destination = _HEADER(data, at)
    header = (first & 15) * 4
    if length < _SIZE:
        put(f"truncated-ip {length}")
        return
    if header < _SIZE:
        put(f"bad-hlen {header}")
        return
    if length < total:
        put(f"truncated-ip - {total - length} bytes missing! ")
    if total < header:
        put(f"bad-len {total}")
        return
    end = at + total
    if end < len(data):
        data = data[:end]  # what comes behind is padding of the link
    start = at + header
    names = show.names
    if show.style.verbose and not _verbose(show, data, at, header):
        put(f"{names.host(source)} > {names.host(destination)}:  [|ip]")
        return
    if place & _OFFSET:
        put(f"{names.host(source)} > {names.host(destination)}: {names.protocol(protocol)}")
        return
    if protocol not in (6, 17):
        put(f"{names.host(source)} > {names.host(destination)}: ")
    if len(data) < start:
        put(f" [remaining caplen({len(data) - at}) < header length({header})]")
        raise IndexError("the header is cut off")
    carrier = Carrier(source, destination, place & _FRAGMENT != 0)
    if header > _SIZE:
        carrier.final = final(data[at + _SIZE : start])
    transport(show, protocol, data, start, total - header, carrier)


def _verbose(show: Show, data: bytes, at: int, header: int) -> bool:
    """The fields of the header; tells whether all of its options are there."""
    put = show.put
    _, tos, total, identifier, place, ttl, protocol, checksum, _, _ = _HEADER(data, at)
    name = PROTOCOLS.get(protocol, "unknown")
    life = f", ttl {ttl}" if ttl else ""
    put(f"(tos 0x{tos:x}{_ECN[tos & 3]}{life}, id {identifier}, offset {(place & _OFFSET) * 8}")
    put(f", flags [{_FLAGS[place >> 13]}], proto {name} ({protocol}), length {total}")
    whole = True
    if header > _SIZE:
        put(", options (")
        whole = options(show, data, at + _SIZE, at + header)
        put(")" if whole else " [truncated-option])")
    if not show.style.unchecked and len(data) >= at + header:
        left = ones_sum(data[at : at + header]) ^ 0xFFFF
        if left:
            put(f", bad cksum {checksum:x} (->{should_be(checksum, left):x})!")
    put(")\n    ")
    return whole
