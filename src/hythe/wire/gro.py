"""Super-segments that need not be cut, and the packets of a wire joined to super-segments again.

Theory of operation. Whoever looks at the packets of a wire one by one, but passes most of them on, would cut every
super-segment only to have the next in line work packet by packet. A `Load` is a packet or a super-segment whose pieces are
counted but not cut; a `Run` is some consecutive pieces of it; and runs that follow each other in one TCP flow leave as one
super-segment again, which Linux calls GRO (net/ipv4/tcp_offload.c): same headers, sequence numbers without a gap, every
piece but the last of one size, CWR on the first only, PSH and FIN on the last only. Cut again (`wire/gso`) it gives the
same packets, bit by bit, but for the identification of IPv4 packets that may not be fragmented: it means nothing (RFC 6864,
4.1).

A packet for whose checksum nobody vouches stays alone and as it is. The others may leave with a partial one, for the device
or the host to finish or to believe.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from hythe.errors import ParseError
from hythe.wire import gso, ipv6
from hythe.wire.checksum import Octets, checksum, fold
from hythe.wire.packet import ABSENT, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, PARTIAL, VERIFIED, VNET_PLAIN, Packet, vnet
from hythe.wire.segment import ACK, CWR, FIN, PSH, RST, SYN, URG
from hythe.wire.segment import PROTOCOL as TCP

#: The longest packet there can be: 16 bits of total length (RFC 791, 3.1), or of payload length (RFC 8200, 3).
_LONGEST: Final = 65_535
_DF: Final = 0x40
_WORD: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")
_LAST_ONLY: Final = FIN | PSH


class Load:
    """One packet, or a super-segment of `count` pieces. `data`: its bytes; `state`: of its checksum, as in `Packet`.

    `frame`: the header of the Ethernet frame around it, empty where there is none. `size`: bytes of the first piece as a
    packet of a wire. Raises `ParseError` for what needs to be cut or finished and cannot be.
    """

    __slots__ = ("_alike", "_cut", "_shape", "count", "data", "flags", "frame", "gso_size", "seq", "size", "state")

    def __init__(self, data: bytes, gso_size: int = 0, state: int = ABSENT, frame: bytes = b"") -> None:
        self.data = data
        self.frame = frame
        self.gso_size = 0
        self.state = PARTIAL if gso_size else state
        self.count = 1
        self.size = len(data)
        self.seq = 0
        self.flags = 0
        self._alike: bytes | None = None
        self._cut: list[bytes] | None = None
        self._shape: gso.Shape | None = None
        if self.state == PARTIAL:
            shape = self.shape
            self.size = shape.end
            if shape.end < len(data):
                self.data = data[: shape.end]
            if gso_size and shape.end > shape.data + gso_size:
                self.gso_size = gso_size
                self.count = -((shape.data - shape.end) // gso_size)
                self.size = shape.data + gso_size

    @property
    def shape(self) -> gso.Shape:
        """Where things are. Raises `ParseError`."""
        if self._shape is None:
            self._shape = gso.Shape(self.data, len(self.data))
        return self._shape

    @property
    def alike(self) -> bytes:
        """What all packets of a super-segment have in common, flags left out; empty where this can be joined to none."""
        if self._alike is None:
            self._alike = b"" if self.state == ABSENT else self._read()
        return self._alike

    def _read(self) -> bytes:
        try:
            data, shape = self.data, self.shape
        except ParseError:
            return b""
        start, at = shape.start, shape.data
        plain = data[0] == 0x45 and data[6] == _DF if shape.version == 4 else start == ipv6.HEADER_SIZE
        if not plain or shape.protocol != TCP or at == shape.end:
            return b""
        self.seq = _LONG.unpack_from(data, start + 4)[0]
        self.flags = data[start + 13]
        if self.flags & (ACK | SYN | RST | URG) != ACK:
            return b""
        # What stands between are lengths, identification and checksums.
        network = (data[:2], data[6:10], data[12:start]) if shape.version == 4 else (data[:4], data[6:start])
        before, behind = data[start : start + 4] + data[start + 8 : start + 13], data[start + 14 : start + 16]
        return b"".join((self.frame, *network, before, behind, data[start + 18 : at]))

    def length(self, index: int) -> int:
        """Bytes of that piece as a packet of a wire."""
        return self.size if index + 1 < self.count or self.count == 1 else self.shape.end - index * self.gso_size

    def piece(self, index: int) -> bytes:
        """That piece as a packet of a wire, every checksum complete."""
        if self._cut is None:
            self._cut = gso.cut(self.data, len(self.data), self.gso_size, self.state)
        return self._cut[index]


def load(view: Octets, length: int, gso_size: int, state: int, frame: bytes = b"") -> list[Load]:
    """What the packet or super-segment `view[:length]` is to be looked at as: nearly always one load.

    What nobody can finish passes as it is, and whoever gets it will drop it. An urgent pointer counts from each piece's own
    sequence number, so that these are cut.
    """
    data = bytes(view[:length])
    try:
        found = Load(data, gso_size, state, frame)
        if found.count > 1 and found.shape.protocol == TCP and data[found.shape.start + 13] & URG:
            return [Load(piece, 0, VERIFIED, frame) for piece in gso.cut(data, length, gso_size, state)]
    except ParseError:
        return [Load(data, 0, ABSENT, frame)]
    return [found]


class Run:
    """The pieces from `first` to before `stop` of a load."""

    __slots__ = ("first", "load", "stop")

    def __init__(self, load: Load, first: int, stop: int) -> None:
        self.load = load
        self.first = first
        self.stop = stop

    @property
    def payload(self) -> memoryview:
        """The bytes behind the transport header."""
        load = self.load
        start, end = load.shape.data, load.shape.end
        if load.count > 1:
            start, end = start + self.first * load.gso_size, min(start + self.stop * load.gso_size, end)
        return memoryview(load.data)[start:end]

    @property
    def seq(self) -> int:
        """The sequence number of its first byte."""
        return self.load.seq + self.first * self.load.gso_size & 0xFFFFFFFF

    @property
    def flags(self) -> int:
        """Of TCP: those that its packets have between them."""
        flags = self.load.flags
        if self.first:
            flags &= ~CWR
        return flags if self.stop == self.load.count else flags & ~_LAST_ONLY


class Joined:
    """Runs that leave as one packet or super-segment. `gso_size`, `state`, `frame`: as those of a load."""

    __slots__ = ("_end", "_next", "_runs", "gso_size")

    def __init__(self, run: Run) -> None:
        self._runs = [run]
        #: Payload bytes of each piece but the last.
        self.gso_size = run.load.gso_size
        #: The sequence number that may follow, -1 for none, and where the packet ends by now; 0 before anybody asked.
        self._next = 0
        self._end = 0

    def add(self, run: Run) -> bool:
        """Put `run` behind; False where the two would not come apart again as they were."""
        load, last = run.load, self._runs[-1]
        if not load.alike or load.alike != last.load.alike:
            return False
        if not self._end:
            self._measure(last)
        size = len(run.payload)
        pieces = run.stop - run.first
        if (
            run.seq != self._next
            or self._end + size > _LONGEST
            or (size > self.gso_size if pieces == 1 else load.gso_size != self.gso_size)
            or (run.flags ^ last.flags) & ~(_LAST_ONLY | CWR)
            or run.flags & CWR
        ):
            return False
        self._runs.append(run)
        self._end += size
        self._close(run, size)
        return True

    def _measure(self, run: Run) -> None:
        size = len(run.payload)
        if run.stop - run.first == 1:
            self.gso_size = size
        self._end = run.load.shape.data + size
        self._close(run, size)

    def _close(self, run: Run, size: int) -> None:
        """What may follow `run`: nothing after a short piece, PSH or FIN."""
        over = size % self.gso_size or run.flags & _LAST_ONLY
        self._next = -1 if over else run.seq + size & 0xFFFFFFFF

    @property
    def frame(self) -> bytes:
        """The header of the frame."""
        return self._runs[0].load.frame

    def build(self) -> tuple[int, int, bytes, list[memoryview]]:
        """It as (gso_size, state of the checksum, headers, payload in parts)."""
        runs = self._runs
        run = runs[0]
        load = run.load
        if len(runs) == 1 and run.stop - run.first == load.count:
            return load.gso_size, load.state, load.data, []
        parts = [each.payload for each in runs]
        size = sum(map(len, parts))
        return self.gso_size if size > self.gso_size else 0, PARTIAL, _head(runs, size), parts

    def fill(self, slot: Packet) -> None:
        """Give it to a host: put it into a slot of its link's ring."""
        gso_size, state, head, parts = self.build()
        slot.fill(b"".join((head, *parts)) if parts else head, gso_size, state)

    def send(self) -> tuple[bytes, list[memoryview]]:
        """Give it to a link: what `Link.send` is called with."""
        gso_size, state, head, parts = self.build()
        return self._vnet(gso_size, state) + head, parts

    def _vnet(self, gso_size: int, state: int) -> bytes:
        if state != PARTIAL:
            return VNET_PLAIN
        shape = self._runs[0].load.shape
        if shape.protocol == TCP:
            return vnet(GSO_TCPV4 if shape.version == 4 else GSO_TCPV6, shape.data, gso_size, shape.start, 16)
        return vnet(GSO_UDP_L4, shape.data, gso_size, shape.start, 6)


def join(runs: Sequence[Run]) -> list[Joined]:
    """What leaves together, in order, in as few super-segments as it takes."""
    found: list[Joined] = []
    for run in runs:
        if not found or not found[-1].add(run):
            found.append(Joined(run))
    return found


def _head(runs: Sequence[Run], size: int) -> bytes:
    """The headers before `size` bytes of payload, the transport checksum partial."""
    run = runs[0]
    shape = run.load.shape
    start = shape.start
    head = bytearray(run.load.data[: shape.data])
    below = shape.data - start + size
    if shape.version == 4:
        _WORD.pack_into(head, 2, start + below)
        _WORD.pack_into(head, 4, _WORD.unpack_from(head, 4)[0] + run.first & 0xFFFF)
        _WORD.pack_into(head, 10, 0)
        _WORD.pack_into(head, 10, checksum(head[:start]))
    else:
        _WORD.pack_into(head, 4, start + below - ipv6.HEADER_SIZE)
    if shape.protocol == TCP:
        flags = head[start + 13] & ~(CWR if run.first else 0) & ~_LAST_ONLY
        last = runs[-1]
        _LONG.pack_into(head, start + 4, _LONG.unpack_from(head, start + 4)[0] + run.first * run.load.gso_size & 0xFFFFFFFF)
        head[start + 13] = flags | (last.load.data[start + 13] & _LAST_ONLY if last.stop == last.load.count else 0)
        _WORD.pack_into(head, start + 16, fold(shape.addresses_sum + below))
    else:
        _WORD.pack_into(head, start + 4, below)
        _WORD.pack_into(head, start + 6, fold(shape.addresses_sum + below))
    return bytes(head)
