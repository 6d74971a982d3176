"""What the writer knows of each flow, to say it in comments: whose it is, what was sent again and why.

Whose it is `owners` tells, at the first packet if it can.

What hythe sends again it has announced, with the reason (`announce`). The command's kernel gives no reasons, but the file
shows what it sends before anything can happen to it, so bytes that come again were sent again.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.gateway.capture import ring
from hythe.gateway.capture.owners import Owners, Pair
from hythe.wire.segment import ACK, FIN, SYN, split_key

#: Flows remembered, and announcements of each.
_FLOWS: Final = 65_536
_ANNOUNCED: Final = 64

_TCP: Final = 6
_UDP: Final = 17
_TCP_SIZE: Final = 20
_UDP_SIZE: Final = 8
_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1
_PORTS: Final = struct.Struct(">HH")
_SEQUENCE: Final = struct.Struct(">I")
#: Of an announcement: sequence numbers from and to, the earliest time, the length of the key that follows; then the reason.
_ANNOUNCEMENT: Final = struct.Struct("=IIQB")


class Segment:
    """What matters here of a packet's TCP: `text` is where its payload begins, `size` is in sequence space."""

    __slots__ = ("flags", "seq", "size", "text")

    def __init__(self, packet: bytes | memoryview, start: int) -> None:
        self.seq = _SEQUENCE.unpack_from(packet, start + 4)[0]
        self.text = start + (packet[start + 12] >> 2 & 0x3C)
        self.flags = packet[start + 13]
        self.size = max(0, len(packet) - self.text) + bool(self.flags & SYN) + bool(self.flags & FIN)


class Flow:
    """One socket pair. `segment`: of the packet that is being written; None where it is not TCP."""

    __slots__ = ("announced", "began", "highest", "inode", "key", "owned", "random", "segment")

    def __init__(self, key: Pair) -> None:
        self.key = key
        self.inode = 0  # of its socket
        self.owned = False  # whose it is was told, or cannot be
        self.segment: Segment | None = None
        self.began = -1  # sequence number of the SYN that opened it
        self.highest = -1  # the command's snd_nxt, as far as it was seen
        self.announced: list[tuple[int, int, int, str]] = []
        self.random = b""  # of a TLS ClientHello


class Flows:
    """`owners`: whom to ask whose they are."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._flows: dict[Pair, Flow] = {}

    def of(self, packet: memoryview, kind: int) -> Flow | None:
        """The flow of a packet; None for what has no ports."""
        place = _transport(packet)
        if place is None:
            return None
        protocol, start, source, destination = place
        from_port, to_port = _PORTS.unpack_from(packet, start)
        if kind == ring.FROM_COMMAND:
            key = protocol, source, from_port, destination, to_port
        else:
            key = protocol, destination, to_port, source, from_port
        segment = Segment(packet, start) if protocol == _TCP else None
        flow = self._flows.get(key)
        opens = segment is not None and segment.flags & (SYN | ACK) == SYN
        if flow is None or (opens and segment is not None and segment.seq != flow.began):
            if len(self._flows) >= _FLOWS:
                del self._flows[next(iter(self._flows))]
            flow = self._flows[key] = Flow(key)
            if opens and segment is not None:
                flow.began = segment.seq
            flow.inode = self._owners.inode(key)
            flow.owned = not flow.inode
        flow.segment = segment
        return flow

    # --- Whose it is

    def owner(self, flow: Flow, *, hurried: bool) -> str:
        """The process of a flow, as ``curl[1234]``: once, as soon as it can be told. `hurried`: as in `Owners.process`."""
        if flow.owned:
            return ""
        found = self._owners.process(flow.inode, hurried=hurried)
        flow.owned = found is not None
        return found or ""

    # --- What was sent again

    def announce(self, body: memoryview) -> None:
        """Something is being sent again to the command."""
        start, end, earliest, size = _ANNOUNCEMENT.unpack_from(body)
        at = _ANNOUNCEMENT.size
        flow = self._flows.get((_TCP, *split_key(bytes(body[at : at + size]))))
        if flow is not None:
            flow.announced.append((start, end, earliest, str(body[at + size :], "utf-8")))
            del flow.announced[:-_ANNOUNCED]

    def again(self, flow: Flow, kind: int, now: int) -> list[tuple[int, int, str]]:
        """What of a packet was sent before: (first byte, end, why), counted from the start of its payload."""
        segment = flow.segment
        if segment is None or not segment.size:
            return []
        if kind == ring.TO_COMMAND:
            return self._told(flow, segment, now) if flow.announced else []
        new = flow.highest - segment.seq & _MASK  # bytes before the first new one
        if flow.highest >= 0 and 0 < new < _HALF:
            if new < segment.size:
                flow.highest = segment.seq + segment.size & _MASK
            return [(0, min(new, segment.size), "sent again by the command's kernel")]
        flow.highest = segment.seq + segment.size & _MASK
        return []

    def _told(self, flow: Flow, segment: Segment, now: int) -> list[tuple[int, int, str]]:
        found, left = [], []
        for each in flow.announced:
            start, end, earliest, why = each
            first = _signed(start - segment.seq)
            size = end - start & _MASK
            if now >= earliest and first < segment.size and first + size > 0:
                found.append((max(0, first), min(first + size, segment.size), why))
                if first + size > segment.size:
                    left.append((segment.seq + segment.size & _MASK, end, earliest, why))
            else:
                left.append(each)
        flow.announced = left
        return found


def announcement(key: bytes, start: int, end: int, earliest: int, why: str) -> bytes:
    """What `Flows.announce` reads: `[start, end)` of connection `key` is sent again, and arrives at `earliest`."""
    return _ANNOUNCEMENT.pack(start & _MASK, end & _MASK, earliest, len(key)) + key + why.encode()


def _signed(difference: int) -> int:
    return (difference + _HALF & _MASK) - _HALF


def _transport(packet: memoryview) -> tuple[int, int, bytes, bytes] | None:
    """(protocol, where its header begins, source, destination) of whole TCP and UDP packets."""
    size = len(packet)
    version = packet[0] >> 4 if size else 0
    if version == 4 and size >= 20 and not (packet[6] & 0x3F or packet[7]):
        protocol, start, source, destination = packet[9], packet[0] << 2 & 0x3C, packet[12:16], packet[16:20]
    elif version == 6 and size >= 40:
        protocol, start, source, destination = packet[6], 40, packet[8:24], packet[24:40]
    else:
        return None
    least = {_TCP: _TCP_SIZE, _UDP: _UDP_SIZE}.get(protocol)
    if least is None or size < start + least:
        return None
    return protocol, start, bytes(source), bytes(destination)
