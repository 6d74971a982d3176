"""A DNS message: its header, what it asks for, and its records (RFC 1035, 4.1)."""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.view.layers.fields_dnsdata import data
from hythe.view.layers.model import APPLICATION, Header
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
_RECORD_RFC: Final = "RFC 1035, 4.1.3"
_TCP_RFC: Final = "RFC 1035, 4.2.2"
_PREFIX: Final = (Spec("Length", 16, str, "bytes of the message that follows", _TCP_RFC),)
_HEADER_SIZE: Final = 12
#: A record that is none: its fields say other things.
_OPT: Final = 41


def _type(number: int) -> str:
    return "OPT" if number == _OPT else type_name(number)


_TYPE: Final = Spec("TYPE", 16, str, _type, _RECORD_RFC)
_LENGTH: Final = Spec("RDLENGTH", 16, str, "bytes", _RECORD_RFC)
_RECORD: Final = (
    Spec("CLASS", 16, str, {1: "IN", 254: "none", 255: "any"}, _RECORD_RFC),
    Spec("TTL", 32, str, "seconds", _RECORD_RFC),
    _LENGTH,
)
_EDNS: Final = (
    Spec("UDP Payload Size", 16, str, "bytes that the sender takes", "RFC 6891, 6.2.3"),
    Spec("Extended RCODE", 8, str, "the upper bits of RCODE", "RFC 6891, 6.1.3"),
    Spec("Version", 8, str, "", "RFC 6891, 6.1.3"),
    Spec("DO", 1, str, set_or_not("DNSSEC understood"), "RFC 3225, 3"),
    Spec("Z", 15, str, "", "RFC 6891, 6.1.4"),
    _LENGTH,
)
_SECTIONS: Final = (("Answer", "ANCOUNT"), ("Authority", "NSCOUNT"), ("Additional", "ARCOUNT"))


def dns(reader: Reader) -> None:
    """A message: its header, its questions, its records."""
    header = reader.begin("DNS", APPLICATION, "Messages", _RFC)
    reader.read(header, _FIXED)
    for number in range(header.value("QDCOUNT")):
        prefix = f"Question {number + 1}: " if number else ""
        _name(reader, header, f"{prefix}QNAME", "RFC 1035, 4.1.2")
        reader.read(header, _QUESTION, prefix)
    for section, count in _SECTIONS:
        for number in range(1, header.value(count) + 1):
            _record(reader, header, f"{section} {number}: ")


def over_tcp(reader: Reader) -> None:
    """All whole messages of a segment, each behind its length; one that goes on in the next segment is data as it is."""
    while size := _whole(reader):
        prefix = reader.begin("DNS Length", APPLICATION, "", _TCP_RFC)
        reader.read(prefix, _PREFIX)
        end, claimed = reader.end, reader.claimed
        stop = reader.claimed = reader.at + size
        reader.end = min(end, stop)
        try:
            dns(reader)
            reader.octets(reader.headers[-1], "Trailing Bytes", stop - reader.at, _TCP_RFC, "behind the last record")
        finally:
            reader.end, reader.claimed = end, claimed


def _whole(reader: Reader) -> int:
    """Bytes of the message that begins here; 0 if none does, or not all of it."""
    size = int.from_bytes(reader.data[reader.at : reader.at + 2], "big")
    return size if _HEADER_SIZE <= size <= reader.claimed - reader.at - 2 else 0


def _record(reader: Reader, header: Header, prefix: str) -> None:
    _name(reader, header, f"{prefix}NAME", _RECORD_RFC)
    reader.read(header, (_TYPE,), prefix)
    kind = header.fields[-1].value
    reader.read(header, _EDNS if kind == _OPT else _RECORD, prefix)
    end = reader.at + header.fields[-1].value
    if end > reader.claimed:
        raise ParseError(
            f"DNS: {prefix}RDLENGTH at byte {reader.at - 2} ends at byte {end}, the message at {reader.claimed}"
        )
    data(reader, header, kind, end, prefix)


def _name(reader: Reader, header: Header, name: str, reference: str) -> None:
    """A name, or a pointer to where it stands (RFC 1035, 4.1.4)."""
    found, end = parse_name(reader.data[header.at : reader.end], reader.at - header.at)
    reader.octets(header, name, header.at + end - reader.at, reference, name_text(found))
