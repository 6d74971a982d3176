"""DNS messages from the asker's side: questions built, answers read with every record (RFC 1035, 4; RFC 6891).

Compressed names within a record's data are written out, for the types that may have them (RFC 3597, 4), so that
`Record.data` stands for itself; the data of any other type is kept as it came. A message has at most `RECORDS_MAX` records
and, written out, `EXPANDED_MAX` bytes, a name at most 255, and a pointer must point backwards: so no 64 KiB keep the parser
busy or make it hold much.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire.dns import (
    AAAA,
    HEADER_SIZE,
    IN,
    OPT,
    PTR,
    SOA,
    UDP_MAX,
    A,
    Name,
    build_name,
    parse_name,
)

if TYPE_CHECKING:
    from hythe.wire.checksum import Octets

NS: Final = 2
CNAME: Final = 5
MX: Final = 15
TXT: Final = 16
SRV: Final = 33
DNAME: Final = 39

#: A response code that needs EDNS: the server does not know our version of it (RFC 6891, 9).
BADVERS: Final = 16

#: More records than a message over UDP can have; one over TCP, about as many addresses as fit.
RECORDS_MAX: Final = 4_096
#: Bytes that all records may have once names are written out: four times the longest message, which no honest one reaches.
EXPANDED_MAX: Final = 4 * 65_535

RESPONSE: Final = 0x8000
AUTHORITATIVE: Final = 0x0400
TRUNCATED: Final = 0x0200
RECURSION_DESIRED: Final = 0x0100
RECURSION_AVAILABLE: Final = 0x0080
AUTHENTIC: Final = 0x0020
CHECKING_DISABLED: Final = 0x0010

_HEADER: Final = struct.Struct(">HHHHHH")
_QUESTION: Final = struct.Struct(">HH")
_RECORD: Final = struct.Struct(">HHIH")
_DO_BIT: Final = 0x8000
_TTL_MAX: Final = 0x7FFF_FFFF

#: Types with names in their data: (bytes before them, names, bytes after them). RFC 1035, 3.3; RFC 1183; RFC 2782; RFC 6672.
_NAMES_IN: Final[Mapping[int, tuple[int, int, int]]] = MappingProxyType(
    {
        NS: (0, 1, 0),
        CNAME: (0, 1, 0),
        SOA: (0, 2, 20),
        PTR: (0, 1, 0),
        14: (0, 2, 0),  # MINFO
        MX: (2, 1, 0),
        17: (0, 2, 0),  # RP
        18: (2, 1, 0),  # AFSDB
        SRV: (6, 1, 0),
        DNAME: (0, 1, 0),
    }
)
_SIZES: Final[Mapping[int, int]] = MappingProxyType({A: 4, AAAA: 16})


@dataclass(frozen=True, slots=True)
class Question:
    """`name`: labels, root left out."""

    name: Name
    kind: int
    qclass: int = IN

    def same(self, other: Question) -> bool:
        """Is it the same question, whatever the case of its letters (RFC 4343)?"""
        return (self.kind, self.qclass) == (other.kind, other.qclass) and lower(self.name) == lower(other.name)


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record. `ttl` in seconds; `data` without compression; its class is IN unless said otherwise."""

    name: Name
    kind: int
    ttl: int
    data: bytes
    rclass: int = IN

    def target(self) -> Name:
        """The name that a CNAME, PTR, NS, DNAME or (after its numbers) MX or SRV points to."""
        return parse_name(self.data, _NAMES_IN[self.kind][0])[0]


@dataclass(slots=True)
class Message:
    """A response. `flags`: the header's 16 bits; `rcode` has EDNS's upper bits. `size`: bytes on the wire.

    `edns_size`: what the server takes over UDP, 0 where it did not speak EDNS.
    """

    identifier: int
    flags: int
    question: Question | None
    rcode: int
    size: int
    answers: list[Record] = field(default_factory=list)
    authorities: list[Record] = field(default_factory=list)
    additionals: list[Record] = field(default_factory=list)
    edns_size: int = 0

    @property
    def truncated(self) -> bool:
        """Was there more than UDP carries (TC)?"""
        return self.flags & TRUNCATED != 0

    @property
    def lame(self) -> bool:
        """Does the server neither know nor ask others: no answer, no authority, no recursion?"""
        return not (self.rcode or self.answers or self.flags & (AUTHORITATIVE | RECURSION_AVAILABLE))


def lower(name: Name) -> Name:
    """The name in lower case, to compare."""
    return tuple(label.lower() for label in name)


def build_query(identifier: int, question: Question, *, edns_size: int = 0, authentic: bool = False) -> bytes:
    """A standard query that asks for recursion. `edns_size`: what we take over UDP, 0 for no EDNS.

    `authentic` sets AD: tell us whether you have verified it (RFC 6840, 5.7). Raises ValueError for a name that is none.
    """
    flags = RECURSION_DESIRED | (AUTHENTIC if authentic else 0)
    head = _HEADER.pack(identifier, flags, 1, 0, 0, 1 if edns_size else 0)
    body = build_name(question.name) + _QUESTION.pack(question.kind, question.qclass)
    return head + body + (b"\0" + _RECORD.pack(OPT, edns_size, 0, 0) if edns_size else b"")


def parse_head(view: Octets, length: int) -> Message:
    """Header and question of the response `view[:length]`, without its records: what a truncated one may be trusted for.

    Raises `ParseError` for a query, for more than one question, and for bytes that end too early.
    """
    return _parse_head(bytes(view[:length]))[0]


def parse_message(view: Octets, length: int) -> Message:
    """The response `view[:length]`, whole.

    Raises `ParseError` as `parse_head`, and for a record whose data is not what its type asks for.
    """
    raw = bytes(view[:length])
    message, at = _parse_head(raw)
    _, _, _, answers, authorities, additionals = _HEADER.unpack_from(raw)
    if answers + authorities + additionals > RECORDS_MAX:
        raise ParseError(f"DNS message announces {answers + authorities + additionals} records, {RECORDS_MAX} are too many")
    expanded = 0
    for section, count in (
        (message.answers, answers),
        (message.authorities, authorities),
        (message.additionals, additionals),
    ):
        for _ in range(count):
            at, size = _parse_record(raw, at, message, section)
            expanded += size
            if expanded > EXPANDED_MAX:
                raise ParseError(f"DNS message of {len(raw)} bytes has more than {EXPANDED_MAX} bytes of names and data")
    return message


def _parse_head(raw: bytes) -> tuple[Message, int]:
    if len(raw) < HEADER_SIZE:
        raise ParseError(f"DNS header needs {HEADER_SIZE} bytes, {len(raw)} are there")
    identifier, flags, questions, _, _, _ = _HEADER.unpack_from(raw)
    if not flags & RESPONSE:
        raise ParseError("DNS message is a query, not a response")
    if questions > 1:
        raise ParseError(f"DNS response repeats {questions} questions, not one")
    message = Message(identifier, flags, None, flags & 0x0F, len(raw))
    at = HEADER_SIZE
    if questions:
        name, at = parse_name(raw, at)
        _need(raw, at, _QUESTION.size)
        message.question = Question(name, *_QUESTION.unpack_from(raw, at))
        at += _QUESTION.size
    return message, at


def _need(raw: bytes, at: int, size: int) -> None:
    if at + size > len(raw):
        raise ParseError(f"DNS message of {len(raw)} bytes ends before the {size} bytes due at byte {at}")


def _parse_record(raw: bytes, at: int, message: Message, section: list[Record]) -> tuple[int, int]:
    """Add the record at `raw[at]` to its section; OPT goes into the message itself.

    Returns where it ends, and how many bytes it has once its names are written out.
    """
    name, at = parse_name(raw, at)
    _need(raw, at, _RECORD.size)
    kind, rclass, ttl, size = _RECORD.unpack_from(raw, at)
    at += _RECORD.size
    end = at + int(size)
    _need(raw, at, size)
    if kind == OPT:
        if name or message.edns_size or section is not message.additionals:
            raise ParseError("DNS OPT record in the wrong place")  # RFC 6891, 6.1.1
        message.edns_size = max(rclass, UDP_MAX)
        message.rcode |= ttl >> 24 << 4
        return end, size
    ttl = ttl if ttl <= _TTL_MAX else 0  # RFC 2181, 8
    data = _data(raw, at, size, kind)
    section.append(Record(name, kind, ttl, data, rclass))
    return end, sum(map(len, name)) + len(name) + len(data)


def _data(raw: bytes, at: int, size: int, kind: int) -> bytes:
    """A record's data with its names written out, checked for its type."""
    end = at + size
    if kind in _NAMES_IN:
        before, names, after = _NAMES_IN[kind]
        parts = [raw[at : at + before]]
        at += before
        for _ in range(names):
            if at >= end:
                raise ParseError(f"DNS record of type {kind} ends within its names")
            name, at = parse_name(raw, at)
            parts.append(build_name(name))
        if at + after != end:
            raise ParseError(f"DNS record of type {kind} is not as long as what is in it")
        return b"".join(parts) + raw[at:end]
    if _SIZES.get(kind, size) != size:
        raise ParseError(f"DNS record of type {kind} has {size} bytes, not {_SIZES[kind]}")
    if kind == TXT:
        strings(raw[at:end])
    return raw[at:end]


def strings(data: bytes) -> list[bytes]:
    """The character strings that a TXT record's data consists of (RFC 1035, 3.3.14). Raises `ParseError`."""
    found = []
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise ParseError("DNS TXT record ends within a string")
        found.append(data[at + 1 : end])
        at = end
    return found
