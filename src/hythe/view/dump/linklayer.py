"""Link-layer headers: Ethernet with its tags, Linux's cooked ones, the small ones of loopback interfaces.

Each printer shows the header if -e was given, then what it carries, and returns how long the header is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.arp import arp
from hythe.view.dump.ethertypes import ARP, ETHERTYPES, IPV4, IPV6, REVERSE_ARP, VLANS, ethertype_text, mac_text
from hythe.view.dump.show import Show, readable

_ETHERNET_SIZE: Final = 14
_LENGTH_MAX: Final = 1_500
_COOKED_SIZE: Final = 16
_COOKED2_SIZE: Final = 20
_PACKET_TYPES: Final = ("In", "B", "M", "P", "Out")
_TAGS_MAX: Final = 32
#: Address families of the systems that write such captures: AF_INET is 2 everywhere, AF_INET6 is not.
_FAMILIES: Final[Mapping[int, str]] = MappingProxyType({2: "IPv4", 24: "IPv6", 28: "IPv6", 30: "IPv6"})


def _network(show: Show, ethertype: int, data: bytes, at: int, length: int) -> bool:
    """Print the packet of a protocol that is known here."""
    if ethertype == IPV4:
        if length > 0:
            show.four(show, data, at, length)
        else:
            show.left = True
            show.put(" [|ip]")
    elif ethertype == IPV6:
        show.six(show, data, at, length)
    elif ethertype in (ARP, REVERSE_ARP):
        arp(show, data, at, length)
    else:
        return False
    return True


def ethernet(show: Show, data: bytes, length: int) -> int:
    """IEEE 802.3, and 802.1Q tags."""
    put, style = show.put, show.style
    if len(data) < _ETHERNET_SIZE or length < _ETHERNET_SIZE:
        put(" [|ether]")
        return len(data)
    ethertype = data[12] << 8 | data[13]
    if style.link:
        _addresses(show, data, ethertype, length)
    at, told = _ETHERNET_SIZE, style.link
    for _ in range(_TAGS_MAX):
        if ethertype not in VLANS:
            break
        if len(data) < at + 4:
            put(" [|vlan]")
            return len(data)
        if style.link:
            tag = data[at] << 8 | data[at + 1]
            put(f"vlan {tag & 0xFFF}, p {tag >> 13}{', DEI' if tag & 0x1000 else ''}, ")
        ethertype = data[at + 2] << 8 | data[at + 3]
        at += 4
        if ethertype in VLANS and len(data) < at + 4:
            continue  # and there it is said
        if style.link and ethertype > _LENGTH_MAX:
            put(f"{_named(show, ethertype)}, ")
    if not _network(show, ethertype, data, at, length - at):
        _unknown(show, data, at, ethertype, length, told)
    return at


def _addresses(show: Show, data: bytes, ethertype: int, length: int) -> None:
    show.put(f"{mac_text(data[6:12])} > {mac_text(data[0:6])}")
    if ethertype <= _LENGTH_MAX:
        show.put(f", 802.3, length {min(ethertype, length - _ETHERNET_SIZE)}: ")
        return
    if ethertype in VLANS and len(data) < _ETHERNET_SIZE + 4:
        show.put(", ")
        return
    show.put(f", {_named(show, ethertype)}, length {length}: ")


def _named(show: Show, ethertype: int) -> str:
    if show.style.quick:
        return ETHERTYPES.get(ethertype, f"Unknown Ethertype (0x{ethertype:04x})")
    return f"ethertype {ethertype_text(ethertype)} (0x{ethertype:04x})"


def _unknown(show: Show, data: bytes, at: int, ethertype: int, length: int, told: bool) -> None:
    """What nobody here knows is shown with its header and its bytes, whatever was asked for."""
    if not told:
        _addresses(show, data, ethertype, length)
    if not show.style.quick and not show.bytes:
        show.put(readable(data[at:]))


def raw(show: Show, data: bytes, length: int) -> int:
    """IP without a header before it."""
    if not data:
        show.put("[|raw]")
        return 0
    if show.style.link:
        show.put("ip: ")
    _packet(show, data, 0, length)
    return 0


def _packet(show: Show, data: bytes, at: int, length: int) -> None:
    version = data[at] >> 4
    if version == 6:
        show.six(show, data, at, length)
    elif version == 4:
        show.four(show, data, at, length)
    else:
        show.put(f"IP{version} (invalid)")


def loopback(show: Show, data: bytes, length: int) -> int:
    """BSD's, an address family before the packet: in the order of whatever machine captured, or in network order."""
    if len(data) < 4:
        show.put(" [|null]")
        return len(data)
    family = int.from_bytes(data[:4], "little")
    if family > 0xFFFF:
        family = int.from_bytes(data[:4], "big")
    name = _FAMILIES.get(family, "Unknown")
    if show.style.link or name == "Unknown":
        if show.style.quick:
            name = name if name != "Unknown" else f"Unknown AF {family}"
            show.put(f"{name}, length {length}: ")
        else:
            show.put(f"AF {name} ({family}), length {length}: ")
    if name == "IPv4":
        show.four(show, data, 4, length - 4)
    elif name == "IPv6":
        show.six(show, data, 4, length - 4)
    elif not show.style.quick and not show.bytes:
        show.put(readable(data[4:]))
    return 4


def cooked(show: Show, data: bytes, length: int) -> int:
    """LINKTYPE_LINUX_SLL."""
    if len(data) < _COOKED_SIZE:
        show.put(" [|sll]")
        return len(data)
    kind, _, wide, address, ethertype = struct.unpack_from(">HHH8sH", data)
    header = f"{_way(kind):>3} {mac_text(address[:wide]) + ' ' if wide else ''}"
    _cooked(show, data, _COOKED_SIZE, ethertype, length, header)
    return _COOKED_SIZE


def cooked2(show: Show, data: bytes, length: int) -> int:
    """LINKTYPE_LINUX_SLL2, which names the interface as well."""
    if len(data) < _COOKED2_SIZE:
        show.put(" [|sll2]")
        return len(data)
    ethertype, _, index, _, kind, wide, address = struct.unpack_from(">HHIHBB8s", data)
    show.put(f"{show.interface(index):<5} {_way(kind):<3} ")
    header = f"ifindex {index} {mac_text(address[:wide]) + ' ' if wide else ''}"
    _cooked(show, data, _COOKED2_SIZE, ethertype, length, header)
    return _COOKED2_SIZE


def _way(kind: int) -> str:
    return _PACKET_TYPES[kind] if kind < len(_PACKET_TYPES) else "?"


def _cooked(show: Show, data: bytes, at: int, ethertype: int, length: int, header: str) -> None:
    """The header with -e, or where nothing else can be told."""
    quick = show.style.quick
    header += "" if quick else f"ethertype {ethertype_text(ethertype)} (0x{ethertype:04x}), length {length}: "
    if show.style.link:
        show.put(header)
    if not _network(show, ethertype, data, at, length - at):
        show.put("" if show.style.link else header)
        show.put("" if quick or show.bytes else readable(data[at:]))
