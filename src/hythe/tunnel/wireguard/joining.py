"""What comes out of a tunnel joined to super-segments, while it is opened: the packets of one flow that follow each other.

Theory of operation. `wire/gro` joins what waits anyway; here every packet has just been decrypted and costs again what it is
looked at. So its headers are read once, as a number: under a mask that leaves out what differs (lengths, identification,
checksums, PSH and FIN) they must be those of the packet before, the sequence number moved on. The rules are those of
`wire/gro`, and cutting gives the same packets again.

The seal says that the far side of the tunnel sent these bytes, not that a packet was whole when it came there: it may be a
router. Joining drops the checksums of the pieces, so they are verified before (Linux believes them all), at a third of the
cost, together: the sum of all words of a packet leaves the same remainder modulo 0xFFFF for every packet of the flow whose
checksums are right, but for its length, which the pseudo-header of IPv4 adds. (An IPv4 header sums to nothing, and what else
the pseudo-header has, all packets have.) So the sum over a whole super-segment tells. If it is wrong, its packets are
given one by one as they came, for the host to look at, as is every packet that stays alone.
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

_WORD: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")
_DF: Final = 0x4000
_FLAGS: Final = ACK | PSH | FIN | ECE
_LAST_ONLY: Final = PSH | FIN
_LONGEST: Final = 65_535
#: What may differ: length, identification and checksum of IPv4, the length of IPv6; PSH and FIN, and TCP's checksum.
_MASK4: Final = b"\xff\xff" + bytes(4) + b"\xff" * 4 + bytes(2) + b"\xff" * 8
_MASK6: Final = b"\xff" * 4 + bytes(2) + b"\xff" * 34
_MASK_TCP: Final = b"\xff" * 13 + bytes([0xFF & ~_LAST_ONLY]) + b"\xff" * 2 + bytes(2) + b"\xff" * 2
#: Every length of a header, and its mask as a number.
_MASKS: Final = {
    len(network) + TCP_SIZE + options: int.from_bytes(network + _MASK_TCP + b"\xff" * options, "big")
    for network in (_MASK4, _MASK6)
    for options in range(0, 44, 4)
}


class Joiner:
    """Fills slots of its ring between `begin` and `finish`; `full` once packets found none: they are the first next time."""

    __slots__ = (
        "_carried",
        "_end",
        "_expected",
        "_flags",
        "_head",
        "_headers",
        "_mask",
        "_most",
        "_open",
        "_pieces",
        "_ring",
        "_seq",
        "_size",
        "_start",
        "_step",
        "count",
        "full",
        "owner",
    )

    def __init__(self, slots: int) -> None:
        self._ring = [Packet() for _ in range(slots)]
        self._most = slots
        self._carried: list[bytes] = []
        self.count = 0
        self.full = False
        #: For whoever fills it: from whom the open packet is.
        self.owner: object = None
        self._open: Packet | None = None
        #: Of the open packet: its headers under the mask as the next must have them, with that unit of its sequence number.
        self._expected = 0
        self._mask = 0
        self._step = 0
        self._seq = 0
        #: Where its transport header and its payload begin, how much a piece has, what there is by now.
        self._start = 0
        self._head = 0
        self._size = 0
        self._end = 0
        self._flags = 0
        #: What it was joined of; the headers behind the first, summed.
        self._pieces: list[bytes] = []
        self._headers = 0

    def begin(self, most: int, *, poison: bool = False) -> None:
        """Start anew, for `most` packets: those of the last time are not looked at any more. `poison`: make sure of that."""
        if poison:
            for packet in self._ring[: self.count]:
                packet.poison()
        self.count = 0
        self._most = min(most, len(self._ring))
        self.full = False
        carried, self._carried = self._carried, []
        for each in carried:
            self.add(each)

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
            self._carry(packet)
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
        if size > ipv4.HEADER_SIZE + TCP_SIZE and version == 0x45 and packet[9] == TCP:
            start = ipv4.HEADER_SIZE
            if _WORD.unpack_from(packet, 6)[0] != _DF:
                return
        elif size > ipv6.HEADER_SIZE + TCP_SIZE and version >> 4 == 6 and packet[6] == TCP:
            start = ipv6.HEADER_SIZE
        else:
            return
        head = start + (packet[start + 12] >> 2 & 0x3C)
        flags = packet[start + 13]
        # PSH and FIN end a super-segment; what is urgent counts from its own sequence number.
        if flags & ~(_FLAGS | CWR) or flags & (ACK | _LAST_ONLY) != ACK or head >= size or head < start + TCP_SIZE:
            return
        if packet[start + 18 : start + TCP_SIZE] != b"\0\0":
            return
        room = size - head
        self._mask = _MASKS[head]
        self._step = 1 << 8 * (head - start - 8)
        self._seq = _LONG.unpack_from(packet, start + 4)[0]
        self._expected = int.from_bytes(packet[:head], "big") & self._mask & ~(CWR << 8 * (head - start - 14))
        self._move(room)
        self._open = slot
        self._head, self._start = head, start
        self._flags = flags
        self._size = room
        self._end = size
        self._pieces = [packet]
        self._headers = 0

    def _move(self, room: int) -> None:
        """The sequence number of what may follow is `room` further on, and may wrap."""
        self._seq += room
        self._expected += room * self._step
        if self._seq > 0xFFFFFFFF:
            self._seq -= 1 << 32
            self._expected -= self._step << 32

    def join(self, packet: bytes, size: int) -> bool:
        """Put `packet[:size]` behind the one before; False if it does not continue that."""
        slot = self._open
        if slot is None:
            return False
        head = self._head
        room = size - head
        if not 0 < room <= self._size:
            return False
        headers = int.from_bytes(packet[:head], "big")
        end = self._end + room
        if headers & self._mask != self._expected or end > _LONGEST:
            return False
        if len(packet) > size:
            packet = packet[:size]
        if self._size & 1 and not _is_whole(packet, self._start, size):
            return False  # behind an odd number of bytes words do not add up
        slot.view[self._end : end] = packet[head:]
        self._end = end
        self._headers += headers
        self._pieces.append(packet)
        flags = packet[self._start + 13]
        self._flags |= flags
        if room < self._size or flags & _LAST_ONLY:
            self.close()
        else:
            self._move(room)
        return True

    def close(self) -> None:
        """Nothing continues the open packet any more: give it the header of all."""
        slot = self._open
        if slot is None:
            return
        self._open = None
        pieces = len(self._pieces)
        if pieces == 1:
            return
        if not self._are_whole(slot):
            self._separate()
            return
        view, start, end = slot.view, self._start, self._end
        slot.length = end
        slot.gso_size = self._size
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

    def _are_whole(self, slot: Packet) -> bool:
        """Is the first packet whole, and do all others leave its remainder?"""
        packet, others, start = self._pieces[0], len(self._pieces) - 1, self._start
        first = len(packet)
        if not _is_whole(packet, start, first):
            return False
        if self._size & 1:
            return True  # `join` has looked at each
        total, remainder = ones_sum(slot.view[first : self._end], self._headers), ones_sum(packet)
        if start == ipv4.HEADER_SIZE:
            total += others * (self._head - start) + self._end - first
            remainder += first - start
        return (total - others * remainder) % 0xFFFF == 0

    def _separate(self) -> None:
        """One of the pieces is broken: the first has the slot still, the others follow as they find room."""
        for packet in self._pieces[1:]:
            if self.count < self._most and not self._carried:
                slot = self._ring[self.count].fill(packet)
                self.count += 1
                slot.checksum = ABSENT
            else:
                self._carry(packet)

    def _carry(self, packet: bytes) -> None:
        self._carried.append(packet)
        self.full = True


def _is_whole(packet: bytes, start: int, size: int) -> bool:
    """Are its checksums right? The addresses stand before the TCP header, so that one sum takes both."""
    if start == ipv4.HEADER_SIZE and ones_sum(packet[:start]) != 0xFFFF:
        return False
    return ones_sum(packet[12 if start == ipv4.HEADER_SIZE else 8 : size], TCP + size - start) == 0xFFFF
