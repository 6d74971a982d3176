"""Where a packet's network header is, and how its protocol shows, for each link type.

Most have the EtherType at a fixed place. `vlan`, `mpls` and `pppoes` in an expression move both places for all that stands
to their right, as in tcpdump: hence an object that changes while an expression is read from left to right.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.filter.checks import FALSE, TRUE, Arithmetic, Check, Compare, Load, Number, either, equal, every
from hythe.wire import pcapng

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
#: What may stand before a VLAN tag: IEEE 802.1Q, 802.1ad, and what was used before that.
VLAN_TYPES: Final = (0x8100, 0x88A8, 0x9100)
MPLS: Final = 0x8847
PPPOE_DISCOVERY: Final = 0x8863
PPPOE_SESSION: Final = 0x8864
#: What an Ethernet type field says up to here is a length, and an LLC header follows (IEEE 802.3).
LLC_MAX: Final = 1_500
#: LLC addresses: those that both ends of a frame have, and IPX, which comes in several ways.
_PAIRED: Final = frozenset({0x06, 0xF0, 0xFE})
IPX: Final = 0xE0
_IPX_TYPE: Final = 0x8137
_IPX_RAW: Final = 0xFFFF  # no address at all: IPX's own header begins like this
#: EtherTypes that are looked for in SNAP headers as well, with the first two words of these (RFC 1042; AppleTalk's own).
_SNAP: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {0x809B: (0xAAAA0308, 0x0007809B), 0x80F3: (0xAAAA0300, 0x000080F3), _IPX_TYPE: (0xAAAA0300, 0x00008137)}
)
#: What Linux's cooked header has in the place of an EtherType: frames with LLC, and IPX without (linux/if_ether.h).
_COOKED_LLC: Final = 4
_COOKED_RAW: Final = 1
_PPP: Final[Mapping[int, int]] = MappingProxyType(
    {IPV4: 0x21, IPV6: 0x57, 0x6003: 0x27, 0x809B: 0x29, 0x0600: 0x25, 0xFE: 0x23, 0x42: 0x31, IPX: 0x2B}
)

#: What a packet socket sees where it gives packets without a link-layer header: their EtherType and direction are asked of
#: the kernel, by offsets that no packet has (linux/filter.h, SKF_AD_OFF). No link type of a file; for `bpf` alone.
SOCKET: Final = -1
_ANCILLARY: Final = 0xFFFF_F000
#: link type -> (offset of the EtherType, of the network header).
_TYPED: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        pcapng.LINKTYPE_ETHERNET: (12, 14),
        pcapng.LINKTYPE_LINUX_SLL: (14, 16),
        pcapng.LINKTYPE_LINUX_SLL2: (0, 20),
        SOCKET: (_ANCILLARY, 0),
    }
)
#: The same for those without: where an address family stands, or the version of IP.
_UNTYPED: Final[Mapping[int, int]] = MappingProxyType(
    {
        pcapng.LINKTYPE_NULL: 4,
        pcapng.LINKTYPE_LOOP: 4,
        pcapng.LINKTYPE_RAW: 0,
        pcapng.LINKTYPE_IPV4: 0,
        pcapng.LINKTYPE_IPV6: 0,
    }
)
#: Where SLL and SLL2 say which way a packet went: (size, offset), and the value that means out.
_DIRECTIONS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {pcapng.LINKTYPE_LINUX_SLL: (2, 0), pcapng.LINKTYPE_LINUX_SLL2: (1, 10), SOCKET: (4, _ANCILLARY + 4)}
)
_OUTGOING: Final = 4
_LINKS_WITH_LLC: Final = frozenset({pcapng.LINKTYPE_ETHERNET, pcapng.LINKTYPE_LINUX_SLL})
_LLC_SIZE: Final = 3
#: AF_INET6 of the systems that write such captures: Darwin; NetBSD and OpenBSD; FreeBSD.
_INET6: Final = (30, 24, 28)

LINKTYPES: Final = frozenset((*_TYPED, *_UNTYPED)) - {SOCKET}


class Layer:
    """The link layer of packets of one type, as far as an expression has been read.

    `order`: byte order of the machine that captured, as `struct` writes it, for what NULL stores in it.
    """

    __slots__ = ("_inner", "_order", "_type_at", "linktype", "network")

    def __init__(self, linktype: int, order: str = "<") -> None:
        self.linktype = linktype
        self._order = order
        self._inner = ""
        self._type_at, self.network = _TYPED.get(linktype) or (-1, _UNTYPED[linktype])

    @property
    def has_header(self) -> bool:
        """Does the packet begin with its link-layer header, and is its length that of both?"""
        return self.linktype != SOCKET

    @property
    def is_ethernet(self) -> bool:
        """Are there MAC addresses and an EtherType, and may tags stand before it?"""
        return self.linktype == pcapng.LINKTYPE_ETHERNET

    def carries(self, ethertype: int) -> Check:
        """Is this the protocol of the network layer?"""
        if self._inner == "mpls":
            # Nothing says what is below the last label but its own first bits.
            last = equal(Arithmetic("&", Load(1, self.network - 2), Number(1)), 1)
            return every(last, self._version(ethertype))
        if self._inner == "ppp":
            return equal(Load(2, self.network - 2), _PPP.get(ethertype, ethertype))
        if self._type_at >= 0:
            if self.linktype in _LINKS_WITH_LLC:
                return self._typed(ethertype)
            return equal(Load(2, self._type_at), ethertype)
        if self.linktype in (pcapng.LINKTYPE_NULL, pcapng.LINKTYPE_LOOP):
            return self._family(ethertype)
        if self.linktype == pcapng.LINKTYPE_RAW:
            return self._version(ethertype)
        return TRUE if ethertype == (IPV4 if self.linktype == pcapng.LINKTYPE_IPV4 else IPV6) else FALSE

    def _typed(self, ethertype: int) -> Check:
        """By the type, or by what stands in an LLC header."""
        found = Load(2, self._type_at)
        if self.is_ethernet:
            llc: Check = Compare("<=", found, Number(LLC_MAX))
            unmarked = every(llc, equal(Load(2, self.network), _IPX_RAW))
        else:
            llc = equal(found, _COOKED_LLC)
            unmarked = equal(found, _COOKED_RAW)
        if ethertype in _PAIRED:
            return every(llc, equal(Load(2, self.network), ethertype << 8 | ethertype))
        if ethertype == IPX:
            addressed = every(llc, either(self._snap(_IPX_TYPE), equal(Load(1, self.network), IPX)))
            return either(equal(found, _IPX_TYPE), addressed, unmarked)
        if ethertype <= LLC_MAX:
            return every(llc, equal(Load(1, self.network), ethertype))
        typed = equal(found, ethertype)
        # IPX's own type, asked for as a number, is a type and nothing more.
        return either(typed, every(llc, self._snap(ethertype))) if ethertype in _SNAP and ethertype != _IPX_TYPE else typed

    def _snap(self, ethertype: int) -> Check:
        first, second = _SNAP[ethertype]
        return every(equal(Load(4, self.network + 4), second), equal(Load(4, self.network), first))

    def osi(self, at: int, number: int) -> Check:
        """A byte of OSI's network layer, which stands behind an LLC header."""
        return equal(Load(1, self.network + at + (_LLC_SIZE if self.is_ethernet else 0)), number)

    def arrived(self, interface: int) -> Check | None:
        """Through which interface did the packet come? None where packets do not say."""
        return equal(Load(4, 4), interface) if self.linktype == pcapng.LINKTYPE_LINUX_SLL2 else None

    def _version(self, ethertype: int) -> Check:
        if ethertype not in (IPV4, IPV6):
            return FALSE
        return equal(Arithmetic("&", Load(1, self.network), Number(0xF0)), 0x40 if ethertype == IPV4 else 0x60)

    def _family(self, ethertype: int) -> Check:
        """Of the system that captured; AF_INET is 2 on all of them."""
        if ethertype not in (IPV4, IPV6):
            return FALSE
        swapped = self.linktype == pcapng.LINKTYPE_NULL and self._order == "<"
        families = (2,) if ethertype == IPV4 else _INET6
        return either(*(equal(Load(4, 0), family << 24 if swapped else family) for family in families))

    def tag(self, identifier: int | None) -> Check:
        """A VLAN tag, of this identifier; what comes later is behind it."""
        found = either(*(self.carries(each) for each in VLAN_TYPES))
        if identifier is not None:
            found = every(found, equal(Arithmetic("&", Load(2, self.network), Number(0xFFF)), identifier))
        self._type_at += 4
        self.network += 4
        return found

    def label(self, value: int | None) -> Check:
        """An MPLS label, on the bottom of the stack or not; what comes later is behind it."""
        if self._inner == "mpls":
            more = equal(Arithmetic("&", Load(1, self.network - 2), Number(1)), 0)
        else:
            more = self.carries(MPLS)
        if value is not None:
            more = every(more, equal(Arithmetic("&", Load(4, self.network), Number(0xFFFFF000)), value << 12))
        self._inner = "mpls"
        self.network += 4
        return more

    def session(self, identifier: int | None) -> Check:
        """A PPPoE session; what comes later is in its PPP frame."""
        found = self.carries(PPPOE_SESSION)
        if identifier is not None:
            found = every(found, equal(Arithmetic("&", Load(4, self.network), Number(0xFFFF)), identifier))
        self._inner = "ppp"
        self.network += 8
        return found

    def outgoing(self) -> Check | None:
        """Did the packet leave the machine that captured it? None where packets do not say."""
        where = _DIRECTIONS.get(self.linktype)
        return equal(Load(*where), _OUTGOING) if where else None
