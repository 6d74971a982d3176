"""The unit of work: one packet as a link delivers it, up to a 64 KiB super-segment.

A `Packet` is a slot of a link's ring. It is refilled by every receive and never made per packet, so whoever wants its
bytes beyond the current turn copies them with `keep`. With `gso_size` set it stands for several packets of a wire:
the same headers, the payload to be cut every `gso_size` bytes (`hythe.wire.gso`).

Every packet inside hythe is accompanied by the facts of a ``struct virtio_net_hdr`` (10 bytes, host byte order), which
is how the kernel's TUN device tells of segmentation and checksum offload. On the way in the link takes it apart into
`gso_size` and `checksum`; on the way out it leads the header bytes handed to `Link.send`.
Source: linux/virtio_net.h; VIRTIO 1.2, 5.1.6.
"""

from __future__ import annotations

import struct
from typing import Final

#: `Packet.checksum`: the transport checksum is complete and nobody has looked at it yet.
ABSENT: Final = 0
#: Only the pseudo-header's sum is filled in; the device vouches for the bytes and expects the same of us.
PARTIAL: Final = 1
#: Complete, and somebody below has verified it.
VERIFIED: Final = 2

VNET: Final = struct.Struct("=BBHHHH")
VNET_SIZE: Final = VNET.size
#: A vnet header that says nothing: one packet, checksum complete.
VNET_PLAIN: Final = bytes(VNET_SIZE)

NEEDS_CSUM: Final = 1
DATA_VALID: Final = 2
GSO_NONE: Final = 0
GSO_TCPV4: Final = 1
GSO_TCPV6: Final = 4
GSO_UDP_L4: Final = 5
GSO_ECN: Final = 0x80

#: The longest packet a link can carry: an IPv6 super-segment of 40 + 65535 bytes.
PACKET_ROOM: Final = 40 + 65535


def vnet(gso_type: int, header_length: int, gso_size: int, csum_start: int, csum_offset: int) -> bytes:
    """The 10 bytes for a packet whose transport checksum is partial; with `gso_size`, of a super-segment."""
    return VNET.pack(NEEDS_CSUM, gso_type if gso_size else GSO_NONE, header_length, gso_size, csum_start, csum_offset)


class Packet:
    """One slot of a ring: `view[:length]` is an IP packet, its first header byte at 0."""

    __slots__ = ("buffer", "checksum", "gso_size", "length", "view")

    def __init__(self, room: int = PACKET_ROOM) -> None:
        self.buffer = bytearray(room)
        self.view = memoryview(self.buffer)
        self.length = 0
        self.gso_size = 0
        self.checksum = ABSENT

    def fill(self, data: bytes | memoryview, gso_size: int = 0, checksum: int = ABSENT) -> Packet:
        """Copy one packet in, as links without a device of their own do. Returns the slot itself."""
        self.length = len(data)
        self.view[: self.length] = data
        self.gso_size = gso_size
        self.checksum = checksum
        return self

    def keep(self) -> bytes:
        """The packet's bytes, copied, for whoever needs them after this turn."""
        return bytes(self.view[: self.length])

    def poison(self) -> None:
        """Overwrite what was received, so that a view kept by mistake shows itself (debug mode)."""
        self.view[: self.length] = b"\xdb" * self.length
