"""IPv4 packets (RFC 791): the header with its options, then whatever it carries."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ipoptions import options
from hythe.view.dump.show import ENDS, Carrier, Show, address_text, should_be
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
        41: "IPv6",
        43: "Routing",
        44: "Fragment",
        46: "RSVP",
        47: "GRE",
        50: "ESP",
        51: "AH",
        55: "Mobile IP",
        58: "ICMPv6",
        77: "ND",
        88: "EIGRP",
        89: "OSPF",
        103: "PIM",
        108: "Compressed IP",
        112: "VRRP",
        113: "PGM",
        132: "SCTP",
        135: "Mobility",
    }
)


def four(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `data[at]`; `length` is what the layer below left for it."""
    try:
        _four(show, data, at, length)
    except ENDS:
        show.put(" [|ip]")


def _four(show: Show, data: bytes, at: int, length: int) -> None:
    put = show.put
    first = data[at]
    if first >> 4 != 4:
        put("IP6, wrong link-layer encapsulation (invalid)" if first >> 4 == 6 else f"IP{first >> 4} (invalid)")
        return
    if not show.style.link:
        put("IP ")
    _, tos, total, identifier, place, ttl, protocol, checksum, source, destination = _HEADER(data, at)
    header = (first & 15) * 4
    if header < _SIZE:
        put(f"bad-hlen {header}")
        return
    if total < header:
        put(f"bad-len {total}")
        return
    if length < total:
        put(f"truncated-ip - {total - length} bytes missing! ")
    end = at + total
    if end < len(data):
        data = data[:end]  # what comes behind is padding of the link
    start = at + header
    if len(data) < start:
        put(f" [remaining caplen({len(data) - at}) < header length({header})] [|ip]")
        return
    if show.style.verbose:
        put(_verbose(show, data, at, header, (tos, total, identifier, place, ttl, protocol, checksum)))
    if place & _OFFSET:
        put(f"{show.names.host(source)} > {show.names.host(destination)}: {show.names.protocol(protocol)}")
        return
    carrier = Carrier(source, destination, place & _FRAGMENT != 0)
    if protocol not in (6, 17):
        put(f"{show.names.host(source)} > {show.names.host(destination)}: ")
    transport(show, protocol, data, start, total - header, carrier)


def _verbose(show: Show, data: bytes, at: int, header: int, fields: tuple[int, ...]) -> str:
    tos, total, identifier, place, ttl, protocol, checksum = fields
    name = PROTOCOLS.get(protocol, "unknown")
    life = f", ttl {ttl}" if ttl else ""
    text = f"(tos 0x{tos:x}{_ECN[tos & 3]}{life}, id {identifier}, offset {(place & _OFFSET) * 8}"
    text += f", flags [{_FLAGS[place >> 13]}], proto {name} ({protocol}), length {total}"
    if header > _SIZE:
        text += f", options ({options(data[at + _SIZE : at + header], address_text)})"
    if not show.style.unchecked and len(data) >= at + header:
        left = ones_sum(data[at : at + header]) ^ 0xFFFF
        if left:
            text += f", bad cksum {checksum:x} (->{should_be(checksum, left):x})!"
    return text + ")\n    "
