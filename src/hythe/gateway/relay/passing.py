"""A packet that one link has received, as another is to send it: nothing but a virtio-net header is made anew.

Where it is too long for that, its sender is told so, or it leaves in fragments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hythe.host.control import Control
from hythe.host.fragments import fragment4
from hythe.wire import gso, icmp, icmpv6
from hythe.wire.packet import (
    ABSENT,
    DATA_VALID,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    NEEDS_CSUM,
    PARTIAL,
    VERIFIED,
    VNET,
    VNET_PLAIN,
    VNET_SIZE,
    Packet,
    vnet,
)
from hythe.wire.segment import PROTOCOL as TCP

_VERIFIED: Final = VNET.pack(DATA_VALID, 0, 0, 0, 0, 0)
#: What is no longer than this goes as one piece of bytes: cheaper than two.
_SHORT: Final = 256

#: What `Link.send` is called with.
Outgoing = tuple[bytes, tuple[memoryview, ...]]


def outgoing(packet: Packet) -> Outgoing:
    """What to call `Link.send` with; the payload is a view of the packet. Raises `ParseError` as `gso.Shape` does."""
    view, length, gso_size = packet.view, packet.length, packet.gso_size
    if not gso_size and packet.checksum != PARTIAL:
        link = _VERIFIED if packet.checksum == VERIFIED else VNET_PLAIN
        if length <= _SHORT:
            return link + view[:length], ()
        data = 40 if view[0] >> 4 == 4 else 60
        return link + view[:data], (view[data:length],)
    first = view[0]
    if first == 0x45 and view[9] == TCP and length >= 40:
        data = 20 + (view[32] >> 2 & 0x3C)
        link = vnet(GSO_TCPV4, data, gso_size, 20, 16)
    elif first >> 4 == 6 and view[6] == TCP and length >= 60:
        data = 40 + (view[52] >> 2 & 0x3C)
        link = vnet(GSO_TCPV6, data, gso_size, 40, 16)
    else:
        shape = gso.Shape(view, length)
        data, length = shape.data, shape.end
        if shape.protocol == TCP:
            link = vnet(GSO_TCPV4 if shape.version == 4 else GSO_TCPV6, data, gso_size, shape.start, 16)
        else:
            link = vnet(GSO_UDP_L4, data, gso_size, shape.start, 6)
    if length <= _SHORT:
        return link + view[:length], ()
    return link + view[:data], (view[data:length],)


def longest(packet: Packet) -> int:
    """Bytes of the longest packet of a wire that it stands for. Raises `ParseError`."""
    gso_size = packet.gso_size
    if not gso_size:
        return packet.length
    view = packet.view
    if view[0] == 0x45 and view[9] == TCP:
        return 20 + (view[32] >> 2 & 0x3C) + gso_size
    if view[0] >> 4 == 6 and view[6] == TCP:
        return 40 + (view[52] >> 2 & 0x3C) + gso_size
    shape = gso.Shape(view, packet.length)
    return min(shape.data + gso_size, shape.end)


def turned_back(control: Control, packet: Packet, mtu: int, now: int) -> bool:
    """Tell who sent a packet that it is too long (RFC 1191, 4; RFC 8201, 3); False where it may be fragmented instead."""
    view = packet.view
    if view[0] >> 4 == 6:
        control.report(view[: packet.length], icmpv6.PACKET_TOO_BIG, 0, now, mtu=mtu)
    elif view[6] & 0x40 or packet.gso_size:
        control.report(view[: packet.length], icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, now, mtu=mtu)
    else:
        return False
    return True


def fragments(packet: Packet, mtu: int) -> Iterator[bytes]:
    """What to call `Link.send` with instead, one after another: the fragments of an IPv4 packet, checksum complete."""
    head, payload = outgoing(packet)
    whole = b"".join((head[VNET_SIZE:], *payload))
    complete = gso.complete(whole, len(whole), PARTIAL if head[0] & NEEDS_CSUM else ABSENT)
    for piece in fragment4(complete, mtu):
        yield VNET_PLAIN + piece
