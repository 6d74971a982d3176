"""ICMP messages (RFC 792)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.layers.model import NETWORK
from hythe.view.layers.reader import Next, Reader, Spec, hex4, ipv4_text
from hythe.wire.checksum import ones_sum

PROTOCOL: Final = 1
#: What errors quote: a packet of the version of IP that is its number.
QUOTED: Final = "quoted"
_QUOTING: Final = frozenset({3, 4, 5, 11, 12})
_TYPES: Final = {
    0: "echo reply",
    3: "destination unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    9: "router advertisement",
    10: "router solicitation",
    11: "time exceeded",
    12: "parameter problem",
    13: "timestamp",
    14: "timestamp reply",
}
#: (type, code) -> what it says.
_CODES: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (3, 0): "net unreachable",
        (3, 1): "host unreachable",
        (3, 2): "protocol unreachable",
        (3, 3): "port unreachable",
        (3, 4): "fragmentation needed and DF set",
        (3, 5): "source route failed",
        (3, 9): "net administratively prohibited",
        (3, 10): "host administratively prohibited",
        (3, 13): "communication administratively prohibited",
        (5, 0): "for the net",
        (5, 1): "for the host",
        (11, 0): "in transit",
        (11, 1): "fragment reassembly",
    }
)
_HEAD: Final = (Spec("Type", 8, str, _TYPES), Spec("Code", 8), Spec("Checksum", 16, hex4))
_QUERY: Final = (Spec("Identifier", 16), Spec("Sequence Number", 16))
_TIMES: Final = (*_QUERY, Spec("Originate", 32), Spec("Receive", 32), Spec("Transmit", 32))
_OTHER: Final = (Spec("Unused", 32),)
_BODIES: Final[Mapping[int, tuple[Spec, ...]]] = MappingProxyType(
    {
        0: _QUERY,
        3: (Spec("Unused", 16), Spec("Next-Hop MTU", 16, str, "bytes, with code 4", "RFC 1191, 4")),
        5: (Spec("Gateway", 32, ipv4_text),),
        8: _QUERY,
        12: (Spec("Pointer", 8, str, "the byte in error"), Spec("Unused", 24)),
        13: _TIMES,
        14: _TIMES,
    }
)


def icmp(reader: Reader) -> Next | None:
    """The message; what an error quotes is its payload, and its headers are read as well."""
    header = reader.begin("ICMP", NETWORK, "Messages", "RFC 792")
    reader.read(header, _HEAD)
    kind = header.value("Type")
    header.explain("Code", _CODES.get((kind, header.value("Code")), ""))
    if reader.carrier is None or reader.carrier.part:
        header.explain("Checksum", "over all fragments")
    elif reader.claimed > len(reader.data):
        header.explain("Checksum", "not verified: the packet is cut off")
    else:
        reader.verdict(header, "Checksum", ones_sum(reader.data[header.at : reader.claimed]) ^ 0xFFFF)
    reader.read(header, _BODIES.get(kind, _OTHER))
    return Next(QUOTED, 4) if kind in _QUOTING else None
