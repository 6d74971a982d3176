"""The options of an IPv4 header (RFC 791, 3.1; RFC 2113)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.show import Show

_END: Final = 0
_NO_OPERATION: Final = 1
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "EOL",
        1: "NOP",
        7: "RR",
        68: "timestamp",
        130: "security",
        131: "LSRR",
        137: "SSRR",
        82: "traceroute",
        148: "RA",
    }
)
_ROUTES: Final = frozenset({7, 131, 137})
_SOURCE_ROUTES: Final = frozenset({131, 137})
#: Bytes of a source route with one station.
_ROUTE_MIN: Final = 7
_STAMPS: Final[Mapping[int, str]] = MappingProxyType({0: "TSONLY", 1: "TS+ADDR", 3: "PRESPEC"})


def options(show: Show, data: bytes, at: int, end: int) -> bool:
    """Those from `at` to `end`, with commas between; tells whether all that is told of them was captured.

    Raises IndexError where kind or length of one was not.
    """
    put, between = show.put, ""
    while at < end:
        put(between)
        between = ","
        kind = data[at]
        put(_NAMES.get(kind, f"unknown {kind}"))
        if kind == _END:
            break
        if kind == _NO_OPERATION:
            at += 1
            continue
        size = data[at + 1]
        if size < 2 or at + size > end:
            put(f" [bad length {size}]")
            break
        if at + size > len(data) or not _value(show, data, at, size):
            return False
        at += size
    return True


def final(options: bytes) -> bytes:
    """Where a source route among the options of a header ends; nothing if there is none."""
    at = 0
    while at + 1 < len(options) and options[at] != _END:
        size = 1 if options[at] == _NO_OPERATION else options[at + 1]
        if size < 1 or (size < 2 and options[at] != _NO_OPERATION) or at + size > len(options):
            break
        if options[at] in _SOURCE_ROUTES and size >= _ROUTE_MIN:
            return options[at + size - 4 : at + size]
        at += size
    return b""


def _value(show: Show, data: bytes, at: int, size: int) -> bool:
    """What stands behind its name; False if an address of it was not captured."""
    kind = data[at]
    if kind in _ROUTES:
        return _route(show, data, at, size)
    if kind == 68:
        return _timestamps(show, data, at, size)
    if kind == 148:
        value = int.from_bytes(data[at + 2 : at + 4], "big")
        if size < 4:
            show.put(f" [bad length {size}]")
        elif value:
            show.put(f" value {value}")
    return True


def _route(show: Show, data: bytes, at: int, size: int) -> bool:
    """Addresses, with a comma behind those that are done. The last may reach behind the option, if its length is none."""
    put = show.put
    if size < 3:
        put(f" [bad length {size}]")
        return True
    if (size + 1) & 3:
        put(f" [bad length {size}]")
    pointer = data[at + 2] - 1
    if pointer < 3 or (pointer + 1) & 3 or pointer > size + 1:
        put(f" [bad ptr {data[at + 2]}]")
    for place in range(3, size, 4):
        address = data[at + place : at + place + 4]
        if len(address) < 4:
            return False
        put(f" {show.names.host(address)}" + ("," if pointer > place or pointer < 0 else ""))
    return True


def _timestamps(show: Show, data: bytes, at: int, size: int) -> bool:
    """`^` stands before the entry that comes next."""
    put = show.put
    if size < 4:
        put(f"[bad length {size}]")
        return True
    put(" TS{")
    kind, pointer, place = data[at + 3] & 15, data[at + 2] - 1, 0
    step = 8 if kind else 4
    if (size - 4) % step:
        put(f"[bad length {size}]")
    if pointer < 4 or (pointer - 4) % step or pointer > size + 1:
        put(f"[bad ptr {data[at + 2]}]")
    name = _STAMPS.get(kind)
    put(name or f"[bad ts type {kind}]")
    if name is not None:
        place = 4
        while place < size:
            entry = data[at + place : at + place + step]
            if len(entry) < step:
                return False
            put(" ^ " if pointer == place else " ")
            put(f"{int.from_bytes(entry[-4:], 'big')}@{show.names.host(entry[:4]) if step == 8 else ''}")
            place += step
    put(" ^ " if pointer == place else "")
    missed = data[at + 3] >> 4
    put(f" [{missed} hops not recorded]}} " if missed else "}")
    return True
