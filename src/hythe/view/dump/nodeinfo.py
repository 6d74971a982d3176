"""Node information queries and replies in ICMPv6 (RFC 4620), those of its drafts too."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.dnsnames import escaped
from hythe.view.dump.show import Show, address_at

#: Type, code, checksum, what is asked, flags, nonce.
_SIZE: Final = 16
#: A query of an older draft, which had no more than an ICMPv6 header.
_OLD_SIZE: Final = 12
_NOTHING, _TYPES, _NAME, _ADDRESSES = 0, 1, 2, 3
_QUERY: Final = 139
_ASKED: Final[Mapping[int, str]] = MappingProxyType(
    {_NOTHING: "noop", _TYPES: "supported qtypes", _NAME: "DNS name", _ADDRESSES: "node addresses"}
)
_CODES: Final = ("success", "refused", "unknown")
#: RFC 4620, 6.4, with an experiment before it.
_SCOPES: Final = ((0x40, "a"), (0x20, "G"), (0x10, "S"), (0x08, "L"), (0x04, "C"), (0x02, "A"))
_TRUNCATED: Final = (0x01, "T")
_CUT_OFF: Final = " [|icmp6]"
_COMPRESSED: Final = ((0x01, "C"),)


def node_information(show: Show, data: bytes, at: int, length: int) -> None:
    """What stands behind the name of the message."""
    if data[at] == _QUERY:
        _query(show, data, at)
    else:
        _reply(show, data, at, length)


def _letters(flags: int, names: tuple[tuple[int, str], ...]) -> str:
    return f" [{''.join(letter for bit, letter in names if flags & bit)}]" if flags else ""


def _query(show: Show, data: bytes, at: int) -> None:
    put, size = show.put, len(data) - at
    if size == _OLD_SIZE:
        put(" who-are-you request")
        return
    put(" node information query")
    if size < _SIZE:
        put(_CUT_OFF)
        return
    asked, flags = struct.unpack_from(">HH", data, at + 4)
    put(f" ({_ASKED.get(asked, 'unknown')}")
    if asked == _TYPES:
        put(_letters(flags, _COMPRESSED))
    elif asked == _ADDRESSES:
        put(_letters(flags, _SCOPES))
    if asked in (_NOTHING, _TYPES):
        put(", invalid len" if size != _SIZE and show.style.verbose else "")
    elif size == _SIZE:
        put(", 03 draft")
    else:
        _subject(show, data, at)
    put(")")


def _subject(show: Show, data: bytes, at: int) -> None:
    """Whom it is about (RFC 4620, 5); of an address nothing is said where a part of it is missing."""
    put, begin = show.put, at + _SIZE
    match data[at + 1]:
        case 0 | 2 as code:
            width = 4 if code else 16
            subject = data[begin:]
            if len(subject) == width:
                put(f", subject={show.names.host(subject)}")
            elif len(subject) > width and show.style.verbose:
                put(", invalid subject len")
        case 1:
            put(", subject=DNS name")
            _name(show, data, begin)
        case _:
            put(", unknown subject")


def _reply(show: Show, data: bytes, at: int, length: int) -> None:
    put, size, verbose = show.put, len(data) - at, show.style.verbose
    if length > size or size < _SIZE:
        put(_CUT_OFF)
        return
    put(" node information reply (")
    code = data[at + 1]
    if code:
        put(_CODES[code] if code < len(_CODES) else "")
        put(", invalid length" if code < len(_CODES) and size != _SIZE and verbose else "")
        put(")")
        return
    put("success, " if verbose else "")
    asked, flags = struct.unpack_from(">HH", data, at + 4)
    put(_ASKED.get(asked, "unknown"))
    match asked:
        case 0 if size != _SIZE and verbose:
            put(", invalid length")
        case 1:
            put(_letters(flags, _COMPRESSED))
        case 2:
            _name(show, data, at + _SIZE + 4)
            put(f" [TTL={struct.unpack_from('>I', data, at + _SIZE)[0]}]" if flags & 1 else "")
        case 3:
            for place in range(at + _SIZE, len(data) - 19, 20):
                (lifetime,) = struct.unpack_from(">I", data, place)
                put(f" {show.names.host(address_at(data, place + 4))}({lifetime})")
            put(_letters(flags, (*_SCOPES, _TRUNCATED)))
    put(")")


def _name(show: Show, data: bytes, at: int) -> None:
    """As DNS writes it, or in a draft as one string behind its length."""
    put = show.put
    if data[at] == len(data) - at - 1:
        put(", 03 draft" if show.style.verbose else "")
        put(f', "{escaped(data[at + 1 :])}"')
        return
    put(', "')
    while at < len(data):
        size = data[at]
        at += 1
        if not size:
            put("" if at == len(data) - 1 and data[at] == 0 else "." if at == len(data) else "???")
            break
        if size > len(data) - at:
            put("???")
            break
        put(escaped(data[at : at + size]))
        at += size
        put("." if at + 1 < len(data) and data[at] else "")
    put('"')
