"""UDP datagrams (RFC 768), and DNS in them."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.dns import dns, is_dns
from hythe.view.dump.show import ENDS, Carrier, Show, should_be

_PORTS: Final = struct.Struct(">HH").unpack_from
_SIZE: Final = 8


def udp(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    """The datagram at `at`, of which the IP header promised `length` bytes."""
    begun = len(show.out)
    try:
        _udp(show, data, at, length, carrier)
    except ENDS:
        if len(show.out) == begun and not carrier.behind:
            show.put(f"{show.names.host(carrier.source)} > {show.names.host(carrier.destination)}: ")
        show.put(" [|udp]")


def _udp(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    put, names = show.put, show.names
    source, destination = _PORTS(data, at)
    if carrier.behind:
        put(f"{names.port(source, 'udp')} > {names.port(destination, 'udp')}: ")
    else:
        put(f"{names.host(carrier.source)}.{names.port(source, 'udp')} > ")
        put(f"{names.host(carrier.destination)}.{names.port(destination, 'udp')}: ")
    if length < _SIZE:
        put(f"truncated-udp {length}")
        return
    size = data[at + 4] << 8 | data[at + 5]
    if size < _SIZE:
        put(f"truncated-udplength {size}")
        return
    room = min(size, length)
    checksum = data[at + 6] << 8 | data[at + 7]
    if not show.style.quick:
        _checksum(show, data, at, room, checksum, carrier)
    if is_dns(source, destination) and not show.style.quick:
        dns(show, data, at + _SIZE, room - _SIZE, multicast=5353 in (source, destination))
        return
    if size > length and not carrier.fragment:
        put(f"UDP, bad length {size - _SIZE} > {length - _SIZE}")
    else:
        put(f"UDP, length {size - _SIZE}")


def _checksum(show: Show, data: bytes, at: int, length: int, found: int, carrier: Carrier) -> None:
    """Of IPv4 only where much is asked for; IPv6 has nothing else that protects its addresses (RFC 8200, 8.1)."""
    wanted = 2 if len(carrier.source) == 4 else 1
    if show.style.verbose < wanted or show.style.unchecked or carrier.fragment:
        return
    if wanted == 2 and not found:
        show.put("[no cksum] ")
    elif at + length <= len(data):
        left = carrier.checks(data, at, length, 17)
        if left:
            show.put(f"[bad udp cksum 0x{found:04x} -> 0x{should_be(found, left):04x}!] ")
        else:
            show.put("[udp sum ok] ")
