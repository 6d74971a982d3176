"""IPv6 packets (RFC 8200): the header, the extension headers, then whatever they carry."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ip import PROTOCOLS
from hythe.view.dump.show import ENDS, Carrier, Show, address_at, address_text
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
    text = _options(data, at + 2, at + size, show.put, "HBH ")  # read even where it is not told
    return size, text if show.style.verbose else "", False


def _destination(show: Show, data: bytes, at: int, _length: int, _carrier: Carrier) -> tuple[int, str, bool]:
    size = (data[at + 1] + 1) * 8
    data[at + size - 1]
    if show.style.verbose:
        return size, _options(data, at + 2, at + size, show.put, "DSTOPT "), False
    return size, "DSTOPT ", False


def _options(data: bytes, at: int, end: int, put: Callable[[str], None], name: str) -> str:
    """Each that is not padding in its own parentheses, and padding too; `name` is put before anything can be missing."""
    put(name)
    text = ""
    while at < end:
        kind = data[at]
        if kind == 0:
            text += "(pad1)"
            at += 1
            continue
        if at + 1 >= end or at + 2 + data[at + 1] > end:
            raise IndexError("the option is cut off")
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
    if len(data) <= at:
        return 0, " [|ip6]", True
    show.put("RT6")
    try:
        return (data[at + 1] + 1) * 8, *_route(show, data, at, carrier)
    except ENDS:
        return 0, " [|rt6]", True


def _route(show: Show, data: bytes, at: int, carrier: Carrier) -> tuple[str, bool]:
    """What is left to be put, and whether there is no way on (RFC 8200, 4.4; RFC 5095)."""
    put, units = show.put, data[at + 1]
    put(f" (len={units}")
    kind = data[at + 2]
    put(f", type={kind}" + (" [Deprecated]" if kind == 0 else ""))
    left = data[at + 3]
    put(f", segleft={left}")
    if kind not in (0, 2):
        return " (unknown type) (invalid)", True
    reserved = int.from_bytes(data[at + 4 : at + 8], "big")
    data[at + 7]
    put(f", rsv=0x{reserved:x}" if show.style.verbose or reserved else "")
    if units % 2:
        return f" (invalid length {units}) (invalid)", True
    for number in range(units // 2):
        hop = address_at(data, at + 8 + 16 * number)
        put(f", [{number}]{address_text(hop)}")
        if left:  # where it is to go in the end, which is what checksums are made for (RFC 8200, 8.1)
            carrier.destination = hop
    return ") ", False


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
