"""The header of a DNS message, and what it asks for (RFC 1035, 4.1)."""

from __future__ import annotations

from typing import Final

from hythe.view.layers.model import APPLICATION
from hythe.view.layers.reader import Reader, Spec, hex4, set_or_not
from hythe.wire.dns import parse_name
from hythe.wire.dnstext import name_text, rcode_name, type_name

_RFC: Final = "RFC 1035, 4.1.1"
_FIXED: Final = (
    Spec("ID", 16, hex4),
    Spec("QR", 1, str, {0: "query", 1: "response"}),
    Spec("Opcode", 4, str, {0: "standard query", 4: "notify", 5: "update"}),
    Spec("AA", 1, str, set_or_not("authoritative")),
    Spec("TC", 1, str, set_or_not("cut: ask again by TCP")),
    Spec("RD", 1, str, set_or_not("recursion desired")),
    Spec("RA", 1, str, set_or_not("recursion available")),
    Spec("Z", 1),
    Spec("AD", 1, str, set_or_not("authentic data"), "RFC 4035, 3.2.3"),
    Spec("CD", 1, str, set_or_not("checking disabled"), "RFC 4035, 3.2.2"),
    Spec("RCODE", 4, str, rcode_name),
    Spec("QDCOUNT", 16, str, "questions"),
    Spec("ANCOUNT", 16, str, "answers"),
    Spec("NSCOUNT", 16, str, "authorities"),
    Spec("ARCOUNT", 16, str, "additional records"),
)
_QUESTION: Final = (
    Spec("QTYPE", 16, str, type_name, "RFC 1035, 4.1.2"),
    Spec("QCLASS", 16, str, {1: "IN", 255: "any"}, "RFC 1035, 4.1.2"),
)


def dns(reader: Reader) -> None:
    """A message over UDP: its header and its first question; the rest is its payload."""
    header = reader.begin("DNS", APPLICATION, "Messages", _RFC)
    reader.read(header, _FIXED)
    if header.value("QDCOUNT"):
        # A first name has nothing before it that it could point to, so it lies in one piece.
        name, end = parse_name(reader.data[header.at : reader.end], reader.at - header.at)
        reader.octets(header, "QNAME", header.at + end - reader.at, "RFC 1035, 4.1.2", name_text(name))
        reader.read(header, _QUESTION)
