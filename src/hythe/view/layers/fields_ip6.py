"""The IPv6 header and its extension headers (RFC 8200, 3 and 4)."""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.view.layers.fields_ip import DSCP, ECN, IP, PROTOCOLS
from hythe.view.layers.model import NETWORK, Header
from hythe.view.layers.reader import Carrier, Kind, Next, OptionForm, Reader, Spec, hex2, hex8, ipv6_text, words

HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
DESTINATION: Final = 60
_RFC: Final = "RFC 8200, 3"
_NEXT: Final = Spec("Next Header", 8, str, PROTOCOLS)
_LENGTH: Final = Spec("Header Extension Length", 8, str, lambda value: f"{8 * value + 8} bytes")
_FIXED: Final = (
    Spec("Version", 4),
    Spec("DSCP", 6, str, DSCP, "RFC 2474, 3"),
    Spec("ECN", 2, str, ECN, "RFC 3168, 5"),
    Spec("Flow Label", 20, str, "", "RFC 6437, 2"),
    Spec("Payload Length", 16, str, "bytes behind this header"),
    _NEXT,
    Spec("Hop Limit", 8, str, "routers it may still pass"),
    Spec("Source Address", 128, ipv6_text),
    Spec("Destination Address", 128, ipv6_text),
)
_FRAGMENT: Final = (
    _NEXT,
    Spec("Reserved", 8),
    Spec("Fragment Offset", 13, str, words(8)),
    Spec("Reserved Bits", 2),
    Spec("More Fragments", 1, str, {0: "the last fragment", 1: "more follow"}),
    Spec("Identification", 32, hex8),
)
_ROUTING: Final = (
    _NEXT,
    _LENGTH,
    Spec("Routing Type", 8, str, {0: "source route, deprecated (RFC 5095)", 2: "home address", 3: "RPL", 4: "segments"}),
    Spec("Segments Left", 8),
)
_AUTHENTICATION: Final = (
    _NEXT,
    Spec("Payload Length", 8, str, lambda value: f"{4 * value + 8} bytes"),
    Spec("Reserved", 16),
    Spec("Security Parameters Index", 32, hex8),
    Spec("Sequence Number", 32),
)
_OPTIONS: Final = OptionForm(
    {
        0: Kind("Pad1", "RFC 8200, 4.2"),
        1: Kind("PadN", "RFC 8200, 4.2"),
        5: Kind("Router Alert", "RFC 2711, 2.1", (Spec("Value", 16),)),
        0xC2: Kind("Jumbo Payload", "RFC 2675, 2", (Spec("Jumbo Payload Length", 32),)),
        0xC9: Kind("Home Address", "RFC 6275, 6.3", (Spec("Address", 128, ipv6_text),)),
    },
    singles=frozenset({0}),
    ends=False,
    size=lambda length: length + 2,
    show=hex2,
)


def ipv6(reader: Reader) -> Next:
    """The fixed header."""
    header = reader.begin("IPv6", NETWORK, "Packets", _RFC)
    reader.read(header, _FIXED)
    if header.value("Version") != 6:
        raise ParseError(f"IPv6: version {header.value('Version')} at byte {header.at}")
    size, following = header.value("Payload Length"), header.value("Next Header")
    if size or following != HOP_BY_HOP:  # else a jumbogram, or a super-segment
        reader.limit(reader.at + size)
    data = reader.data[header.at : header.at + 40]
    reader.carrier = Carrier(data[8:24], data[24:40])
    return Next(IP, following)


def options(reader: Reader) -> Next:
    """Options for every router, or for the destination: they look alike."""
    kinds = {HOP_BY_HOP: ("Hop-by-Hop Options", "RFC 8200, 4.3")}
    name, reference = kinds.get(_announced(reader), ("Destination Options", "RFC 8200, 4.6"))
    header = reader.begin(name, NETWORK, "", reference)
    reader.read(header, (_NEXT, _LENGTH))
    reader.options(header, header.at + 8 * header.value("Header Extension Length") + 8, _OPTIONS)
    return Next(IP, header.value("Next Header"))


def routing(reader: Reader) -> Next:
    """Where the packet is to go by: the last address is whom the checksum means (RFC 8200, 8.1)."""
    header = reader.begin("Routing", NETWORK, "", "RFC 8200, 4.4")
    reader.read(header, _ROUTING)
    end = header.at + 8 * header.value("Header Extension Length") + 8
    data = reader.octets(header, "Type-Specific Data", end - reader.at)
    kind, carrier = header.value("Routing Type"), reader.carrier
    if carrier is not None and header.value("Segments Left") and kind in (0, 2, 4) and len(data) >= 20:
        last = data[4:20] if kind == 4 else data[-16:]
        reader.carrier = carrier._replace(destination=last)
    return Next(IP, header.value("Next Header"))


def fragment(reader: Reader) -> Next | None:
    """One part of a packet; what follows, unless it is a later one."""
    header = reader.begin("Fragment", NETWORK, "", "RFC 8200, 4.5")
    reader.read(header, _FRAGMENT)
    offset, more = header.value("Fragment Offset"), header.value("More Fragments")
    if reader.carrier is not None and (offset or more):
        reader.carrier = reader.carrier._replace(part=True)
    return None if offset else Next(IP, header.value("Next Header"))


def authentication(reader: Reader) -> Next:
    """Who vouches for the packet."""
    header = reader.begin("Authentication", NETWORK, "", "RFC 4302, 2")
    reader.read(header, _AUTHENTICATION)
    size = 4 * header.value("Payload Length") + 8
    reader.octets(header, "Integrity Check Value", max(0, header.at + size - reader.at))
    return Next(IP, header.value("Next Header"))


def _announced(reader: Reader) -> int:
    """The kind of header that the one before says is here."""
    before: Header = reader.headers[-1]
    return before.value("Next Header")
