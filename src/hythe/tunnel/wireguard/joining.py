"""What comes out of a tunnel joined to super-segments, while it is opened: the packets of one flow that follow each other.

Theory of operation. `wire/gro` joins what waits anyway; here every packet has just been decrypted and costs again what it is
looked at. One `struct` call takes a TCP header apart into what all packets of a super-segment have in common and what
differs; a packet that continues the one before only has its payload copied behind it. The rules are those of
`wire/gro`, and cutting gives the same packets again.

The seal says that the far side of the tunnel sent these bytes, not that the packet was whole when it came there: it may be
a router. Joining drops the checksums of the pieces, so each is verified first (Linux believes them all); a packet that
stays alone keeps its checksum, for the host to look at.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from hythe.wire import ipv4, ipv6
from hythe.wire.checksum import checksum, fold, ones_sum
from hythe.wire.packet import ABSENT, PARTIAL, Packet
from hythe.wire.segment import ACK, CWR, ECE, FIN, PSH
from hythe.wire.segment import HEADER_SIZE as TCP_SIZE
from hythe.wire.segment import PROTOCOL as TCP

#: What packets have in common, but for lengths, identification and checksums: the network header in parts, ports, then the
#: sequence number, acknowledgment and offset, flags, window, urgent pointer.
_TCP4: Final = struct.Struct(">2s4xI2x8s4sI5sB2s2xH")
_TCP6: Final = struct.Struct(">4s2xH32s4sI5sB2s2xH")
_PLAIN4: Final = 0x4000 << 16 | TCP  # may not be fragmented; the TTL stands between
_WORD: Final = struct.Struct(">H")
_FLAGS: Final = ACK | PSH | FIN | ECE
_LAST_ONLY: Final = PSH | FIN
_LONGEST: Final = 65_535


class Joiner:
    """Fills slots of its ring between `begin` and `finish`; `full` once a packet found none: it is the first next time."""

    __slots__ = (
        "_alike",
        "_carried",
        "_end",
        "_flags",
        "_most",
        "_next",
        "_open",
        "_options",
        "_ring",
        "_size",
        "_start",
        "count",
        "full",
        "owner",
    )

    def __init__(self, slots: int) -> None:
        self._ring = [Packet() for _ in range(slots)]
        self._most = slots
        self._carried: bytes | None = None
        self.count = 0
        self.full = False
        #: For whoever fills it: from whom the open packet is.
        self.owner: object = None
        self._open: Packet | None = None
        self._alike: tuple[object, ...] = ()
        self._options = b""
        self._flags = 0
        self._start = 0
        self._next = -1
        self._size = 0
        self._end = 0

    def begin(self, most: int, *, poison: bool = False) -> None:
        """Start anew, for `most` packets: those of the last time are not looked at any more. `poison`: make sure of that."""
        if poison:
            for packet in self._ring[: self.count]:
                packet.poison()
        self.count = 0
        self._most = min(most, len(self._ring))
        self.full = False
        carried, self._carried = self._carried, None
        if carried is not None:
            self.add(carried)

    @property
    def is_open(self) -> bool:
        """May another packet still continue the last?"""
        return self._open is not None

    def finish(self) -> Sequence[Packet]:
        """All packets since `begin`."""
        self.close()
        return self._ring[: self.count]

    def add(self, packet: bytes) -> None:
        """One that continues nothing: it takes a slot. `packet` is as long as its header says."""
        self.close()
        if self.count >= self._most:
            self._carried, self.full = packet, True
            return
        slot = self._ring[self.count]
        self.count += 1
        size = len(packet)
        slot.view[:size] = packet
        slot.length = size
        slot.gso_size = 0
        slot.checksum = ABSENT
        self._look(packet, size, slot)

    def _look(self, packet: bytes, size: int, slot: Packet) -> None:
        """Remember it if others may continue it."""
        version = packet[0]
        if version == 0x45 and packet[9] == TCP and size > ipv4.HEADER_SIZE + TCP_SIZE:
            start, fields = ipv4.HEADER_SIZE, _TCP4.unpack_from(packet)
            if fields[1] & ~0xFF00 != _PLAIN4:
                return
        elif version >> 4 == 6 and packet[6] == TCP and size > ipv6.HEADER_SIZE + TCP_SIZE:
            start, fields = ipv6.HEADER_SIZE, _TCP6.unpack_from(packet)
        else:
            return
        *alike, seq, behind, flags, window, urgent = fields
        data = start + (packet[start + 12] >> 2 & 0x3C)
        if flags & ~(_FLAGS | CWR) or not flags & ACK or urgent or data >= size or data < start + TCP_SIZE:
            return
        if flags & _LAST_ONLY or not _is_whole(packet, start, size):
            return
        self._open = slot
        self._alike = (*alike, behind, window)
        self._options = packet[start + TCP_SIZE : data]
        self._flags = flags
        self._start = start
        self._size = size - data
        self._end = size
        self._next = seq + self._size & 0xFFFFFFFF

    def join(self, packet: bytes, size: int) -> bool:
        """Put `packet[:size]` behind the one before; False if it does not continue that."""
        slot = self._open
        if slot is None:
            return False
        start = self._start
        if size <= start + TCP_SIZE:
            return False
        *alike, seq, behind, flags, window, urgent = (_TCP4 if start == ipv4.HEADER_SIZE else _TCP6).unpack_from(packet)
        if seq != self._next or (*alike, behind, window) != self._alike or urgent:
            return False
        head = start + TCP_SIZE + len(self._options)
        room = size - head
        if (
            not 0 < room <= self._size
            or packet[start + TCP_SIZE : head] != self._options
            or (flags ^ self._flags) & ~(_LAST_ONLY | CWR)
            or flags & CWR
            or self._end + room > _LONGEST
            or not _is_whole(packet, start, size)
        ):
            return False
        end = self._end + room
        slot.view[self._end : end] = packet[head:size]
        self._end = end
        self._next = self._next + room & 0xFFFFFFFF
        self._flags |= flags
        slot.gso_size = self._size
        if room < self._size or flags & _LAST_ONLY:
            self.close()
        return True

    def close(self) -> None:
        """Nothing continues the open packet any more: give it the header of all."""
        slot = self._open
        if slot is None:
            return
        self._open = None
        if not slot.gso_size:
            return
        view, start, end = slot.view, self._start, self._end
        slot.length = end
        slot.checksum = PARTIAL
        view[start + 13] = self._flags
        below = end - start
        if start == ipv4.HEADER_SIZE:
            _WORD.pack_into(view, 2, end)
            _WORD.pack_into(view, 10, 0)
            _WORD.pack_into(view, 10, checksum(view[:start]))
            addresses = view[12:20]
        else:
            _WORD.pack_into(view, 4, below)
            addresses = view[8:40]
        _WORD.pack_into(view, start + 16, fold(int.from_bytes(addresses, "big") + TCP + below))


def _is_whole(packet: bytes, start: int, size: int) -> bool:
    """Is its TCP checksum right? The addresses stand before the header, so that one sum takes both."""
    return ones_sum(packet[12 if start == ipv4.HEADER_SIZE else 8 : size], TCP + size - start) == 0xFFFF
