"""Fragments: putting datagrams together, and taking them apart.

Theory of operation. Whoever sends fragments makes us hold memory for what may never come, so everything is bounded. All
datagrams of a host share one budget of bytes, in which each fragment also counts `OVERHEAD` for its bookkeeping: many
small ones cost as much as they cost Python. A datagram that does not fit pushes out the oldest. Each datagram has a
deadline from its first fragment on and a most number of fragments.

A datagram with overlapping fragments is dropped as a whole, since what overlaps is meant to be read in two ways (RFC
5722 for IPv6; Linux does it for IPv4 too). It leaves a tombstone until its deadline, for RFC 8200, 4.5 has fragments
still to come discarded with it. A fragment received twice is no overlap; the network duplicates.

The time to wait is the same for all datagrams of one IP version, so a dictionary in order of arrival is in order of
deadlines too: the oldest is always its first.
RFC 791, 3.2; RFC 815; RFC 1858, 4 (tiny fragments); RFC 8200, 4.5; RFC 6946 (atomic fragments, which RFC 8021 has us
never send); RFC 3168, 5.3 (ECN).
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.units import NEVER
from hythe.wire import ipv4, ipv6
from hythe.wire.checksum import checksum

if TYPE_CHECKING:
    from hythe.config import HostConfig
    from hythe.wire.checksum import Octets

#: Bytes a fragment, and a datagram, count for beyond their data: what the objects that hold them take.
OVERHEAD: Final = 256
#: Fragments of one datagram: 64 KiB in pieces of 128 bytes, smaller than any link carries.
FRAGMENTS_MAX: Final = 512

_WORD: Final = struct.Struct(">H")

# RFC 3168, 5.3 as Linux reads it, over the set of ECN fields seen (bit n for field n: 0 not-ECT, 3 CE): a mix with
# not-ECT is invalid, CE anywhere makes the datagram CE.
_NOT_ECT: Final = 1 << 0
_CE: Final = 1 << 3


class _Datagram:
    """One datagram being put together: `pieces` sorted by their `starts`, `end` known (not -1) from the last one on.

    `head` is the first fragment's headers as received, `fragment` the fragment header in them (IPv6). `dead`: only a
    tombstone. `cost`: what it counts in the budget.
    """

    __slots__ = ("cost", "dead", "deadline", "ecn", "end", "fragment", "head", "pieces", "received", "starts")

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.head: bytes | None = None
        self.fragment: ipv6.Fragment | None = None
        self.starts: list[int] = []
        self.pieces: list[bytes] = []
        self.received = 0
        self.end = -1
        self.ecn = 0
        self.cost = OVERHEAD
        self.dead = False

    def bury(self) -> None:
        """Give the data back and leave a tombstone."""
        self.dead = True
        self.head = None
        self.starts.clear()
        self.pieces.clear()
        self.cost = OVERHEAD

    def insert(self, start: int, data: bytes, more: bool) -> bool:
        """Take one fragment's data; False where the datagram contradicts itself or has too many of them."""
        end = start + len(data)
        index = bisect_left(self.starts, start)
        if index < len(self.starts) and self.starts[index] == start:
            return self.pieces[index] == data and more == (end != self.end)
        if index and self.starts[index - 1] + len(self.pieces[index - 1]) > start:
            return False
        if index < len(self.starts) and (self.starts[index] < end or not more):
            return False
        if 0 <= self.end < end or (self.end >= 0 and not more):
            return False
        if not more:
            self.end = end
        self.starts.insert(index, start)
        self.pieces.insert(index, data)
        self.received += len(data)
        self.cost += len(data) + OVERHEAD
        return len(self.pieces) <= FRAGMENTS_MAX

    @property
    def is_whole(self) -> bool:
        """Since nothing overlaps, as many bytes as the end asks for are all of them."""
        return self.received == self.end


class Reassembler:
    """Puts the datagrams of one host together.

    `failed` counts datagrams given up (contradictions, time, budget); `held` the bytes that count in the budget.
    """

    __slots__ = ("_budget", "_pending4", "_pending6", "_timeout4", "_timeout6", "failed", "held")

    def __init__(self, config: HostConfig) -> None:
        self._budget = config.fragment_memory
        self._timeout4 = config.fragment_timeout4
        self._timeout6 = config.fragment_timeout6
        self._pending4: dict[bytes, _Datagram] = {}
        self._pending6: dict[bytes, _Datagram] = {}
        self.failed = 0
        self.held = 0

    def add(self, view: Octets, length: int, now: int) -> bytes | None:
        """Take the packet `view[:length]`; returns the datagram that it completes, as one packet, else None.

        What comes back bears no fragment header or flags and its transport checksum is nobody's yet (`packet.ABSENT`).
        A packet that is no fragment comes back as it is, an atomic fragment without its fragment header (RFC 6946).
        Raises `ParseError`, and `ipv6.HeaderError` where the sender is to be told.
        """
        if length and view[0] >> 4 == 6:
            return self._add6(view, length, now)
        return self._add4(view, length, now)

    def next_deadline(self) -> int:
        """When `expire` next has something to do; `units.NEVER` if nothing waits."""
        return min(self._oldest(self._pending4), self._oldest(self._pending6))

    def expire(self, now: int) -> list[bytes]:
        """Give up what has waited too long.

        Returns the first fragment of each, as received, where it has arrived: an ICMP "reassembly time exceeded" is due
        about it, and about the others none (RFC 792; RFC 8200, 4.5).
        """
        firsts = []
        for pending in (self._pending4, self._pending6):
            while pending:
                key, datagram = next(iter(pending.items()))
                if datagram.deadline > now:
                    break
                self._forget(pending, key)
                if not datagram.dead:
                    self.failed += 1
                if datagram.head is not None:
                    firsts.append(datagram.head + datagram.pieces[0])
        return firsts

    def _add4(self, view: Octets, length: int, now: int) -> bytes | None:
        header = ipv4.parse(view, length)
        if not header.is_fragment:
            return bytes(view[: header.total_length])
        data = bytes(view[header.header_length : header.total_length])
        if not data:
            raise ParseError("IPv4 fragment carries nothing")
        if header.more_fragments and len(data) % 8:
            raise ParseError(f"IPv4 fragment carries {len(data)} bytes, not a multiple of 8")
        # Source, destination, identification, protocol (RFC 791, 3.2).
        key = b"".join((view[12:20], view[4:6], view[9:10]))
        datagram = self._pending4.get(key)
        if datagram is None:
            datagram = self._pending4[key] = self._open(now + self._timeout4)
        head = bytes(view[: header.header_length])
        if not self._insert(datagram, header.fragment_offset, data, header.more_fragments, head, header.tos):
            return None
        self._forget(self._pending4, key)
        return self._whole(datagram, _join4(datagram))

    def _add6(self, view: Octets, length: int, now: int) -> bytes | None:
        header = ipv6.parse(view, length)
        fragment = header.fragment
        if fragment is None:
            return bytes(view[: header.end])
        head = bytes(view[: fragment.at + ipv6.FRAGMENT_HEADER_SIZE])
        data = bytes(view[len(head) : header.end])
        if fragment.is_atomic:
            return _bare6(head, fragment, data)
        if not data:
            raise ParseError("IPv6 fragment carries nothing")
        if fragment.more and len(data) % 8:
            raise ipv6.HeaderError(f"IPv6 fragment carries {len(data)} bytes, not a multiple of 8", ipv6.ERRONEOUS_FIELD, 4)
        if fragment.at - ipv6.HEADER_SIZE + fragment.offset + len(data) > ipv6.PAYLOAD_MAX:
            raise ipv6.HeaderError("IPv6 fragment ends past the longest packet", ipv6.ERRONEOUS_FIELD, fragment.at + 2)
        # Source, destination, identification (RFC 8200, 4.5).
        key = b"".join((view[8:40], head[-4:]))
        datagram = self._pending6.get(key)
        if datagram is None:
            datagram = self._pending6[key] = self._open(now + self._timeout6)
        if not fragment.offset and datagram.fragment is None:
            datagram.fragment = fragment
        if not self._insert(datagram, fragment.offset, data, fragment.more, head, header.traffic_class):
            return None
        self._forget(self._pending6, key)
        return self._whole(datagram, _join6(datagram))

    def _open(self, deadline: int) -> _Datagram:
        self.held += OVERHEAD
        return _Datagram(deadline)

    def _insert(self, datagram: _Datagram, start: int, data: bytes, more: bool, head: bytes, tos: int) -> bool:
        """Add one fragment and keep to the budget; True where the datagram is whole now."""
        if datagram.dead:
            return False
        before = datagram.cost
        if datagram.insert(start, data, more):
            datagram.ecn |= 1 << (tos & 3)
            if start == 0 and datagram.head is None:
                datagram.head = head
        else:
            datagram.bury()
            self.failed += 1
        self.held += datagram.cost - before
        if datagram.is_whole and not datagram.dead:
            return True
        while self.held > self._budget:
            self._evict()
        return False

    def _whole(self, datagram: _Datagram, packet: bytes | None) -> bytes | None:
        """The finished packet, unless its parts disagree about ECN or it is longer than a packet may be."""
        if packet is None or (datagram.ecn & _NOT_ECT and datagram.ecn != _NOT_ECT):
            self.failed += 1
            return None
        return packet

    def _evict(self) -> None:
        """Drop the datagram that would expire first."""
        if self._oldest(self._pending4) <= self._oldest(self._pending6):
            datagram = self._forget(self._pending4, next(iter(self._pending4)))
        else:
            datagram = self._forget(self._pending6, next(iter(self._pending6)))
        if not datagram.dead:
            self.failed += 1

    def _forget(self, pending: dict[bytes, _Datagram], key: bytes) -> _Datagram:
        datagram = pending.pop(key)
        self.held -= datagram.cost
        return datagram

    @staticmethod
    def _oldest(pending: dict[bytes, _Datagram]) -> int:
        return next(iter(pending.values())).deadline if pending else NEVER


def _join4(datagram: _Datagram) -> bytes | None:
    """The IPv4 packet of a whole datagram; None when its header makes it too long."""
    assert datagram.head is not None
    packet = bytearray(datagram.head)
    total = len(packet) + datagram.end
    if total > ipv4.PACKET_MAX:
        return None
    if datagram.ecn & _CE:
        packet[1] |= 3
    _WORD.pack_into(packet, 2, total)
    packet[6:8] = packet[10:12] = b"\0\0"
    _WORD.pack_into(packet, 10, checksum(packet))
    return b"".join((packet, *datagram.pieces))


def _join6(datagram: _Datagram) -> bytes | None:
    """The IPv6 packet of a whole datagram; None when its headers make it too long."""
    assert datagram.head is not None
    assert datagram.fragment is not None
    if datagram.fragment.at - ipv6.HEADER_SIZE + datagram.end > ipv6.PAYLOAD_MAX:
        return None
    packet = bytearray(_bare6(datagram.head, datagram.fragment, b"".join(datagram.pieces)))
    if datagram.ecn & _CE:
        packet[1] |= 0x30  # the low two bits of the traffic class
    return bytes(packet)


def _bare6(head: bytes, fragment: ipv6.Fragment, data: bytes) -> bytes:
    """The packet without its fragment header: the header before it names what came after it."""
    packet = bytearray(head[: fragment.at])
    packet[fragment.previous] = fragment.next_header
    _WORD.pack_into(packet, 4, fragment.at - ipv6.HEADER_SIZE + len(data))
    packet += data
    return bytes(packet)


def fragment4(packet: Octets, mtu: int) -> list[bytes]:
    """An IPv4 packet as fragments of at most `mtu` bytes; one that fits comes back alone.

    The transport checksum must be complete. Options with the "copied" bit go into every fragment, the others into the
    first (RFC 791, 3.1). Raises ValueError where DF forbids it or `mtu` leaves no room, `ParseError` for no IPv4 packet.
    """
    header = ipv4.parse(packet, len(packet))
    if header.total_length <= mtu:
        return [bytes(packet[: header.total_length])]
    room = mtu - header.header_length & ~7
    if header.dont_fragment or room <= 0:
        raise ValueError(f"an IPv4 packet of {header.total_length} bytes may not be fragmented to {mtu} bytes")
    copied = b"".join(bytes((kind, 2 + len(data))) + data for kind, data in header.options if kind & ipv4.COPIED)
    fragments = []
    for at in range(header.header_length, header.total_length, room):
        data = packet[at : min(at + room, header.total_length)]
        first = at == header.header_length
        head = ipv4.build(
            header.source,
            header.destination,
            header.protocol,
            len(data),
            ttl=header.ttl,
            tos=header.tos,
            identification=header.identification,
            dont_fragment=False,
            more_fragments=header.more_fragments or at + room < header.total_length,
            fragment_offset=header.fragment_offset + at - header.header_length,
            raw_options=header.raw_options if first else copied,
        )
        fragments.append(head + data)
    return fragments


def fragment6(packet: Octets, mtu: int, identification: int) -> list[bytes]:
    """An IPv6 packet as fragments of at most `mtu` bytes; one that fits comes back alone.

    The transport checksum must be complete; `identification` (32 bits) unpredictable (RFC 7739). Headers that routers
    read, up to a routing header, go into every fragment (RFC 8200, 4.5). Raises ValueError for a packet that bears a
    fragment header or where `mtu` leaves no room, `ParseError` for no IPv6 packet.
    """
    header = ipv6.parse(packet, len(packet))
    if header.end <= mtu:
        return [bytes(packet[: header.end])]
    start, named_at = ipv6.HEADER_SIZE, 6
    for kind, at, size in header.extensions:
        if kind in (ipv6.HOP_BY_HOP, ipv6.ROUTING):
            start, named_at = at + size, at
    room = mtu - start - ipv6.FRAGMENT_HEADER_SIZE & ~7
    if header.fragment is not None or room <= 0:
        raise ValueError(f"an IPv6 packet of {header.end} bytes cannot be fragmented to {mtu} bytes")
    head = bytearray(packet[:start])
    next_header = head[named_at]
    head[named_at] = ipv6.FRAGMENT
    fragments = []
    for at in range(start, header.end, room):
        data = packet[at : min(at + room, header.end)]
        _WORD.pack_into(head, 4, start - ipv6.HEADER_SIZE + ipv6.FRAGMENT_HEADER_SIZE + len(data))
        more = at + room < header.end
        fragments.append(b"".join((head, ipv6.build_fragment(next_header, at - start, more, identification), data)))
    return fragments
