"""Segments of a connection, counted on the virtual wire: what ``tcp_info`` tells of them and hythe keeps no count of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from hythe.pkt.wireform import Seen
from hythe.units import MILLISECOND
from hythe.wire.segment import ACK, SYN


class Tally:
    """Of each pair of ports (ours, the peer's): segments and those with text, out and in, and when text last passed."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._ends: dict[tuple[int, int], int] = {}  # of what was sent so far
        self._again: dict[tuple[int, int], int] = defaultdict(int)  # bytes sent more than once
        self._last: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])

    def note(self, seen: Seen, *, out: bool) -> None:
        """A segment passed."""
        ports = seen.ports if out else (seen.ports[1], seen.ports[0])
        counts, last = self._counts[ports], self._last[ports]
        if not out:
            counts[1] += 1
        elif seen.flags & (SYN | ACK) != SYN | ACK:  # Linux counts from when the connection is there
            counts[0] += 1
        if out and seen.size:
            end = seen.seq + seen.size
            new = (end - self._ends.get(ports, seen.seq)) & 0xFFFFFFFF
            if new > 0x7FFFFFFF or not new:
                self._again[ports] += seen.size
            else:
                self._ends[ports] = end
        if seen.size:
            counts[2 if out else 3] += 1
            last[0 if out else 1] = seen.at
        if not out:
            last[2] = seen.at
            if seen.flags & SYN or not last[1]:
                last[1] = seen.at  # the handshake counts, as in Linux

    def told(self, ports: tuple[int, int], now: int) -> Mapping[str, int]:
        """The fields, the times in milliseconds."""
        names = ("tcpi_segs_out", "tcpi_segs_in", "tcpi_data_segs_out", "tcpi_data_segs_in")
        times = ("tcpi_last_data_sent", "tcpi_last_data_recv", "tcpi_last_ack_recv")
        since = ((now - at) // MILLISECOND for at in self._last[ports])
        told = {"tcpi_bytes_retrans": self._again[ports]}
        return told | dict(zip(names, self._counts[ports], strict=True)) | dict(zip(times, since, strict=True))
