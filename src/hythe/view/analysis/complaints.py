"""What routers and hosts say by ICMP of the packets of a connection: who, what, of which packet, and whether to believe it.

An error quotes the packet that it is about. One whose quote is of nothing that was on its way may be anybody's invention,
and TCP leaves it unheard (RFC 5927, 4.1). Of those that are true TCP takes the one about length as an order (RFC 1191, 6;
RFC 8201, 5.2), ends an attempt to connect by any other, and takes it as a hint later (RFC 1122, 4.2.3.9; RFC 5461).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hythe.errors import ParseError
from hythe.view.analysis.segments import Captured, network, segment_of
from hythe.wire import icmp, icmpv6
from hythe.wire.pcapng import CapturedPacket
from hythe.wire.quote import Quote

_WORDS4: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (icmp.UNREACHABLE, icmp.NET_UNREACHABLE): "there is no way to the network it was for",
        (icmp.UNREACHABLE, icmp.HOST_UNREACHABLE): "the machine it was for does not answer on the last link",
        (icmp.UNREACHABLE, icmp.PROTOCOL_UNREACHABLE): "the machine it was for does not speak TCP",
        (icmp.UNREACHABLE, icmp.PORT_UNREACHABLE): "the port it was for is closed",
        (icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED): "it was too long for the next link",
        (icmp.UNREACHABLE, icmp.NET_PROHIBITED): "the network it was for is forbidden",
        (icmp.UNREACHABLE, icmp.HOST_PROHIBITED): "the machine it was for is forbidden",
        (icmp.UNREACHABLE, icmp.ADMINISTRATIVELY_PROHIBITED): "a filter forbids it",
        (icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED): "it went round in circles, or too far",
    }
)
_WORDS6: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (icmpv6.UNREACHABLE, icmpv6.NO_ROUTE): "there is no way to the network it was for",
        (icmpv6.UNREACHABLE, icmpv6.ADMINISTRATIVELY_PROHIBITED): "a filter forbids it",
        (icmpv6.UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE): "the machine it was for does not answer on the last link",
        (icmpv6.UNREACHABLE, icmpv6.PORT_UNREACHABLE): "the port it was for is closed",
        (icmpv6.UNREACHABLE, icmpv6.POLICY_FAILED): "a filter forbids it",
        (icmpv6.UNREACHABLE, icmpv6.ROUTE_REJECTED): "the network it was for is forbidden",
        (icmpv6.PACKET_TOO_BIG, 0): "it was too long for the next link",
        (icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT_EXCEEDED): "it went round in circles, or too far",
    }
)
#: About packets that were lost because of it; others (source quench, redirects) stop nothing.
_MATTER4: Final = frozenset({icmp.UNREACHABLE, icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM})


@dataclass(slots=True)
class Complaint:
    """Packet `number` of the capture. `teller`: a packed address. `source`, `destination`: the quoted packet's ends.

    `said`: in words. `mtu`: of the next link, where the packet was too long, 0 else or where its router does not know.
    `place`: of the quoted segment in its way, once its conversation is known; `believed`: was that on its way?
    `about`: the number of the quoted packet, 0 where the capture has none.
    """

    number: int
    time: int
    teller: bytes
    source: bytes
    destination: bytes
    sequence: int | None
    said: str
    code: str
    too_long: bool
    mtu: int
    place: int = 0
    believed: bool = False
    about: int = 0
    way: int = 0


def read(packets: Iterable[CapturedPacket]) -> Iterator[Captured | Complaint]:
    """TCP's segments and what is said of some of them, in the order of the capture. Raises as `segments`."""
    for number, packet in enumerate(packets, start=1):
        segment = segment_of(packet, number)
        if segment is not None:
            yield segment
            continue
        complaint = _complaint(packet, number)
        if complaint is not None:
            yield complaint


def _complaint(packet: CapturedPacket, number: int) -> Complaint | None:
    data = packet.data
    at = network(data, packet.interface.linktype)
    if at < 0 or len(data) < at + 20:
        return None
    try:
        if data[at] >> 4 == 4 and data[at + 9] == icmp.PROTOCOL:
            start = at + (data[at] & 15) * 4
            message: icmp.Message = icmp.parse(data[start:], len(data) - start, verify=False)
            if not isinstance(message, icmp.Error) or message.type not in _MATTER4:
                return None
            too_long = message.type == icmp.UNREACHABLE and message.code == icmp.FRAGMENTATION_NEEDED
            said = _WORDS4.get((message.type, message.code), "it cannot be delivered")
            return _told(packet, number, data[at + 12 : at + 16], message, said, too_long)
        if data[at] >> 4 == 6 and data[at + 6] == icmpv6.PROTOCOL:
            start, teller = at + 40, data[at + 8 : at + 24]
            message = icmpv6.parse(data[start:], len(data) - start, teller, data[at + 24 : at + 40], verify=False)
            if isinstance(message, icmp.Error):
                said = _WORDS6.get((message.type, message.code), "it cannot be delivered")
                return _told(packet, number, teller, message, said, message.type == icmpv6.PACKET_TOO_BIG)
    except (ParseError, IndexError):
        return None  # cut off, or broken
    return None


def _told(
    packet: CapturedPacket, number: int, teller: bytes, message: icmp.Error, said: str, too_long: bool
) -> Complaint | None:
    quote: Quote = message.quote
    if quote.protocol != 6 or quote.ports is None:
        return None
    near, far = (port.to_bytes(2, "big") for port in quote.ports)
    return Complaint(
        number,
        packet.timestamp,
        teller,
        quote.source + near,
        quote.destination + far,
        quote.sequence,
        said,
        f"type {message.type}, code {message.code}",
        too_long,
        message.mtu,
    )
