"""DNS as people write it: names, types and the data of records in the form of master files (RFC 1035, 5.1; RFC 3597, 5).

Whatever a server sends is printable here: bytes that are not printable ASCII are backslash escapes.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.wire.dns import AAAA, ANY, LABEL_MAX, PTR, SOA, A, Name, build_name, parse_name
from hythe.wire.dnsmessage import CNAME, DNAME, MX, NS, SRV, TXT, Record, strings

#: Types by name: those with a form of their own here, and those that people ask for (IANA's registry).
TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "A": A,
        "NS": NS,
        "CNAME": CNAME,
        "SOA": SOA,
        "PTR": PTR,
        "HINFO": 13,
        "MX": MX,
        "TXT": TXT,
        "AAAA": AAAA,
        "LOC": 29,
        "SRV": SRV,
        "NAPTR": 35,
        "DNAME": DNAME,
        "DS": 43,
        "SSHFP": 44,
        "RRSIG": 46,
        "NSEC": 47,
        "DNSKEY": 48,
        "TLSA": 52,
        "CDS": 59,
        "CDNSKEY": 60,
        "OPENPGPKEY": 61,
        "SVCB": 64,
        "HTTPS": 65,
        "URI": 256,
        "CAA": 257,
        "ANY": ANY,
    }
)
_TYPE_NAMES: Final[Mapping[int, str]] = MappingProxyType({number: name for name, number in TYPES.items()})
#: RFC 1035, 4.1.1; RFC 2136, 2.2; RFC 6891, 9.
_RCODES: Final = (
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
)
_BADVERS: Final = 16

_NUMBERED: Final = re.compile(r"TYPE(\d{1,5})", re.ASCII)
#: One character of a name as written: a number after a backslash, a character after one, or a plain one.
_TOKEN: Final = re.compile(r"\\([0-9]{3})|\\(.)|(.)", re.DOTALL | re.ASCII)
_SERIAL: Final = struct.Struct(">5I")


def type_name(number: int) -> str:
    """``MX``, or ``TYPE731`` for one that has no name here."""
    return _TYPE_NAMES.get(number) or f"TYPE{number}"


def type_number(text: str) -> int | None:
    """The number of a type by its name in any case, or as ``TYPE731``; None when there is none."""
    upper = text.upper()
    match = _NUMBERED.fullmatch(upper)
    number = int(match[1]) if match else TYPES.get(upper, -1)
    return number if 0 < number < 65_536 else None


def rcode_name(number: int) -> str:
    """``NXDOMAIN``; ``RCODE23`` for one that has no name here."""
    if number == _BADVERS:
        return "BADVERS"
    return _RCODES[number] if number < len(_RCODES) else f"RCODE{number}"


def name_text(name: Name) -> str:
    """A name with dots between its labels and none at the end, in the server's spelling; ``.`` for the root."""
    return ".".join(_escaped(label, b'.\\"();@$') for label in name) or "."


def parse_name_text(text: str) -> Name:
    r"""The labels of a name as people write it, ``\.`` and ``\046`` included; a dot at the end is left out.

    Raises ValueError, saying what a name may be, for anything that cannot be one.
    """
    if text == ".":
        return ()
    labels: list[bytes] = []
    label = bytearray()
    for number, escaped, plain in _TOKEN.findall(text):
        if plain == ".":
            labels.append(bytes(label))
            label.clear()
        elif number and int(number) < 256:
            label.append(int(number))
        else:
            label += (number or escaped or plain).encode("ascii", "replace")
    if label or not labels:
        labels.append(bytes(label))
    if not text.isascii():
        raise ValueError(f"{text!r} is not ASCII: write the name in its xn-- form")
    try:
        build_name(tuple(labels))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a name: labels have 1 to {LABEL_MAX} characters, one dot between them, the whole at most 253"
        ) from None
    return tuple(labels)


def _escaped(raw: bytes, special: bytes) -> str:
    return "".join(
        (f"\\{chr(byte)}" if byte in special else chr(byte)) if 0x21 <= byte < 0x7F else f"\\{byte:03d}" for byte in raw
    )


def data_text(record: Record) -> str:
    r"""A record's data as in a master file; names with their last dot. Types without a form: RFC 3597's ``\# 2 0AFF``."""
    data = record.data
    kind = record.kind
    if kind in (A, AAAA):
        return str(ipaddress.ip_address(data))
    if kind in (NS, CNAME, PTR, DNAME):
        return _absolute(record.target())
    if kind == MX:
        return f"{int.from_bytes(data[:2], 'big')} {_absolute(record.target())}"
    if kind == SRV:
        return " ".join([*(str(each) for each in struct.unpack_from(">3H", data)), _absolute(record.target())])
    if kind == TXT:
        return " ".join('"' + _quoted(each) + '"' for each in strings(data))
    if kind == SOA:
        master, at = parse_name(data, 0)
        person, at = parse_name(data, at)
        return " ".join([_absolute(master), _absolute(person), *(str(each) for each in _SERIAL.unpack_from(data, at))])
    return f"\\# {len(data)} {data.hex().upper()}".rstrip()


def _quoted(raw: bytes) -> str:
    return "".join(" " if part == b" " else _escaped(part, b'"\\') for part in (raw[at : at + 1] for at in range(len(raw))))


def _absolute(name: Name) -> str:
    return name_text(name) + "." if name else "."


def record_text(record: Record) -> str:
    """One line of a master file: owner, TTL, class, type, data."""
    rclass = "IN" if record.rclass == 1 else f"CLASS{record.rclass}"
    return f"{_absolute(record.name)} {record.ttl} {rclass} {type_name(record.kind)} {data_text(record)}"
