"""What a plot of one way of a conversation is drawn from: points in the order they came, bounded in number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

#: Points kept of each kind. A plot has no room for more, and what came later is told of as missing.
_MAX: Final = 500_000

#: (time, start, end, packet number): positions count from the first byte of the way.
Stretch: TypeAlias = tuple[int, int, int, int]


@dataclass(slots=True)
class Series:
    """The points of one way.

    `data` was sent for the first time, `resent` again, `late` came out of order; `acks` are (time, acknowledged, right edge
    of the window), `sacks` the blocks; `rtt` and `flight` are (time, ns) and (time, bytes), and so
    is `cwnd`, which no packet tells, but a session does. `signs` are SYN, FIN, RST.
    """

    data: list[Stretch] = field(default_factory=list)
    resent: list[Stretch] = field(default_factory=list)
    late: list[Stretch] = field(default_factory=list)
    acks: list[tuple[int, int, int]] = field(default_factory=list)
    sacks: list[Stretch] = field(default_factory=list)
    rtt: list[tuple[int, int]] = field(default_factory=list)
    flight: list[tuple[int, int]] = field(default_factory=list)
    cwnd: list[tuple[int, int]] = field(default_factory=list)
    signs: list[tuple[int, int, str]] = field(default_factory=list)
    missing: int = 0

    def room(self) -> bool:
        """May one more segment be put in? Counts those for which there was none."""
        if max(len(self.data), len(self.acks), len(self.resent), len(self.sacks)) < _MAX:
            return True
        self.missing += 1
        return False
