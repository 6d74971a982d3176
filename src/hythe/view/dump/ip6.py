"""IPv6 packets (RFC 8200): the header, the extension headers, then whatever they carry."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ip import PROTOCOLS
from hythe.view.dump.show import ENDS, Carrier, Show, address_text
from hythe.view.dump.transport import transport

_HEADER: Final = struct.Struct(">IHBB16s16s").unpack_from
_SIZE: Final = 40
_NO_NEXT: Final = 59


def six(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `data[at]`; `length` is what the layer below left for it."""
    if len(data) < at + _SIZE or length < _SIZE:
        show.put(" [|ip6]")
        return
    put = show.put
    if not show.style.link:
        put("IP6 ")
    first, payload, following, hops, source, destination = _HEADER(data, at)
    if first >> 28 != 6:
        put(f"version error: {first >> 28} != 6")
        return
    if length < payload + _SIZE:
        put(f"truncated-ip6 - {payload + _SIZE - length} bytes missing!")
    if show.style.verbose:
        traffic, label = first >> 20 & 0xFF, first & 0xFFFFF
        put("(")
        put(f"class 0x{traffic:02x}, " if traffic else "")
        put(f"flowlabel 0x{label:05x}, " if label else "")
        put(f"hlim {hops}, next-header {PROTOCOLS.get(following, 'unknown')} ({following}) payload length: {payload}) ")
    end = at + _SIZE + payload
    if end < len(data):
        data = data[:end]
    if following not in (6, 17):
        put(f"{show.names.host(source)} > {show.names.host(destination)}: ")
    _chain(show, data, at + _SIZE, payload, following, Carrier(source, destination))


def _chain(show: Show, data: bytes, at: int, length: int, following: int, carrier: Carrier) -> None:
    """Extension headers one behind the other, and what is behind the last."""
    if following not in (6, 17):
        carrier.behind = True
    while following in _EXTENSIONS:
        name, printer = _EXTENSIONS[following]
        try:
            size, text, stop = printer(show, data, at, length, carrier)
        except ENDS:
            show.put(f" [|{name}]")
            return
        show.put(text)
        if stop:
            return
        following = data[at]
        at += size
        length -= size
    if following == _NO_NEXT:
        show.put("no next header")
        return
    if following in (6, 17) and at >= len(data) and carrier.fragment:
        return
    transport(show, following, data, at, max(length, 0), carrier)


def _hop_by_hop(show: Show, data: bytes, at: int, _length: int, _carrier: Carrier) -> tuple[int, str, bool]:
    size = (data[at + 1] + 1) * 8
    data[at + size - 1]
    return size, "HBH " + _options(show, data, at + 2, at + size), False


def _destination(show: Show, data: bytes, at: int, _length: int, _carrier: Carrier) -> tuple[int, str, bool]:
    size = (data[at + 1] + 1) * 8
    data[at + size - 1]
    return size, "DSTOPT " + _options(show, data, at + 2, at + size), False


def _options(show: Show, data: bytes, at: int, end: int) -> str:
    """With -v, each that is not padding in its own parentheses, and padding too."""
    if not show.style.verbose:
        return ""
    text = ""
    while at < end:
        kind = data[at]
        if kind == 0:
            text += "(pad1)"
            at += 1
            continue
        if at + 1 >= end or at + 2 + data[at + 1] > end:
            return text + "[trunc] "
        size = data[at + 1]
        value = data[at + 2 : at + 2 + size]
        match kind:
            case 1:
                text += "(padn)"
            case 5:
                text += (
                    f"(rtalert: 0x{int.from_bytes(value, 'big'):04x}) " if size == 2 else f"(rtalert: invalid len {size})"
                )
            case 0xC2:
                text += f"(jumbo: {int.from_bytes(value, 'big')}) " if size == 4 else f"(jumbo: invalid len {size})"
            case _:
                text += f"(opt_type 0x{kind:02x}: len={size})"
        at += 2 + size
    return text + " "


def _routing(show: Show, data: bytes, at: int, _length: int, carrier: Carrier) -> tuple[int, str, bool]:
    units, kind, left = struct.unpack_from(">BBB", data, at + 1)
    size = (units + 1) * 8
    text = f"RT6 (len={units}, type={kind}"
    if kind == 0:
        text += " [Deprecated]"
    elif kind == 2:
        text += ""
    else:
        return size, text + f", segleft={left} (unknown type) (invalid)", True
    text += f", segleft={left}"
    if show.style.verbose and len(data) >= at + 8:
        text += f", rsv=0x{int.from_bytes(data[at + 4 : at + 8], 'big'):x}"
    if len(data) < at + size:
        return size, text + " [|rt6]", True
    if units % 2:
        return size, text + " (invalid length)", True
    for number in range(units // 2):
        place = at + 8 + 16 * number
        text += f", [{number}]{address_text(data[place : place + 16])}"
        if left:  # where it is to go in the end, which is what checksums are made for (RFC 8200, 8.1)
            carrier.destination = data[place : place + 16]
    return size, text + ") ", False


def _fragment(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> tuple[int, str, bool]:
    (place,) = struct.unpack_from(">H", data, at + 2)
    name = f"0x{struct.unpack_from('>I', data, at + 4)[0]:08x}:" if show.style.verbose else ""
    carrier.fragment = True
    offset = place & 0xFFF8
    # A later piece begins in the middle of whatever it is of.
    return 8, f"frag ({name}{offset}|{length - 8})" + ("" if offset else " "), offset != 0


_EXTENSIONS: Final[Mapping[int, tuple[str, Callable[[Show, bytes, int, int, Carrier], tuple[int, str, bool]]]]] = (
    MappingProxyType(
        {
            0: ("hbhopt", _hop_by_hop),
            43: ("srcrt", _routing),
            44: ("frag6", _fragment),
            60: ("dstopt", _destination),
        }
    )
)
