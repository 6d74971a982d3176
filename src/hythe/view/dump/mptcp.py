"""Multipath TCP within its option (RFC 8684, 3): what kind of message it is, and the tokens and keys in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.show import Show

_NAMES: Final = ("capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close")
_SYN, _ACK = 0x02, 0x10
_BOTH: Final = _SYN | _ACK
#: Bytes of an option that tells an address -> of the address, is there a port, is there a code that proves it.
_ADDRESSES: Final[Mapping[int, tuple[int, bool, bool]]] = MappingProxyType(
    {
        8: (4, False, False),
        10: (4, True, False),
        16: (4, False, True),
        18: (4, True, True),
        20: (16, False, False),
        22: (16, True, False),
        28: (16, False, True),
        30: (16, True, True),
    }
)
#: Version 0 (RFC 6824) told the family of an address where version 1 tells an echo.
_ADDRESS_KINDS: Final[Mapping[int, str]] = MappingProxyType({0: "v1", 1: "v1-echo", 4: "v0-ip4", 6: "v0-ip6"})


def mptcp(show: Show, value: bytes, flags: int) -> bool:
    """The value of the option, behind kind and length, in a segment with these flags; tells whether it was well formed."""
    put = show.put
    size = len(value) + 2
    if not value:
        return False
    put(f" {size}")
    kind = value[0] >> 4
    if kind >= len(_NAMES):
        put(" unknown")
        return True
    put(f" {_NAMES[kind]}")
    return (_capable, _join, _sequence, _address, _removal, _priority, _failure, _close)[kind](show, value, flags)


def _capable(show: Show, value: bytes, flags: int) -> bool:
    """RFC 8684, 3.1: which lengths there are depends on the step of the handshake."""
    size = len(value) + 2
    if not (size in (4, 12) and flags & _SYN) and not (size in (20, 22) and flags & _BOTH == _ACK):
        return False
    version = value[0] & 15
    if version > 1:
        show.put(f" Unknown Version ({version})")
        return True
    show.put(f" v{version}" + (" csum" if value[1] & 0x80 else ""))
    if size >= 12:
        theirs = f",0x{int.from_bytes(value[10:18], 'big'):x}" if size >= 20 else ""
        show.put(f" {{0x{int.from_bytes(value[2:10], 'big'):x}{theirs}}}")
    return True


def _join(show: Show, value: bytes, flags: int) -> bool:
    """RFC 8684, 3.2."""
    size = len(value) + 2
    fitting = (size == 12 and flags & _SYN) or (size == 16 and flags & _BOTH == _BOTH) or (size == 24 and flags & _ACK)
    if not fitting:
        return False
    if size != 24:
        show.put((" backup" if value[0] & 1 else "") + f" id {value[1]}")
    match size:
        case 12:
            token, nonce = struct.unpack_from(">II", value, 2)
            show.put(f" token 0x{token:x} nonce 0x{nonce:x}")
        case 16:
            code, nonce = struct.unpack_from(">QI", value, 2)
            show.put(f" hmac 0x{code:x} nonce 0x{nonce:x}")
        case _:
            show.put(f" hmac 0x{value[2:22].hex()}")
    return True


def _sequence(show: Show, value: bytes, flags: int) -> bool:
    """RFC 8684, 3.3; what is there is shown up to where it ends."""
    if len(value) < 2 or flags & _SYN:
        return False
    has, at, put = value[1], 2, show.put
    put(" fin" if has & 0x10 else "")
    try:
        if has & 0x01:
            put(" ack ")
            number, at = _number(value, at, 8 if has & 0x02 else 4)
            put(str(number))
        if has & 0x04:
            put(" seq ")
            number, at = _number(value, at, 8 if has & 0x08 else 4)
            put(str(number))
            number, at = _number(value, at, 4)
            put(f" subseq {number}")
            number, at = _number(value, at, 2)
            put(f" len {number}")
            if len(value) >= at + 2:
                put(f" csum 0x{int.from_bytes(value[at : at + 2], 'big'):x}")
                at += 2
    except IndexError:
        return False
    return at == len(value)


def _number(value: bytes, at: int, width: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value[at + width - 1]
    return int.from_bytes(value[at : at + width], "big"), at + width


def _address(show: Show, value: bytes, _flags: int) -> bool:
    """RFC 8684, 3.4.1."""
    known = _ADDRESSES.get(len(value) + 2)
    if known is None:
        return False
    width, port, code = known
    show.put(f" {_ADDRESS_KINDS.get(value[0] & 15, '[bad version/echo]')} id {value[1]}")
    show.put(f" {show.names.host(value[2 : 2 + width])}")
    if port:
        show.put(f":{struct.unpack_from('>H', value, 2 + width)[0]}")
    if code:
        show.put(f" hmac 0x{int.from_bytes(value[-8:], 'big'):x}")
    return True


def _removal(show: Show, value: bytes, _flags: int) -> bool:
    """RFC 8684, 3.4.2."""
    if len(value) < 2:
        return False
    show.put(" id" + "".join(f" {each}" for each in value[1:]))
    return True


def _priority(show: Show, value: bytes, _flags: int) -> bool:
    """RFC 8684, 3.3.8; version 0 said of which address."""
    if len(value) > 2:
        return False
    show.put((" backup" if value[0] & 1 else " non-backup") + (f" id {value[1]}" if len(value) == 2 else ""))
    return True


def _failure(show: Show, value: bytes, _flags: int) -> bool:
    """RFC 8684, 3.7."""
    if len(value) != 10:
        return False
    show.put(f" seq {struct.unpack_from('>Q', value, 2)[0]}")
    return True


def _close(show: Show, value: bytes, _flags: int) -> bool:
    """RFC 8684, 3.5."""
    if len(value) != 10:
        return False
    show.put(f" key 0x{struct.unpack_from('>Q', value, 2)[0]:x}")
    return True
