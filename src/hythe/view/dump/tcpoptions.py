"""The options of a TCP header, those included that tcpdump knows and nobody sends any more."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.mptcp import mptcp
from hythe.view.dump.show import ENDS, Show

_WORD: Final = 0xFFFF_FFFF
_EOL, _NOP, _MSS, _WSCALE, _SACK_OK, _SACK, _ECHO, _ECHO_REPLY, _TIMESTAMPS = 0, 1, 2, 3, 4, 5, 6, 7, 8
_CC, _CC_NEW, _CC_ECHO, _MD5, _SCPS, _UTO, _AUTHENTICATION, _MPTCP, _FAST_OPEN, _EXPERIMENT = (
    11,
    12,
    13,
    19,
    20,
    28,
    29,
    30,
    34,
    254,
)
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        _EOL: "eol",
        _NOP: "nop",
        _MSS: "mss",
        _WSCALE: "wscale",
        _SACK_OK: "sackOK",
        _SACK: "sack",
        _ECHO: "echo",
        _ECHO_REPLY: "echoreply",
        _TIMESTAMPS: "TS",
        _CC: "cc",
        _CC_NEW: "ccnew",
        _CC_ECHO: "",
        _MD5: "md5",
        _SCPS: "scps",
        _UTO: "uto",
        _AUTHENTICATION: "tcp-ao",
        _MPTCP: "mptcp",
        _FAST_OPEN: "tfo",
        _EXPERIMENT: "exp",
    }
)
#: Those that are not shown as far as they go.
_WHOLE: Final = frozenset({_MD5, _MPTCP, _FAST_OPEN, _EXPERIMENT})
_FAST_OPEN_MAGIC: Final = 0xF989  # RFC 7413, 4.1.1
#: RFC 7413, 4.1.1: bytes of a cookie.
_COOKIES: Final = range(4, 17)


class _BadError(Exception):
    """An option that does not fit into what is left."""


def options(show: Show, data: bytes, at: int, end: int, base: int, whole: bool) -> bool:
    """Those from `at` to `end`; tells whether they were well formed.

    `base`: what SACK blocks are relative to. `whole`: is all of the segment there?
    """
    put = show.put
    first = True
    while at < end:
        if not first:
            put(",")
        kind = data[at]
        size = 1 if kind <= _NOP else data[at + 1] if at + 1 < end else 0
        try:
            if (kind > _NOP and size < 2) or at + size > end:
                raise _BadError
            put(_NAMES.get(kind, f"unknown-{kind}"))
            used = _value(show, data, at + 2, kind, size - 2, base, whole) if kind > _NOP else -1
        except _BadError:
            put("[bad opt]" if first else "[bad opt]]")
            return False
        except ENDS:
            put(" [|tcp]" if first else " [|tcp]>")
            return False
        first = False
        if used + 2 != size:
            put(f"[len {size}]")
        at += used + 2
        if kind == _EOL:
            break
    return True


def _value(show: Show, data: bytes, at: int, kind: int, size: int, base: int, whole: bool) -> int:
    """What stands behind kind and length, `size` bytes of it; how many were read."""
    put = show.put
    value = data[at : at + size]
    if len(value) < size and kind in _WHOLE:
        raise IndexError("the option is cut off")
    match kind:
        case 2:
            put(f" {struct.unpack_from('>H', data, at)[0]}")
            return 2
        case 3:
            put(f" {data[at]}")
            return 1
        case 4:
            return 0
        case 5:
            _sack(show, data, at, size, base)
        case 8:
            stamp, echo = struct.unpack_from(">II", data, at)
            put(f" val {stamp} ecr {echo}")
            return 8
        case 6 | 7 | 11 | 12 | 13:
            put(f" {struct.unpack_from('>I', data, at)[0]}")
            return 4
        case 19:
            if size != 16:
                raise _BadError
            why = "shared secret not supplied with -M" if whole else "snaplen too short"
            put(f" {why}, can't check - {value.hex()}")
        case 20:
            put(f" cap {data[at]:02x} id {data[at + 1]}")
            return 2
        case 28:
            (timeout,) = struct.unpack_from(">H", data, at)
            put(f" 0x{timeout:x} {(timeout >> 1) * (60 if timeout & 1 else 1)}")
            return 2
        case 29:
            if size < 2:
                put(" (invalid)")
            else:
                put(f" keyid {data[at]}")
                put(f" rnextkeyid {data[at + 1]}")
                put(f" mac 0x{value[2:].hex()}" if size > 2 else "")
                if len(value) < size:
                    raise IndexError("the option is cut off")
        case 30:
            if not mptcp(show, value):
                raise _BadError
        case 34:
            put(" ")
            _fast_open(show, value)
        case 254:
            _experiment(show, value)
        case _:
            put(f" 0x{value.hex()}" if size else "")
            if len(value) < size:
                raise IndexError("the option is cut off")
    return size


def _sack(show: Show, data: bytes, at: int, size: int, base: int) -> None:
    if size % 8:
        show.put(" invalid sack")
        return
    show.put(f" {size // 8} ")
    for place in range(at, at + size, 8):
        left, right = struct.unpack_from(">II", data, place)
        show.put(f"{{{left - base & _WORD}:{right - base & _WORD}}}")


def _fast_open(show: Show, cookie: bytes) -> None:
    if not cookie:
        show.put(" cookiereq")
    elif len(cookie) not in _COOKIES or len(cookie) % 2:
        show.put(" (invalid)")
    else:
        show.put(f" cookie {cookie.hex()}")


def _experiment(show: Show, value: bytes) -> None:
    """RFC 6994: two bytes say whose experiment it is."""
    if len(value) < 2:
        raise _BadError
    magic = int.from_bytes(value[:2], "big")
    show.put("-")
    if magic == _FAST_OPEN_MAGIC:
        show.put("tfo")
        _fast_open(show, value[2:])
    else:
        show.put(f"{magic:04x}")
