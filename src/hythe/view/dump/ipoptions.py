"""The options of an IPv4 header (RFC 791, 3.1; RFC 2113)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_END: Final = 0
_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "EOL",
        1: "NOP",
        7: "RR",
        68: "timestamp",
        130: "security",
        131: "LSRR",
        137: "SSRR",
        148: "RA",
    }
)
_ROUTES: Final = frozenset({7, 131, 137})


def options(data: bytes, host: Callable[[bytes], str]) -> str:
    """All of them, with commas between."""
    found = []
    at = 0
    while at < len(data):
        kind = data[at]
        name = _NAMES.get(kind, f"unknown {kind}")
        if kind <= 1:
            found.append(name)
            at += 1
            if kind == _END:
                break
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            found.append(f"{name} [bad length {size}]")
            break
        found.append(name + _value(kind, data[at : at + size], host))
        at += size
    return ",".join(found)


def _value(kind: int, option: bytes, host: Callable[[bytes], str]) -> str:
    size = len(option)
    if kind in _ROUTES:
        return _route(option, host)
    if kind == 68:
        return _timestamps(option, host)
    if kind == 148 and size == 4:
        value = int.from_bytes(option[2:], "big")
        return f" value {value}" if value else ""
    return ""


def _route(option: bytes, host: Callable[[bytes], str]) -> str:
    """Addresses; the one that comes next is marked by a comma before it."""
    if len(option) < 3:
        return f" [bad length {len(option)}]"
    if (len(option) + 1) & 3:
        return f" [bad length {len(option)}]"
    pointer = option[2] - 1
    text = f" [bad ptr {option[2]}]" if pointer < 3 or (pointer + 1) & 3 or pointer > len(option) else ""
    for at in range(3, len(option), 4):
        text += f" {host(option[at : at + 4])}"
        if pointer > at:
            text += ","
    return text


def _timestamps(option: bytes, host: Callable[[bytes], str]) -> str:
    """`^` stands before the entry that comes next."""
    if len(option) < 4:
        return f"[bad length {len(option)}]"
    kind = option[3] & 15
    step = 4 if kind == 0 else 8
    text = " TS{"
    if (len(option) - 4) % step:
        text += f"[bad length {len(option)}]"
    pointer = option[2] - 1
    if pointer < 4 or (pointer - 4) % step or pointer > len(option):
        text += f"[bad ptr {option[2]}]"
    if kind == 0:
        text += "TSONLY"
    elif kind == 1:
        text += "TS+ADDR"
    elif kind == 3:
        text += "PRESPEC"
    else:
        return text + f"[bad ts type {kind}]" + "}"
    mark = " "
    for at in range(4, len(option), step):
        if pointer == at:
            mark = " ^ "
        address = option[at : at + 4] if step == 8 else b""
        (value,) = struct.unpack_from(">I", (option + bytes(8))[at + step - 4 :])
        text += f"{mark}{value}@{host(address) if address else ''}"
        mark = " "
    text += " ^ " if pointer == len(option) else ""
    overflow = option[3] >> 4
    return text + (f" [{overflow} hops not recorded] " if overflow else "") + "}"
