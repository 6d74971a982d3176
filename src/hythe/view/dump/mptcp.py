"""Multipath TCP within its option (RFC 8684, 3): what kind of message it is, and the tokens and keys in it."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.show import Show, address_text

_NAMES: Final = ("capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close")


def mptcp(show: Show, value: bytes) -> bool:
    """The value of the option, behind kind and length; tells whether it was well formed."""
    put = show.put
    size = len(value) + 2
    put(f" {size}")
    if not value:
        return False
    kind = value[0] >> 4
    if kind >= len(_NAMES):
        put(" unknown")
        return True
    put(f" {_NAMES[kind]}")
    try:
        return (_capable, _join, _sequence, _address, _removal, _priority, _failure, _close)[kind](show, value, size)
    except (IndexError, struct.error, ValueError):
        return False


def _capable(show: Show, value: bytes, size: int) -> bool:
    if size not in (4, 12, 20, 22, 24):
        return False
    show.put(f" v{value[0] & 15}")
    flags = value[1]
    show.put((" csum" if flags & 0x80 else "") + (" nojoin" if flags & 0x20 else ""))
    if size >= 12:
        show.put(f" {{0x{int.from_bytes(value[2:10], 'big'):x}")
        show.put(f",0x{int.from_bytes(value[10:18], 'big'):x}" if size >= 20 else "")
        show.put("}")
    return True


def _join(show: Show, value: bytes, size: int) -> bool:
    if size not in (12, 16, 24):
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
            show.put(f" hmac 0x{value[2:22].hex().lstrip('0') or '0'}")
    return True


def _sequence(show: Show, value: bytes, _size: int) -> bool:
    flags, at = value[1], 2
    show.put(" fin" if flags & 0x10 else "")
    if flags & 0x01:
        width = 8 if flags & 0x02 else 4
        (number,) = struct.unpack_from(">Q" if width == 8 else ">I", value, at)
        show.put(f" ack {number}")
        at += width
    if flags & 0x04:
        width = 8 if flags & 0x08 else 4
        (number,) = struct.unpack_from(">Q" if width == 8 else ">I", value, at)
        at += width
        subflow, length = struct.unpack_from(">IH", value, at)
        at += 6
        show.put(f" seq {number} subseq {subflow} len {length}")
        if len(value) >= at + 2:
            show.put(f" csum 0x{struct.unpack_from('>H', value, at)[0]:x}")
            at += 2
    return at == len(value)


def _address(show: Show, value: bytes, size: int) -> bool:
    version = value[0] & 15
    width = 16 if size >= 20 and version != 4 else 4
    show.put(f" id {value[1]} {address_text(value[2 : 2 + width])}")
    if len(value) >= 4 + width and (size - 4 - width) % 8 == 2:
        show.put(f":{struct.unpack_from('>H', value, 2 + width)[0]}")
    return True


def _removal(show: Show, value: bytes, _size: int) -> bool:
    show.put(" id" + "".join(f" {each}" for each in value[1:]))
    return True


def _priority(show: Show, value: bytes, size: int) -> bool:
    if size not in (3, 4):
        return False
    show.put((" backup" if value[0] & 1 else "") + (f" id {value[1]}" if size == 4 else ""))
    return True


def _failure(show: Show, value: bytes, size: int) -> bool:
    if size != 12:
        return False
    show.put(f" seq {struct.unpack_from('>Q', value, 2)[0]}")
    return True


def _close(show: Show, value: bytes, size: int) -> bool:
    if size != 12:
        return False
    show.put(f" key 0x{struct.unpack_from('>Q', value, 2)[0]:x}")
    return True
