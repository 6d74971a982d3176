"""Link-layer headers: Ethernet and its tags, Linux's cooked ones, the address families of loopback captures; and ARP."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.errors import ParseError
from hythe.view.dump.ethertypes import ETHERTYPES
from hythe.view.layers.model import DATA_LINK, NETWORK
from hythe.view.layers.reader import Next, Reader, Spec, hex4, ipv4_text, mac_text

ETHERTYPE: Final = "ethertype"
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
_LENGTH_MAX: Final = 1_500
_ETHERNET: Final = "IEEE 802.3, 3.2"
_TAG: Final = "IEEE 802.1Q, 9.6"
_ARP: Final = "RFC 826"
_COOKED: Final = "LINKTYPE_LINUX_SLL"
_COOKED2: Final = "LINKTYPE_LINUX_SLL2"


def _station(value: int) -> str:
    if value == (1 << 48) - 1:
        return "all stations (broadcast)"
    first = value >> 40
    return ("a group (multicast)" if first & 1 else "one station") + (", locally administered" if first & 2 else "")


def _carried(value: int) -> str:
    return f"a length: {value} bytes follow" if value <= _LENGTH_MAX else ETHERTYPES.get(value, "not known here")


_FRAME: Final = (
    Spec("Destination", 48, mac_text, _station),
    Spec("Source", 48, mac_text, _station),
    Spec("EtherType", 16, hex4, _carried, "RFC 894"),
)
_VLAN: Final = (
    Spec("Priority Code Point", 3),
    Spec("Drop Eligible Indicator", 1),
    Spec("VLAN Identifier", 12, str, lambda value: "" if value else "none: the tag bears a priority only"),
    Spec("EtherType", 16, hex4, _carried),
)
_WAYS: Final = {0: "to us", 1: "to all", 2: "to a group", 3: "between others", 4: "from us"}
_SLL: Final = (
    Spec("Packet Type", 16, str, _WAYS),
    Spec("ARPHRD Type", 16),
    Spec("Address Length", 16),
    Spec("Source", 48, mac_text),
    Spec("Unused", 16),
    Spec("Protocol Type", 16, hex4, _carried),
)
_SLL2: Final = (
    Spec("Protocol Type", 16, hex4, _carried),
    Spec("Reserved", 16),
    Spec("Interface Index", 32),
    Spec("ARPHRD Type", 16),
    Spec("Packet Type", 8, str, _WAYS),
    Spec("Address Length", 8),
    Spec("Source", 48, mac_text),
    Spec("Unused", 16),
)
_ARP_HEAD: Final = (
    Spec("Hardware Type", 16, str, {1: "Ethernet"}),
    Spec("Protocol Type", 16, hex4, _carried),
    Spec("Hardware Address Length", 8, str, "bytes"),
    Spec("Protocol Address Length", 8, str, "bytes"),
    Spec("Operation", 16, str, {1: "request", 2: "reply", 3: "reverse request", 4: "reverse reply"}),
)
_ARP_ENDS: Final = (
    Spec("Sender Hardware Address", 48, mac_text),
    Spec("Sender Protocol Address", 32, ipv4_text),
    Spec("Target Hardware Address", 48, mac_text, lambda value: "" if value else "not known yet"),
    Spec("Target Protocol Address", 32, ipv4_text),
)
#: AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
_FAMILIES: Final[Mapping[int, int]] = MappingProxyType({2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6})


def ethernet(reader: Reader) -> Next | None:
    """A frame; with a length in place of the type, what follows is LLC, which is not told here."""
    header = reader.begin("Ethernet", DATA_LINK, "Frames", _ETHERNET)
    reader.read(header, _FRAME)
    number = header.value("EtherType")
    if number <= _LENGTH_MAX:
        reader.limit(reader.at + number)
        return None
    return Next(ETHERTYPE, number)


def vlan(reader: Reader) -> Next:
    """A tag."""
    header = reader.begin("802.1Q", DATA_LINK, "", _TAG)
    reader.read(header, _VLAN)
    return Next(ETHERTYPE, header.value("EtherType"))


def cooked(reader: Reader) -> Next:
    """Linux's header for captures of several kinds of interface."""
    header = reader.begin("Linux cooked", DATA_LINK, "Frames", _COOKED)
    reader.read(header, _SLL)
    return Next(ETHERTYPE, header.value("Protocol Type"))


def cooked2(reader: Reader) -> Next:
    """The same, version 2."""
    header = reader.begin("Linux cooked", DATA_LINK, "Frames", _COOKED2)
    reader.read(header, _SLL2)
    return Next(ETHERTYPE, header.value("Protocol Type"))


def loopback(reader: Reader) -> Next:
    """An address family in the byte order of whoever captured: no family is so great that the order could be mistaken."""
    header = reader.begin("Loopback", DATA_LINK, "Frames", "LINKTYPE_NULL")
    family = int.from_bytes(reader.data[:4], "little")
    reader.read(header, (Spec("Address Family", 32, str),))
    if family > 0xFFFF:
        family = header.value("Address Family")
    if family not in _FAMILIES:
        raise ParseError(f"Loopback: address family {family} at byte 0 is neither IPv4 nor IPv6")
    header.explain("Address Family", ETHERTYPES[_FAMILIES[family]])
    return Next(ETHERTYPE, _FAMILIES[family])


def arp(reader: Reader) -> None:
    """Address resolution: of IPv4 addresses on Ethernet, or of anything else without its addresses."""
    header = reader.begin("ARP", NETWORK, "Packets", _ARP)
    reader.read(header, _ARP_HEAD)
    if (header.value("Hardware Address Length"), header.value("Protocol Address Length")) == (6, 4):
        reader.read(header, _ARP_ENDS)
