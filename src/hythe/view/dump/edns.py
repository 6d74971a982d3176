"""The options of an OPT record (RFC 6891 and the RFCs of each)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.dnsnames import read
from hythe.view.dump.show import Show, address_text

_DO: Final = 0x8000
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "LLQ",
        2: "UL",
        3: "NSID",
        5: "DAU",
        6: "DHU",
        7: "N3U",
        8: "ECS",
        9: "EXPIRE",
        10: "COOKIE",
        11: "KEEPALIVE",
        12: "PADDING",
        13: "CHAIN",
        14: "KEY-TAG",
        16: "CLIENT-TAG",
        17: "SERVER-TAG",
    }
)
_ALGORITHMS: Final[Mapping[int, Mapping[int, str]]] = MappingProxyType(
    {
        5: {
            0: "DELETE",
            1: "RSAMD5",
            2: "DH",
            3: "DS",
            5: "RSASHA1",
            6: "DSA-NSEC3-SHA1",
            7: "RSASHA1-NSEC3-SHA1",
            8: "RSASHA256",
            10: "RSASHA512",
            12: "ECC-GOST",
            13: "ECDSAP256SHA256",
            14: "ECDSAP384SHA384",
            15: "ED25519",
            16: "ED448",
            252: "INDIRECT",
            253: "PRIVATEDNS",
            254: "PRIVATEOID",
        },
        6: {1: "SHA-1", 2: "SHA-256", 3: "GOST_R_34.11-94", 4: "SHA-384"},
        7: {1: "SHA-1"},
    }
)
_INVALID: Final = " (invalid)"


def edns(show: Show, data: bytes, at: int, fields: tuple[int, int, int], begin: int) -> None:
    """The record, whose class is a size and whose time to live is flags; `fields`: class, time to live, length."""
    size, flags, length = fields
    show.put(f" UDPsize={size}")
    show.put(" DO" if flags & _DO else "")
    if not length:
        return
    end, first = at + length, True
    show.put(" [")
    while at < end:
        if not first:
            show.put(",")
        first = False
        (kind,) = struct.unpack_from(">H", data, at)
        show.put(_NAMES.get(kind, f"Opt{kind}"))
        (width,) = struct.unpack_from(">H", data, at + 2)
        at += 4
        if width:
            if at + width > len(data):
                raise IndexError("the option is cut off")
            show.put(f" {_value(kind, data[at : at + width], data, at, begin)}")
        at += width
    show.put("]")


def _value(kind: int, value: bytes, data: bytes, at: int, begin: int) -> str:
    match kind:
        case 5 | 6 | 7:
            return " ".join(_ALGORITHMS[kind].get(number, f"Alg_{number}") for number in value)
        case 8:
            return _subnet(value)
        case 9:
            return f"{struct.unpack('>I', value)[0]} sec" if len(value) == 4 else _INVALID
        case 10:
            if len(value) != 8 and not 16 <= len(value) <= 40:
                return _INVALID
            return f"{value[:8].hex()} {value[8:].hex()}".rstrip()
        case 11:
            return f"{int.from_bytes(value, 'big') / 10:.1f} sec" if len(value) == 2 else _INVALID
        case 12:
            return f"({len(value)})"
        case 13:
            return read(data, at, begin)[0]
        case 14:
            return _INVALID if len(value) % 2 else " ".join(str(tag) for (tag,) in struct.iter_unpack(">H", value))
    return value.hex()


def _subnet(value: bytes) -> str:
    """RFC 7871, 6: no more bytes of the address than its prefix needs."""
    if len(value) < 4:
        return _INVALID
    family, source, scope = struct.unpack_from(">HBB", value)
    size = {1: 4, 2: 16}.get(family, 0)
    if not size or source > 8 * size or scope > 8 * size or len(value) - 4 != (source + 7) // 8:
        return _INVALID
    return f"{address_text(value[4:].ljust(size, bytes(1)))}/{source}/{scope}"
