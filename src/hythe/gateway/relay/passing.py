"""A packet that one link has received, as another is to send it: nothing but a virtio-net header is made anew."""

from __future__ import annotations

from typing import Final

from hythe.wire import gso
from hythe.wire.packet import (
    DATA_VALID,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    PARTIAL,
    VERIFIED,
    VNET,
    VNET_PLAIN,
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
