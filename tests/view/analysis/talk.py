"""A connection written down by hand, segment by segment, as a capture has it."""

from __future__ import annotations

import struct

from hythe.units import MILLISECOND
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.wire import ipv4, options, pcapng
from hythe.wire.pcapng import CapturedPacket
from hythe.wire.segment import ACK, PROTOCOL, SYN

ENDS = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
PORTS = 40_000, 80
FULL = 1_448
#: In units of 128 bytes.
WINDOW = 8_000
WIRE = pcapng.Interface("wire", pcapng.LINKTYPE_RAW, 0, 10**9)


class Talk:
    """A connection whose opener sends, as a capture has it: `there` ms after each segment it is heard of again."""

    def __init__(self, trip: int = 20) -> None:
        self.packets: list[CapturedPacket] = []
        self.trip = trip
        self._put(0, 0, SYN, 0, 0, mss=1_460, wscale=7, sack_permitted=True, ts_val=1, ts_ecr=0)
        self._put(trip, 1, SYN | ACK, 0, 1, mss=1_460, wscale=7, sack_permitted=True, ts_val=1, ts_ecr=1)

    def _put(
        self, at: float, end: int, flags: int, seq: int, ack: int, size: int = 0, window: int = WINDOW, **said: object
    ) -> None:
        raw = options.build(options.Options(**said))  # type: ignore[arg-type]
        ports = PORTS if not end else PORTS[::-1]
        header = struct.pack(
            ">HHIIBBHHH", *ports, 1_000 + seq, 1_000 + ack if flags & ACK else 0, (20 + len(raw)) << 2, flags, window, 0, 0
        )
        text = header + raw + bytes(size)
        data = ipv4.build(ENDS[end], ENDS[1 - end], PROTOCOL, len(text)) + text
        self.packets.append(CapturedPacket(WIRE, round(at * MILLISECOND), data, len(data)))

    def send(self, at: float, first: int, *, stamp: int, count: int = 1) -> None:
        """Full segments from the `first` on."""
        for place in range(first, first + count):
            self._put(at, 0, ACK, 1 + place * FULL, 1, FULL, ts_val=stamp, ts_ecr=1)

    def hear(self, at: float, upto: int, echo: int, *sack: tuple[int, int]) -> None:
        """Everything in front of segment `upto` has come, and the segments of these ranges."""
        blocks = tuple((1_001 + left * FULL, 1_001 + right * FULL) for left, right in sack)
        self._put(at, 1, ACK, 1, 1 + upto * FULL, ts_val=1, ts_ecr=echo, sack=blocks)

    def flow(self, since: float, first: int, count: int) -> None:
        """So many segments, one a millisecond, each acknowledged after a round trip."""
        for place in range(count):
            self.send(since + place, first + place, stamp=100 + first + place)
            self.hear(since + place + self.trip, first + place + 1, 100 + first + place)

    def trickle(self, at: float, start: int, size: int, window: int, *, stamp: int) -> None:
        """One segment from a place in the stream, and its acknowledgment with a window of so many units of 128 bytes."""
        self._put(at, 0, ACK, 1 + start, 1, size, ts_val=stamp, ts_ecr=1)
        self._put(at + self.trip, 1, ACK, 1, 1 + start + size, window=window, ts_val=1, ts_ecr=stamp)

    def update(self, at: float, upto: int, window: int, *, echo: int) -> None:
        """Nothing new has come, but there is room for so many units of 128 bytes."""
        self._put(at, 1, ACK, 1, 1 + upto, window=window, ts_val=1, ts_ecr=echo)

    def read(self) -> Conversation:
        (found,) = Conversations().read(sorted(self.packets, key=lambda each: each.timestamp)).all
        return found
