"""The IPv4 header and its options (RFC 791, 3.1)."""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.view.layers.model import NETWORK
from hythe.view.layers.reader import (
    Carrier,
    Kind,
    Next,
    OptionForm,
    Reader,
    Spec,
    hex4,
    ipv4_text,
    set_or_not,
    words,
)
from hythe.wire.checksum import ones_sum

IP: Final = "ip"
_RFC: Final = "RFC 791, 3.1"
#: As IANA's registry of protocol numbers has them.
PROTOCOLS: Final = {
    0: "Hop-by-Hop Options",
    1: "ICMP",
    2: "IGMP",
    4: "IPv4",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    43: "Routing",
    44: "Fragment",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    59: "No Next Header",
    60: "Destination Options",
    89: "OSPF",
    132: "SCTP",
    136: "UDP-Lite",
}
DSCP: Final = {0: "best effort (CS0)", 8: "CS1", 10: "AF11", 26: "AF31", 34: "AF41", 46: "expedited (EF)", 48: "CS6"}
ECN: Final = {0: "not ECN-capable", 1: "ECN-capable, ECT(1)", 2: "ECN-capable, ECT(0)", 3: "congestion experienced (CE)"}
_FIXED: Final = (
    Spec("Version", 4),
    Spec("IHL", 4, str, words(4)),
    Spec("DSCP", 6, str, DSCP, "RFC 2474, 3"),
    Spec("ECN", 2, str, ECN, "RFC 3168, 5"),
    Spec("Total Length", 16, str, "bytes, this header included"),
    Spec("Identification", 16, str, "", "RFC 6864, 4"),
    Spec("Reserved Flag", 1),
    Spec("Don't Fragment", 1, str, set_or_not("set: no router may cut it"), "RFC 1191, 3"),
    Spec("More Fragments", 1, str, {0: "the last fragment, or the only one", 1: "more follow"}),
    Spec("Fragment Offset", 13, str, words(8)),
    Spec("Time to Live", 8, str, "routers it may still pass", "RFC 1122, 3.2.1.7"),
    Spec("Protocol", 8, str, PROTOCOLS),
    Spec("Header Checksum", 16, hex4),
    Spec("Source Address", 32, ipv4_text),
    Spec("Destination Address", 32, ipv4_text),
)
_POINTER: Final = Spec("Pointer", 8)
_ADDRESSES: Final = (Spec("Address", 32, ipv4_text),)
_OPTIONS: Final = OptionForm(
    {
        0: Kind("End of Option List", _RFC),
        1: Kind("No Operation", _RFC),
        7: Kind("Record Route", _RFC, (_POINTER,), each=_ADDRESSES),
        68: Kind("Internet Timestamp", _RFC, (_POINTER, Spec("Overflow", 4), Spec("Flag", 4))),
        130: Kind("Security", "RFC 1108, 2"),
        131: Kind("Loose Source Route", _RFC, (_POINTER,), each=_ADDRESSES),
        137: Kind("Strict Source Route", _RFC, (_POINTER,), each=_ADDRESSES),
        148: Kind("Router Alert", "RFC 2113, 2.1", (Spec("Value", 16),)),
    },
    singles=frozenset({0, 1}),
    ends=True,
    size=lambda length: length,
)


def ipv4(reader: Reader) -> Next | None:
    """The header; what follows, unless this is a later fragment."""
    header = reader.begin("IP", NETWORK, "Packets", _RFC)
    reader.read(header, _FIXED)
    size, total = 4 * header.value("IHL"), header.value("Total Length")
    if header.value("Version") != 4 or size < 20:
        raise ParseError(f"IP: version {header.value('Version')} with a header of {size} bytes, at byte {header.at}")
    # A total length of zero is what a capture has of a super-segment that was cut by the device.
    if total:
        reader.limit(header.at + total)
    reader.options(header, header.at + size, _OPTIONS)
    reader.verdict(header, "Header Checksum", ones_sum(reader.data[header.at : header.at + size]) ^ 0xFFFF)
    if 0 < total < size:
        raise ParseError(f"IP: Total Length says {total} bytes, the header alone has {size}")
    first = header.value("Fragment Offset") == 0
    part = not first or header.value("More Fragments") == 1
    data = reader.data[header.at : header.at + 20]
    reader.carrier = Carrier(data[12:16], data[16:20], part)
    return Next(IP, header.value("Protocol")) if first else None
