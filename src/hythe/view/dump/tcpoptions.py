"""The options of a TCP header, those included that tcpdump knows and nobody sends any more."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
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
_STAMPS: Final = struct.Struct(">II").unpack_from
_STAMPS_SIZE: Final = 10
_FAST_OPEN_MAGIC: Final = 0xF989  # RFC 7413, 4.1.1
#: RFC 7413, 4.1.1: bytes of a cookie.
_COOKIES: Final = range(4, 17)


class _BadError(Exception):
    """An option that does not fit into what is left."""


def options(show: Show, data: bytes, at: int, end: int, base: int, flags: int, whole: bool) -> bool:
    """Those from `at` to `end`; tells whether they were well formed.

    `base`: what SACK blocks are relative to. `flags`: of the segment. `whole`: is all of it there?
    """
    put = show.put
    first, protocol = True, "tcp"
    while at < end:
        if not first:
            put(",")
        try:
            kind = data[at]
            size = 1 if kind <= _NOP else data[at + 1]
        except IndexError:
            show.left = True
            put(f" [|{protocol}]")
            return False
        try:
            if (kind > _NOP and size < 2) or at + size > end:
                raise _BadError
            put(_NAMES.get(kind, f"unknown-{kind}"))
            if kind <= _NOP:
                used = -1
            elif kind == _TIMESTAMPS and size == _STAMPS_SIZE:  # what almost every segment has
                stamp, echo = _STAMPS(data, at + 2)
                put(f" val {stamp} ecr {echo}")
                used = size - 2
            else:
                used = _value(_Value(show, data, at + 2, size - 2, end), kind, base, flags, whole)
        except _BadError:
            put("[bad opt]" if first else "[bad opt]]")
            return False
        except ENDS:
            put(f" [|{protocol}]" + ("" if first else ">"))
            return False
        first = False
        if kind == _MPTCP:
            protocol = "mptcp"  # which tcpdump goes on naming
        if used + 2 != size:
            put(f"[len {size}]")
        at += used + 2
        if kind == _EOL:
            break
    return True


@dataclass(slots=True)
class _Value:
    """What stands behind kind and length: `size` bytes at `at` of `data`, in a header that goes on to `end`."""

    show: Show
    data: bytes
    at: int
    size: int
    end: int

    def take(self, size: int) -> bytes:
        """The first bytes of it, as many as an option of its kind has, whatever its length says.

        Raises `_BadError` for more than the header has, IndexError for more than was captured.
        """
        if self.at + size > self.end:
            raise _BadError
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise IndexError("the option is cut off")
        return found


def _value(value: _Value, kind: int, base: int, flags: int, whole: bool) -> int:
    """Show it; how many bytes of it were read."""
    put, size = value.show.put, value.size
    match kind:
        case 2:
            put(f" {int.from_bytes(value.take(2), 'big')}")
            return 2
        case 3:
            put(f" {value.take(1)[0]}")
            return 1
        case 4:
            return 0
        case 5:
            _sack(value, base)
        case 8:
            stamp, echo = struct.unpack(">II", value.take(8))
            put(f" val {stamp} ecr {echo}")
            return 8
        case 6 | 7 | 11 | 12 | 13:
            put(f" {int.from_bytes(value.take(4), 'big')}")
            return 4
        case 19:
            why = "shared secret not supplied with -M" if whole else "snaplen too short"
            put(f" {why}, can't check - {value.take(16).hex()}")
            return 16
        case 20:
            capabilities, connection = value.take(2)
            put(f" cap {capabilities:02x} id {connection}")
            return 2
        case 28:
            timeout = int.from_bytes(value.take(2), "big")
            put(f" 0x{timeout:x} {(timeout >> 1) * (60 if timeout & 1 else 1)}")
            return 2
        case 29:
            _authentication(value)
        case 30:
            if not mptcp(value.show, value.take(size), flags):
                raise _BadError
        case 34:
            cookie = value.take(size)
            put(" ")
            _fast_open(value.show, cookie)
        case 254:
            _experiment(value.show, value.take(size))
        case _:
            put(f" 0x{value.data[value.at : value.at + size].hex()}" if size else "")
            value.take(size)
    return size


def _sack(value: _Value, base: int) -> None:
    put = value.show.put
    if value.size % 8:
        put(" invalid sack")
        return
    put(f" {value.size // 8} ")
    for place in range(value.at, value.at + value.size, 8):
        left, right = struct.unpack_from(">II", value.data, place)
        put(f"{{{left - base & _WORD}:{right - base & _WORD}}}")


def _authentication(value: _Value) -> None:
    """RFC 5925, 2.2."""
    put = value.show.put
    if value.size < 2:
        put(" (invalid)")
        return
    put(f" keyid {value.take(1)[0]}")
    put(f" rnextkeyid {value.take(2)[1]}")
    put(f" mac 0x{value.data[value.at + 2 : value.at + value.size].hex()}" if value.size > 2 else "")
    value.take(value.size)


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
