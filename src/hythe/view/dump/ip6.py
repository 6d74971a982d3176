"""IPv6 packets (RFC 8200): the header, the extension headers, then whatever they carry."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hythe.view.dump.ip import PROTOCOLS
from hythe.view.dump.ip6options import OptionError, Payload, options
from hythe.view.dump.show import ENDS, Carrier, Show, address_at
from hythe.view.dump.transport import transport

_HEADER: Final = struct.Struct(">IHBB16s16s").unpack_from
_SIZE: Final = 40
_HOP_BY_HOP: Final = 0
_FRAGMENT_SIZE: Final = 8
_UNSIGNED: Final = (1 << 64) - 1
#: The type of a routing header that lists segments (RFC 8754, 2).
_SEGMENTS: Final = 4


def six(show: Show, data: bytes, at: int, length: int) -> None:
    """The packet at `data[at]`; `length` is what the layer below left for it."""
    if len(data) < at + _SIZE:
        show.put(" [|ip6]")
        return
    put = show.put
    if length < _SIZE:
        put(f"truncated-ip6 {length}")
        return
    if not show.style.link:
        put("IP6 ")
    first, payload, following, hops, source, destination = _HEADER(data, at)
    if first >> 28 != 6:
        put(f"version error: {first >> 28} != 6")
        return
    if payload and length < payload + _SIZE:
        put(f"truncated-ip6 - {payload + _SIZE - length} bytes missing!")
    if show.style.verbose:
        traffic, label = first >> 20 & 0xFF, first & 0xFFFFF
        put("(")
        put(f"class 0x{traffic:02x}, " if traffic else "")
        put(f"flowlabel 0x{label:05x}, " if label else "")
        put(f"hlim {hops}, next-header {PROTOCOLS.get(following, 'unknown')} ({following}) payload length: {payload}) ")
    if following not in (6, 17):
        put(f"{show.names.host(source)} > {show.names.host(destination)}: ")
    if following not in _EXTENSIONS:
        # A length of zero means that nothing follows, unless an extension header says more.
        end = at + _SIZE + payload
        carrier = Carrier(source, destination, behind=following not in (6, 17))
        transport(show, following, data[:end] if end < len(data) else data, at + _SIZE, payload, carrier)
        return
    end = at + _SIZE + payload
    _chain(show, data[:end] if payload and end < len(data) else data, at, length, Carrier(source, destination, behind=True))


@dataclass(slots=True)
class _Place:
    """Where in a packet the next extension header is, of what kind, and how many bytes are left for it and what follows."""

    begin: int
    at: int
    kind: int
    left: int
    payload: Payload
    first: bool = True


def _chain(show: Show, data: bytes, begin: int, length: int, carrier: Carrier) -> None:
    """Extension headers one behind the other, and what is behind the last."""
    payload = Payload(data[begin + 4] << 8 | data[begin + 5])
    place = _Place(begin, begin + _SIZE, data[begin + 6], payload.length or length, payload)
    while place.kind in _EXTENSIONS:
        if place.kind == _HOP_BY_HOP and not place.first:
            # RFC 8200, 4.1: it is the first, or it is none.
            why = "was already found" if data[begin + 6] == _HOP_BY_HOP else "don't follow the IPv6 header"
            show.put(f"[The Hop-by-Hop Options header {why}] (invalid)")
            return
        name, printer = _EXTENSIONS[place.kind]
        try:
            size = printer(show, data, place, carrier)
        except ENDS:
            show.left = True
            show.put(f" [|{name}]")
            return
        except OptionError:
            show.put(f" [|{name}]")
            size = 0
        if place.kind == _HOP_BY_HOP and not payload.length:
            show.put("[No valid Jumbo Payload Hop-by-Hop option found] (invalid)")
            return
        if not size:
            return
        place.kind = data[place.at]
        if place.left < size:
            show.put(" [|ip6]")
            return
        place.at += size
        place.left -= size
        place.first = False
    if payload.jumbo:
        whole = payload.length + _SIZE
        place.left = whole - (place.at - begin)
        if place.left < 0:
            show.put(" [|ip6]")
            return
        show.put(f"truncated-ip6 - {whole - length} bytes missing!" if length < whole else "")
    elif not payload.length:
        show.put(" [|ip6]")
        return
    transport(show, place.kind, data, place.at, place.left, carrier)


# -- extension headers: each is told, and returns how long it is, or 0 where there is no way on --------------------------


def _hop_by_hop(show: Show, data: bytes, place: _Place, _carrier: Carrier) -> int:
    size = (data[place.at + 1] + 1) * 8
    if place.at + size > len(data):
        raise OptionError
    show.put("HBH ")
    options(show, data, place.at + 2, place.at + size, place.payload)
    return size


def _destination(show: Show, data: bytes, place: _Place, _carrier: Carrier) -> int:
    size = (data[place.at + 1] + 1) * 8
    if place.at + size > len(data):
        raise OptionError
    show.put("DSTOPT ")
    if show.style.verbose:
        options(show, data, place.at + 2, place.at + size, None)
    return size


def _routing(show: Show, data: bytes, place: _Place, carrier: Carrier) -> int:
    """RFC 8200, 4.4; RFC 5095; segments, RFC 8754."""
    if len(data) <= place.at:
        show.put(" [|ip6]")
        return 0
    put, at = show.put, place.at
    put("RT6")
    units = data[at + 1]
    put(f" (len={units}")
    kind = data[at + 2]
    put(f", type={kind}" + (" [Deprecated]" if kind == 0 else ""))
    put(f", segleft={data[at + 3]}")
    if kind == _SEGMENTS:
        put(f", last-entry={data[at + 4]}")
        put(f", flags=0x{data[at + 5]:x}" if data[at + 5] or show.style.verbose else "")
        put(f", tag={struct.unpack_from('>H', data, at + 6)[0]:x}")
    elif kind in (0, 2):
        (reserved,) = struct.unpack_from(">I", data, at + 4)
        put(f", rsv=0x{reserved:x}" if show.style.verbose or reserved else "")
    else:
        put(" (unknown type) (invalid)")
        return 0
    if units % 2:
        put(f" (invalid length {units}) (invalid)")
        return 0
    known = carrier.final
    for number in range(units // 2):
        hop = address_at(data, at + 8 + 16 * number)
        put(f", [{number}]{show.names.host(hop)}")
        if not known and not (kind == _SEGMENTS and number):  # segments are listed from the last to the first
            carrier.final = hop
    put(") ")
    return (units + 1) * 8


def _fragment(show: Show, data: bytes, place: _Place, carrier: Carrier) -> int:
    at = place.at
    name = f"0x{struct.unpack_from('>I', data, at + 4)[0]:08x}:" if show.style.verbose else ""
    offset = struct.unpack_from(">H", data, at + 2)[0] & 0xFFF8
    # Reckoned as tcpdump does, unsigned: of too short a packet it is a very large number.
    carried = place.begin + _SIZE + (data[place.begin + 4] << 8 | data[place.begin + 5]) - at - _FRAGMENT_SIZE & _UNSIGNED
    show.put(f"frag ({name}{offset}|{carried})" + ("" if offset else " "))
    carrier.fragment = True
    # A later piece begins in the middle of whatever it is of.
    return 0 if offset or at + _FRAGMENT_SIZE >= len(data) else _FRAGMENT_SIZE


_EXTENSIONS: Final[Mapping[int, tuple[str, Callable[[Show, bytes, _Place, Carrier], int]]]] = MappingProxyType(
    {
        _HOP_BY_HOP: ("hbhopt", _hop_by_hop),
        43: ("rt6", _routing),
        44: ("frag6", _fragment),
        60: ("dstopt", _destination),
    }
)
