"""A packet read header by header, from the link's to the innermost that is known, as far as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hythe.errors import MachineError, ParseError
from hythe.view.layers import fields_dns as dns
from hythe.view.layers import fields_icmp as icmp
from hythe.view.layers import fields_icmp6 as icmp6
from hythe.view.layers import fields_ip as ip
from hythe.view.layers import fields_ip6 as ip6
from hythe.view.layers import fields_link as link
from hythe.view.layers import fields_tcp as tcp
from hythe.view.layers import fields_udp as udp
from hythe.view.layers.model import Dissection
from hythe.view.layers.reader import Next, Reader
from hythe.wire import pcapng

#: Packets within packets that are followed: an honest one has a few headers.
_NESTING_MAX: Final = 32

Step = Callable[[Reader], Next | None]

#: What begins a packet of a link type that has a link-layer header.
_LINKS: Final[Mapping[int, Step]] = MappingProxyType(
    {
        pcapng.LINKTYPE_ETHERNET: link.ethernet,
        pcapng.LINKTYPE_LINUX_SLL: link.cooked,
        pcapng.LINKTYPE_LINUX_SLL2: link.cooked2,
        pcapng.LINKTYPE_NULL: link.loopback,
        pcapng.LINKTYPE_LOOP: link.loopback,
    }
)
#: Those that have none.
_BARE: Final = frozenset({pcapng.LINKTYPE_RAW, pcapng.LINKTYPE_IPV4, pcapng.LINKTYPE_IPV6})
_STEPS: Final[Mapping[Next, Step]] = MappingProxyType(
    {
        Next(link.ETHERTYPE, link.IPV4): ip.ipv4,
        Next(link.ETHERTYPE, link.IPV6): ip6.ipv6,
        Next(link.ETHERTYPE, 0x0806): link.arp,
        **{Next(link.ETHERTYPE, number): link.vlan for number in (0x8100, 0x88A8, 0x9100, 0x9200)},
        Next(ip.IP, 4): ip.ipv4,
        Next(ip.IP, 41): ip6.ipv6,
        Next(ip.IP, ip6.HOP_BY_HOP): ip6.options,
        Next(ip.IP, ip6.DESTINATION): ip6.options,
        Next(ip.IP, ip6.ROUTING): ip6.routing,
        Next(ip.IP, ip6.FRAGMENT): ip6.fragment,
        Next(ip.IP, ip6.AUTHENTICATION): ip6.authentication,
        Next(ip.IP, icmp.PROTOCOL): icmp.icmp,
        Next(ip.IP, icmp6.PROTOCOL): icmp6.icmp6,
        Next(ip.IP, tcp.PROTOCOL): tcp.tcp,
        Next(ip.IP, udp.PROTOCOL): udp.udp,
        Next(tcp.PORT, 53): dns.over_tcp,
        **{Next(udp.PORT, number): dns.dns for number in (53, 5353)},
    }
)
_QUOTED: Final[Mapping[int, Step]] = MappingProxyType({4: ip.ipv4, 6: ip6.ipv6})


def dissect(data: bytes, linktype: int, length: int | None = None) -> Dissection:
    """Read the packet `data`, which had `length` bytes before it was captured, of a LINKTYPE.

    Never raises for what is in the packet: see `Dissection.broken`. `MachineError` for a link type that is not known here.
    """
    reader = Reader(data, len(data) if length is None else length)
    broken, failed = "", False
    try:
        step = _first(data, linktype)
        for _ in range(_NESTING_MAX):
            found = step(reader)
            if found is not None and found.kind == icmp.QUOTED:
                _quoted(reader, _QUOTED[found.number])
                break
            following = _STEPS.get(found) if found is not None else None
            if following is None or reader.at >= reader.claimed:
                break
            step = following
        else:
            broken = f"headers within headers, {_NESTING_MAX} of them: the rest is not read"
    except ParseError as error:
        broken, failed = str(error), True
        reader.at = max(reader.at, reader.end)  # what is behind the break is nobody's payload
    end = max(reader.at, reader.end)
    if reader.claimed > len(data):
        broken = broken or f"the packet is cut off: {len(data)} of {reader.claimed} bytes are there"
    elif reader.short:
        broken = f"{reader.short}; {broken}" if broken else reader.short
    return Dissection(
        data,
        max(len(data), length or 0),
        linktype in _LINKS,
        reader.headers,
        payload_at=reader.at,
        payload_end=end,
        payload_size=0 if failed else max(reader.claimed - reader.at, 0),
        broken=broken,
    )


def _quoted(reader: Reader, step: Step) -> None:
    """Read the headers of a packet that an error quotes, up to its transport's: of that most is missing, as it should be.

    They have no rows of their own, since nobody sent them here; the packet stays the error's payload.
    """
    begin = reader.at
    inner = Reader(reader.data[begin : reader.end], reader.claimed - begin)
    try:
        for _ in range(_NESTING_MAX):
            found = step(inner)
            if found is None or found.kind not in (link.ETHERTYPE, ip.IP) or found not in _STEPS:
                break
            step = _STEPS[found]
    except ParseError:
        pass  # it ends where its sender had to cut it
    for header in inner.headers:
        header.name, header.pdu, header.at = f"Quoted {header.name}", "", header.at + begin
    reader.headers += inner.headers


def _first(data: bytes, linktype: int) -> Step:
    if linktype in _LINKS:
        return _LINKS[linktype]
    if linktype not in _BARE:
        raise MachineError(f"packets of link type {linktype} cannot be shown in layers here")
    if not data:
        raise ParseError("the packet is empty")
    step = _STEPS.get(Next(link.ETHERTYPE, {4: link.IPV4, 6: link.IPV6}.get(data[0] >> 4, 0)))
    if step is None:
        raise ParseError(f"version {data[0] >> 4} at byte 0 is neither IPv4 nor IPv6")
    return step
