"""Explicit congestion notification through a tunnel (RFC 6040), normal mode.

Going in, the outer header gets the inner one's codepoint (4.1). Coming out, congestion that was noted on the way goes into
the inner header, which only a transport that understands it may see: others lose the packet instead (4.2, figure 4).
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.wire.checksum import checksum

MASK: Final = 3
CE: Final = 3
_WORD: Final = struct.Struct(">H")


def codepoint(packet: bytes) -> int:
    """That of an IP packet."""
    return (packet[1] if packet[0] >> 4 == 4 else packet[1] >> 4) & MASK


def combined(packet: bytes, outer: int) -> bytes | None:
    """What comes out of the tunnel when the outer header had `outer`; None for what must not."""
    inner = codepoint(packet)
    if outer == CE and inner != CE:
        return _marked(packet, CE) if inner else None
    if outer == 1 and inner == 2:  # ECT(1) on the way may mean slight congestion (figure 4)
        return _marked(packet, outer)
    return packet


def _marked(packet: bytes, mark: int) -> bytes:
    head = bytearray(packet)
    if packet[0] >> 4 == 4:
        size = (packet[0] & 15) * 4
        head[1] = packet[1] & ~MASK | mark
        head[10:12] = bytes(2)
        _WORD.pack_into(head, 10, checksum(head[:size]))
    else:
        head[1] = packet[1] & ~(MASK << 4) | mark << 4
    return bytes(head)
