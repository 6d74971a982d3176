"""The packets of connections, in a bounded number each: what a sequence diagram, a graph and an explanation are made of.

Of every socket pair that is seen the first packets are kept, for the handshake is what one looks for; of those that somebody
has opened also the last ones, and their conversation is analysed as it goes on. A packet's number counts those of its socket
pair, from 1. What was let go in the middle is counted, and what comes in behind is not taken for something else.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any, Final, NamedTuple

from hythe.session.model import Connection, End
from hythe.units import SECOND
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.view.analysis.segments import Captured, segments
from hythe.view.analysis.way import Way
from hythe.view.layers.dissect import dissect
from hythe.view.layers.model import Shown
from hythe.view.layers.tables import Tables
from hythe.wire import segment as tcp
from hythe.wire.pcapng import INBOUND, CapturedPacket

#: Packets kept from the beginning of a socket pair, and of its end once somebody has opened it.
FIRST: Final = 48
LAST: Final = 4_000
#: Socket pairs of which the beginning is kept.
PAIRS: Final = 2_000
#: Bits of a packet's flags that tell its direction, as the command sees it.
_DIRECTION: Final = 3
_TCP: Final = 6
_UDP: Final = 17
_PROTOCOLS: Final = ("tcp", "udp")
#: Flags in the order people say them.
_FLAGS: Final = ((tcp.SYN, "SYN"), (tcp.FIN, "FIN"), (tcp.RST, "RST"), (tcp.PSH, "PSH"), (tcp.URG, "URG"), (tcp.ACK, "ACK"))


class Pair(NamedTuple):
    """A protocol and two sockets, packed; as a packet has them, or the other way round."""

    protocol: int
    source: bytes
    destination: bytes

    def turned(self) -> Pair:
        """The same for the way back."""
        return Pair(self.protocol, self.destination, self.source)


class Packet(NamedTuple):
    """One of a trace. `back`: to the command. `text` and `size`: what an arrow is labelled with, and its bytes of data."""

    number: int
    captured: CapturedPacket
    back: bool
    text: str
    size: int

    def row(self, start: int) -> list[Any]:
        """For the page."""
        at = (self.captured.timestamp - start) / SECOND
        return [self.number, round(at, 6), int(self.back), self.text, self.size, self.captured.comment]


class Trace:
    """One socket pair, seen from the command's end. Its packets are read only once it is `opened`, for most never are.

    `syn`: the direction and the sequence number of the first SYN.
    """

    __slots__ = ("_conversations", "_kept", "_last", "_pair", "conversation", "count", "first", "opened", "syn")

    def __init__(self, pair: Pair, *, opened: bool) -> None:
        self._pair = pair
        self.opened = opened
        self.syn: tuple[Pair, bytes] | None = None
        self.count = 0
        self._kept: list[tuple[CapturedPacket, bool]] = []  # the first ones, as they came
        self.first: list[Packet] = []  # those of them that were read
        self._last: deque[Packet] = deque(maxlen=LAST)
        self._conversations: Conversations | None = None
        self.conversation: Conversation | None = None

    @property
    def start(self) -> int:
        """When its first packet came."""
        return self._kept[0][0].timestamp if self._kept else 0

    @property
    def let_go(self) -> int:
        """Packets that are not kept."""
        return self.count - len(self._kept) - len(self._last)

    def add(self, packet: CapturedPacket, pair: Pair) -> None:
        """One more."""
        self.count += 1
        back = pair != self._pair
        if len(self._kept) < FIRST:
            self._kept.append((packet, back))
        elif self.opened:
            self._last.append(self._read(self.count, packet, back=back))
        if self.opened:
            self.catch_up()

    def catch_up(self) -> None:
        """Read those of the first packets that have not been."""
        for number, (packet, back) in enumerate(self._kept[len(self.first) :], start=len(self.first) + 1):
            self.first.append(self._read(number, packet, back=back))

    def begins_anew(self, pair: Pair, syn: bytes) -> bool:
        """Does a SYN with this sequence number belong to another connection? One that is sent again does not."""
        return self.count > 0 if self.syn is None else self.syn[0] == pair and self.syn[1] != syn

    def since(self, number: int) -> Iterator[Packet]:
        """Those that are kept with a greater number."""
        if number < len(self.first):
            yield from self.first[number:]
        yield from reversed(list(takewhile(lambda each: each.number > number, reversed(self._last))))

    def find(self, number: int) -> Packet | None:
        """One of them."""
        return next((each for each in (*self.first, *self._last) if each.number == number), None)

    def _read(self, number: int, packet: CapturedPacket, *, back: bool) -> Packet:
        segment = next(segments([packet]), None) if self._pair.protocol == _TCP else None
        if segment is None:
            size = max(0, packet.length - _headers(packet.data))
            return Packet(number, packet, back, f"{size} bytes", size)
        if self._conversations is None:
            self._conversations = Conversations((0,))
        segment.number = number
        self.conversation = self._conversations.feed(segment)
        assert self.conversation is not None
        way = self.conversation.ways[0 if segment.source == self.conversation.ends[0] else 1]
        return Packet(number, packet, back, _label(segment, way), segment.size)

    def shown(self, number: int) -> Shown | None:
        """A packet, layer by layer."""
        found, tables = self.find(number), Tables()
        if found is None:
            return None
        for each in self.first[:3]:  # what a handshake's last ACK is, the two before it tell
            if each.number < number:
                tables.show(_dissected(each), 0)
        made = tables.show(_dissected(found), found.captured.timestamp)
        made.number = number
        return made


def _dissected(packet: Packet) -> Any:
    return dissect(packet.captured.data, packet.captured.interface.linktype, packet.captured.length)


class Traces:
    """All of a session."""

    __slots__ = ("_opened", "_traces")

    def __init__(self) -> None:
        self._traces: dict[Pair, Trace] = {}
        self._opened: Counter[tuple[int, bytes]] = Counter()  # by their inner end, which no two have at a time

    def take(self, packets: Iterable[CapturedPacket]) -> None:
        """What has come."""
        for packet in packets:
            pair = pair_of(packet.data)
            if pair is None:
                continue
            trace = self._traces.get(pair) or self._traces.get(pair.turned())
            syn = _syn(packet.data) if pair.protocol == _TCP else None
            if trace is None or (syn is not None and trace.begins_anew(pair, syn)):
                # What opens a connection anew has the socket pair of the one before, and takes its place.
                outwards = pair.turned() if packet.flags & _DIRECTION == INBOUND else pair
                self._traces.pop(outwards, None)
                self._make_room()
                trace = self._traces[outwards] = Trace(outwards, opened=self._is_open(outwards))
            if syn is not None and trace.syn is None:
                trace.syn = (pair, syn)
            trace.add(packet, pair)

    def open(self, connection: Connection) -> None:
        """Somebody looks at it: keep its last packets, too. To be taken back by `close`."""
        self._opened[_inner(connection)] += 1
        self._mark(connection)

    def close(self, connection: Connection) -> None:
        """Somebody looks no more."""
        self._opened[_inner(connection)] -= 1
        self._mark(connection)

    def _mark(self, connection: Connection) -> None:
        for pair, trace in self._traces.items():
            if pair[:2] == _inner(connection):
                trace.opened = self._is_open(pair)
                if trace.opened:
                    trace.catch_up()

    def _is_open(self, pair: Pair) -> bool:
        return self._opened[pair[:2]] > 0

    def of(self, connection: Connection) -> Trace | None:
        """Of a connection; None as long as none of its packets came."""
        if connection.protocol not in _PROTOCOLS:
            return None
        inner, remote = _inner(connection), packed(connection.remote)
        if remote:
            return self._traces.get(Pair(*inner, remote))
        # A name, which a proxy looks up: packets have an address that stands for it, but the inner end is enough.
        return next((trace for pair, trace in reversed(self._traces.items()) if pair[:2] == inner), None)

    def _make_room(self) -> None:
        if len(self._traces) >= PAIRS:
            oldest = next((pair for pair, trace in self._traces.items() if not trace.opened), None)
            if oldest is not None:
                del self._traces[oldest]


def _syn(data: bytes) -> bytes | None:
    """The sequence number of a segment that opens a connection. Asked of every packet, so nothing else is read."""
    at = (data[0] & 15) * 4 if data[0] >> 4 == 4 else 40
    if len(data) > at + 13 and data[at + 13] & (tcp.SYN | tcp.ACK) == tcp.SYN:
        return data[at + 4 : at + 8]
    return None


def pair_of(data: bytes) -> Pair | None:
    """Of a bare IP packet; None for what has no ports, and for fragments but the first."""
    if len(data) < 28:
        return None
    if data[0] >> 4 == 4:
        at, protocol, half = (data[0] & 15) * 4, data[9], 4
        source, destination = data[12:16], data[16:20]
        if (data[6] & 0x1F) | data[7]:
            return None
    elif data[0] >> 4 == 6 and len(data) >= 48:
        at, protocol, half = 40, data[6], 16
        source, destination = data[8:24], data[24:40]
    else:
        return None
    if protocol not in (_TCP, _UDP) or len(data) < at + 4 or len(source) != half:
        return None
    return Pair(protocol, source + data[at : at + 2], destination + data[at + 2 : at + 4])


def packed(end: End) -> bytes:
    """Address and port; nothing for a name."""
    try:
        return ipaddress.ip_address(end.address).packed + end.port.to_bytes(2, "big")
    except ValueError:
        return b""


def _inner(connection: Connection) -> tuple[int, bytes]:
    return _TCP if connection.protocol == "tcp" else _UDP, packed(connection.inside)


def _headers(data: bytes) -> int:
    """Bytes of IP and UDP headers."""
    return (data[0] & 15) * 4 + 8 if data[0] >> 4 == 4 else 48


def _label(segment: Captured, way: Way) -> str:
    """``SYN ACK``, ``ACK 1461``, ``PSH ACK 1, data 1-1460``: positions count from the SYN of each way."""
    words = [name for bit, name in _FLAGS if segment.flags & bit]
    if segment.flags & tcp.ACK and way.other.base is not None:
        words.append(str(way.other.position(segment.ack)))
    text = " ".join(words) or "no flags"
    if segment.size and way.base is not None:
        begin = way.position(segment.seq)
        text += f", data {begin}-{begin + segment.size - 1}"
    return text
