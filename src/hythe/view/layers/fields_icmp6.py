"""ICMPv6 messages (RFC 4443), those of neighbor discovery with their options (RFC 4861, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.layers.fields_icmp import QUOTED
from hythe.view.layers.model import NETWORK
from hythe.view.layers.reader import Kind, Next, OptionForm, Reader, Spec, hex4, ipv6_text, mac_text, set_or_not

PROTOCOL: Final = 58
_ERRORS: Final = range(1, 5)
_TYPES: Final = {
    1: "destination unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    130: "multicast listener query",
    131: "multicast listener report",
    132: "multicast listener done",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbor solicitation",
    136: "neighbor advertisement",
    137: "redirect",
    143: "multicast listener report, version 2",
}
#: (type, code) -> what it says.
_CODES: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (1, 0): "no route",
        (1, 1): "administratively prohibited",
        (1, 2): "beyond scope of the source",
        (1, 3): "address unreachable",
        (1, 4): "port unreachable",
        (1, 5): "source address failed policy",
        (1, 6): "reject route",
        (3, 0): "in transit",
        (3, 1): "fragment reassembly",
        (4, 0): "erroneous header field",
        (4, 1): "unrecognized next header",
        (4, 2): "unrecognized option",
    }
)
_HEAD: Final = (Spec("Type", 8, str, _TYPES), Spec("Code", 8), Spec("Checksum", 16, hex4))
_QUERY: Final = (Spec("Identifier", 16, str, "", "RFC 4443, 4.1"), Spec("Sequence Number", 16, str, "", "RFC 4443, 4.1"))
_OTHER: Final = (Spec("Reserved", 32),)
_LISTENERS: Final = (
    Spec("Maximum Response Delay", 16, str, "milliseconds", "RFC 2710, 3"),
    Spec("Reserved", 16),
    Spec("Multicast Address", 128, ipv6_text, "", "RFC 2710, 3"),
)
_ADVERTISEMENT: Final = (
    Spec("Current Hop Limit", 8, str, "", "RFC 4861, 4.2"),
    Spec("Managed", 1, str, set_or_not("addresses by DHCPv6"), "RFC 4861, 4.2"),
    Spec("Other", 1, str, set_or_not("other things by DHCPv6"), "RFC 4861, 4.2"),
    Spec("Home Agent", 1, str, "", "RFC 6275, 7.1"),
    Spec("Preference", 2, str, {0: "medium", 1: "high", 3: "low"}, "RFC 4191, 2.2"),
    Spec("Reserved", 3),
    Spec("Router Lifetime", 16, str, "seconds", "RFC 4861, 4.2"),
    Spec("Reachable Time", 32, str, "milliseconds", "RFC 4861, 4.2"),
    Spec("Retransmission Timer", 32, str, "milliseconds", "RFC 4861, 4.2"),
)
_BODIES: Final[Mapping[int, tuple[Spec, ...]]] = MappingProxyType(
    {
        2: (Spec("MTU", 32, str, "bytes", "RFC 4443, 3.2"),),
        4: (Spec("Pointer", 32, str, "the byte in error", "RFC 4443, 3.4"),),
        128: _QUERY,
        129: _QUERY,
        **dict.fromkeys((130, 131, 132), _LISTENERS),
        134: _ADVERTISEMENT,
        135: (Spec("Reserved", 32), Spec("Target", 128, ipv6_text, "", "RFC 4861, 4.3")),
        136: (
            Spec("Router", 1, str, set_or_not("from a router"), "RFC 4861, 4.4"),
            Spec("Solicited", 1, str, set_or_not("an answer"), "RFC 4861, 4.4"),
            Spec("Override", 1, str, set_or_not("replaces what is known"), "RFC 4861, 4.4"),
            Spec("Reserved", 29),
            Spec("Target", 128, ipv6_text, "", "RFC 4861, 4.4"),
        ),
        137: (
            Spec("Reserved", 32),
            Spec("Target", 128, ipv6_text, "the better way", "RFC 4861, 4.5"),
            Spec("Redirected Destination", 128, ipv6_text, "", "RFC 4861, 4.5"),
        ),
    }
)
_PREFIX: Final = (
    Spec("Prefix Length", 8),
    Spec("On-Link", 1),
    Spec("Autonomous", 1),
    Spec("Reserved", 6),
    Spec("Valid Lifetime", 32, str, "seconds"),
    Spec("Preferred Lifetime", 32, str, "seconds"),
    Spec("Reserved", 32),
    Spec("Prefix", 128, ipv6_text),
)
_SERVERS: Final = (Spec("Reserved", 16), Spec("Lifetime", 32, str, "seconds"))
_OPTIONS: Final = OptionForm(
    {
        1: Kind("Source Link-Layer Address", "RFC 4861, 4.6.1", (Spec("Address", 48, mac_text),)),
        2: Kind("Target Link-Layer Address", "RFC 4861, 4.6.1", (Spec("Address", 48, mac_text),)),
        3: Kind("Prefix Information", "RFC 4861, 4.6.2", _PREFIX),
        4: Kind("Redirected Header", "RFC 4861, 4.6.3"),
        5: Kind("MTU", "RFC 4861, 4.6.4", (Spec("Reserved", 16), Spec("MTU", 32, str, "bytes"))),
        14: Kind("Nonce", "RFC 3971, 5.3.2"),
        24: Kind("Route Information", "RFC 4191, 2.3"),
        25: Kind("Recursive DNS Server", "RFC 8106, 5.1", _SERVERS, each=(Spec("Address", 128, ipv6_text),)),
        31: Kind("DNS Search List", "RFC 8106, 5.2"),
    },
    singles=frozenset(),
    ends=False,
    size=lambda length: 8 * length,
)


def icmp6(reader: Reader) -> Next | None:
    """The message; what an error quotes is its payload, and its headers are read as well."""
    header = reader.begin("ICMPv6", NETWORK, "Messages", "RFC 4443, 2.1")
    reader.read(header, _HEAD)
    kind = header.value("Type")
    header.explain("Code", _CODES.get((kind, header.value("Code")), ""))
    reader.check(header, "Checksum", PROTOCOL, reader.claimed - header.at)
    if kind == 143:
        return None
    reader.read(header, _BODIES.get(kind, _OTHER))
    if 133 <= kind <= 137:
        reader.options(header, reader.claimed, _OPTIONS)
    return Next(QUOTED, 6) if kind in _ERRORS else None
