"""The TCP header and its options (RFC 9293, 3.1)."""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.services.ports import category, service_name
from hythe.view.layers.model import TRANSPORT
from hythe.view.layers.reader import Kind, Next, OptionForm, Reader, Spec, hex4, hex8, set_or_not, words

PROTOCOL: Final = 6
PORT: Final = "tcp"
_RFC: Final = "RFC 9293, 3.1"


def port_meaning(number: int, protocol: str) -> str:
    """``http, well-known``."""
    name = service_name(number, protocol)
    return f"{name}, {category(number)}" if name else category(number)


def _port(number: int) -> str:
    return port_meaning(number, "tcp")


_FIXED: Final = (
    Spec("Source Port", 16, str, _port),
    Spec("Destination Port", 16, str, _port),
    Spec("Sequence Number", 32, str, "", "RFC 9293, 3.4"),
    Spec("Acknowledgment Number", 32, str, "", "RFC 9293, 3.4"),
    Spec("Data Offset", 4, str, words(4)),
    Spec("Reserved", 4),
    Spec("CWR", 1, str, set_or_not("congestion window reduced"), "RFC 3168, 6.1"),
    Spec("ECE", 1, str, set_or_not("ECN echo"), "RFC 3168, 6.1"),
    Spec("URG", 1, str, set_or_not("the urgent pointer counts"), "RFC 9293, 3.8.5"),
    Spec("ACK", 1, str, set_or_not("the acknowledgment number counts")),
    Spec("PSH", 1, str, set_or_not("give the data to the program"), "RFC 9293, 3.9.1.2"),
    Spec("RST", 1, str, set_or_not("reset the connection"), "RFC 9293, 3.5.2"),
    Spec("SYN", 1, str, set_or_not("synchronize sequence numbers"), "RFC 9293, 3.5"),
    Spec("FIN", 1, str, set_or_not("no more data from the sender"), "RFC 9293, 3.6"),
    Spec("Window", 16),
    Spec("Checksum", 16, hex4),
    Spec("Urgent Pointer", 16, str, "", "RFC 9293, 3.8.5"),
)


def _timeout(value: int) -> str:
    return f"{value & 0x7FFF} {'minutes' if value >> 15 else 'seconds'}"


_OPTIONS: Final = OptionForm(
    {
        0: Kind("End of Option List", "RFC 9293, 3.2"),
        1: Kind("No-Operation", "RFC 9293, 3.2"),
        2: Kind("Maximum Segment Size", "RFC 9293, 3.7.1", (Spec("MSS", 16, str, "bytes of data in a segment"),)),
        3: Kind(
            "Window Scale", "RFC 7323, 2.2", (Spec("Shift", 8, str, lambda value: f"windows times {1 << min(value, 14)}"),)
        ),
        4: Kind("SACK Permitted", "RFC 2018, 2"),
        5: Kind("SACK", "RFC 2018, 3", each=(Spec("Left Edge", 32), Spec("Right Edge", 32))),
        8: Kind("Timestamps", "RFC 7323, 3.2", (Spec("TSval", 32), Spec("TSecr", 32))),
        19: Kind("MD5 Signature", "RFC 2385, 3"),
        28: Kind("User Timeout", "RFC 5482, 3", (Spec("Timeout", 16, str, _timeout),)),
        29: Kind("TCP Authentication", "RFC 5925, 2.2", (Spec("KeyID", 8), Spec("RNextKeyID", 8))),
        30: Kind("Multipath TCP", "RFC 8684, 3", (Spec("Subtype", 4), Spec("Flags", 4))),
        34: Kind("Fast Open", "RFC 7413, 4.1.1"),
        69: Kind("Encryption Negotiation", "RFC 8547, 4.1"),
        253: Kind("Experiment 1", "RFC 6994, 3", (Spec("ExID", 16, hex4),)),
        254: Kind("Experiment 2", "RFC 6994, 3", (Spec("ExID", 16, hex4),)),
    },
    singles=frozenset({0, 1}),
    ends=True,
    size=lambda length: length,
)


def tcp(reader: Reader) -> Next:
    """The header; behind it is what its ports stand for."""
    header = reader.begin("TCP", TRANSPORT, "Segments", _RFC)
    reader.read(header, _FIXED)
    size = 4 * header.value("Data Offset")
    if size < 20:
        raise ParseError(f"TCP: Data Offset at byte {header.at + 12} makes the header {size} bytes, 20 is the least")
    header.explain("Window", "bytes, not scaled" if header.value("SYN") else "in units of the window scale (RFC 7323, 2.2)")
    if not header.value("ACK") and header.value("Acknowledgment Number"):
        header.explain("Acknowledgment Number", f"does not count; {hex8(header.value('Acknowledgment Number'))}")
    reader.check(header, "Checksum", PROTOCOL, reader.claimed - header.at)
    reader.options(header, header.at + size, _OPTIONS)
    return Next(PORT, min(header.value("Source Port"), header.value("Destination Port")))
