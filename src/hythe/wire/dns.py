"""DNS messages, as much as a gateway needs that answers a few names itself and forwards the rest unread (RFC 1035).

A query is read: identifier, flags, its one question, and whether it speaks EDNS (RFC 6891). An answer repeats the
question as it was spelled and adds records for it. The asker's side is `hythe.wire.dnsmessage`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hythe.wire.checksum import Octets

HEADER_SIZE: Final = 12
#: RFC 1035, 2.3.4: bytes of a label, of a name with its length bytes, of a message over UDP without EDNS.
LABEL_MAX: Final = 63
NAME_MAX: Final = 255
UDP_MAX: Final = 512
TCP_MAX: Final = 65_535
#: What our own OPT record says we take over UDP: what fits into IPv6's least MTU, 1280 less 48.
EDNS_SIZE: Final = 1_232

# Types and the Internet class.
A: Final = 1
SOA: Final = 6
PTR: Final = 12
AAAA: Final = 28
OPT: Final = 41
ANY: Final = 255
IN: Final = 1

# Response codes.
NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5

# Header bits (RFC 1035, 4.1.1; CD: RFC 4035).
_RESPONSE: Final = 0x8000
_OPCODE: Final = 0x7800
_AUTHORITATIVE: Final = 0x0400
_TRUNCATED: Final = 0x0200
_RECURSION_DESIRED: Final = 0x0100
_RECURSION_AVAILABLE: Final = 0x0080
_CHECKING_DISABLED: Final = 0x0010

#: A name cannot point backwards more often than it can have labels.
_POINTERS_MAX: Final = 127
_ROOT: Final = b"\0"
_POINTER_TO_QUESTION: Final = b"\xc0\x0c"

_HEADER: Final = struct.Struct(">HHHHHH")
_QUESTION: Final = struct.Struct(">HH")
_RECORD: Final = struct.Struct(">HHIH")
_DO_BIT: Final = 0x8000

Name = tuple[bytes, ...]


@dataclass(slots=True)
class Query:
    """One question as asked. `name`: its labels as spelled, root left out. `flags`: the header's 16 bits.

    `edns_size`: bytes the asker takes over UDP, 0 where it does not speak EDNS. `dnssec`: its DO bit.
    """

    identifier: int
    flags: int
    name: Name
    kind: int
    qclass: int
    edns_size: int = 0
    dnssec: bool = False

    @property
    def text(self) -> str:
        """The name in lower case with dots and no last dot; bytes that are not printable ASCII as backslash escapes."""
        return ".".join(_label_text(label) for label in self.name).lower()

    @property
    def opcode(self) -> int:
        """0 for a standard query, the only one to answer with anything but NOTIMP."""
        return (self.flags & _OPCODE) >> 11

    @property
    def udp_max(self) -> int:
        """The longest answer that the asker takes over UDP (RFC 6891, 6.2.3: no less than 512 bytes)."""
        return max(self.edns_size, UDP_MAX)


def _label_text(label: bytes) -> str:
    return "".join(chr(byte) if 0x21 <= byte < 0x7F and byte not in b".\\" else f"\\{byte:03d}" for byte in label)


def parse_query(view: Octets, length: int) -> Query:
    """The query `view[:length]`; records that it carries besides OPT are skipped.

    Raises `ParseError` for a response, for other than one question, and for bytes that end before the counts of the
    header are satisfied.
    """
    if length < HEADER_SIZE or len(view) < length:
        raise ParseError(f"DNS header needs {HEADER_SIZE} bytes, {min(length, len(view))} are there")
    message = bytes(view[:length])
    identifier, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if flags & _RESPONSE:
        raise ParseError("DNS message is a response, not a query")
    if questions != 1:
        raise ParseError(f"DNS query has {questions} questions, not one")
    name, at = parse_name(message, HEADER_SIZE)
    _need(message, at, _QUESTION.size)
    kind, qclass = _QUESTION.unpack_from(message, at)
    query = Query(identifier, flags, name, kind, qclass)
    at += _QUESTION.size
    for _ in range(answers + authorities + additionals):
        owner, at = parse_name(message, at)
        _need(message, at, _RECORD.size)
        kind, value, ttl, size = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        _need(message, at, size)
        at += size
        if kind == OPT and not owner:
            # RFC 6891, 6.1.2: the class field is the UDP size, the TTL field holds version and flags.
            query.edns_size, query.dnssec = max(value, UDP_MAX), ttl & _DO_BIT != 0
    return query


def _need(message: bytes, at: int, size: int) -> None:
    if at + size > len(message):
        raise ParseError(f"DNS message of {len(message)} bytes ends before the {size} bytes due at byte {at}")


def parse_name(message: bytes, at: int) -> tuple[Name, int]:
    """The labels of the name at `message[at]` and where the name ends (after the first pointer, if it has one).

    Raises `ParseError` for bytes that end too early, a pointer that does not point backwards (RFC 1035, 4.1.4), an
    unknown kind of label, and a name past 255 bytes.
    """
    labels: list[bytes] = []
    after = -1
    total = 1
    lowest = at
    for _ in range(_POINTERS_MAX + NAME_MAX):
        _need(message, at, 1)
        size = message[at]
        if not size:
            return tuple(labels), at + 1 if after < 0 else after
        if size & 0xC0 == 0xC0:
            _need(message, at, 2)
            target = (size & 0x3F) << 8 | message[at + 1]
            if target >= lowest:
                raise ParseError(f"DNS name pointer at byte {at} does not point backwards")
            after = at + 2 if after < 0 else after
            at = lowest = target
            continue
        if size > LABEL_MAX:
            raise ParseError(f"DNS label at byte {at} is of an unknown kind")
        _need(message, at + 1, size)
        labels.append(message[at + 1 : at + 1 + size])
        at += 1 + size
        total += 1 + size
        if total > NAME_MAX:
            break
    raise ParseError(f"DNS name is longer than {NAME_MAX} bytes")


def build_name(name: Name) -> bytes:
    """A name on the wire, uncompressed. Raises ValueError for an empty or overlong label and an overlong name."""
    raw = b"".join(bytes((len(label),)) + label for label in name if 0 < len(label) <= LABEL_MAX) + _ROOT
    if len(raw) != 1 + sum(1 + len(label) for label in name) or not all(name) or len(raw) > NAME_MAX:
        raise ValueError(f"{name!r} cannot be a DNS name")
    return raw


def build_answer(
    query: Query, records: Sequence[bytes] = (), *, rcode: int = NOERROR, ttl: int = 0, limit: int = TCP_MAX
) -> bytes:
    """The answer to a query: `records` are the data of its type (4 bytes of an A, 16 of an AAAA, a PTR's `build_name`).

    No records and NOERROR: the name exists, but has none of that type. `ttl` in seconds. Identifier, opcode, RD and CD
    are the query's, and there is an OPT record exactly if the query had one (RFC 6891, 7). What exceeds `limit`
    (`query.udp_max` over UDP) is left out and TC set, so that the asker comes back over TCP.
    """
    flags = _RESPONSE | _AUTHORITATIVE | _RECURSION_AVAILABLE | rcode
    flags |= query.flags & (_OPCODE | _RECURSION_DESIRED | _CHECKING_DISABLED)
    question = build_name(query.name) + _QUESTION.pack(query.kind, query.qclass)
    answers = [_POINTER_TO_QUESTION + _RECORD.pack(query.kind, query.qclass, ttl, len(data)) + data for data in records]
    extra = b""
    if query.edns_size:
        extra = _ROOT + _RECORD.pack(OPT, EDNS_SIZE, _DO_BIT if query.dnssec else 0, 0)
    if HEADER_SIZE + len(question) + sum(map(len, answers)) + len(extra) > limit:
        flags |= _TRUNCATED
        answers = []
    head = _HEADER.pack(query.identifier, flags, 1, len(answers), 0, 1 if extra else 0)
    return b"".join((head, question, *answers, extra))


def reverse_address(name: Name) -> bytes | None:
    """The address that a PTR question asks about: 4 bytes under in-addr.arpa, 16 under ip6.arpa, else None.

    RFC 1035, 3.5; RFC 3596, 2.5.
    """
    lower = [label.lower() for label in reversed(name)]
    if lower[:2] == [b"arpa", b"in-addr"] and len(lower) == 6:
        numbers = lower[2:]
        if all(label.isdigit() and len(label) <= 3 and int(label) <= 255 for label in numbers):
            return bytes(int(label) for label in numbers)
    if lower[:2] == [b"arpa", b"ip6"] and len(lower) == 34:
        nibbles = b"".join(lower[2:])
        if len(nibbles) == 32 and not nibbles.strip(b"0123456789abcdef"):
            return bytes.fromhex(nibbles.decode())
    return None


def reverse_name(address: bytes) -> Name:
    """The name under in-addr.arpa or ip6.arpa that the PTR record of an address has: `reverse_address` the other way."""
    if len(address) == 4:
        return (*(b"%d" % byte for byte in reversed(address)), b"in-addr", b"arpa")
    return (*(bytes((digit,)) for digit in reversed(address.hex().encode())), b"ip6", b"arpa")
