"""What one run of one cell brought, and the arithmetic on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hythe.units import MICROSECOND, MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How late the wire may be, and how long a process may wait for a processor: ns, and a twentieth of the round trip.
LATE_MOST: Final = 300 * MICROSECOND
#: The share of its time that a process may work before it is what limits.
BUSY_MOST: Final = 0.8


@dataclass(slots=True)
class Outcome:
    """`received`: bytes that the application got, by flow, in `seconds`. `resent`: segments of all flows.

    `wire`: what the fault link counted of the data. `late`: ns that the wire was late, 99 times out of 100 less; `busy`:
    share of its time that each process worked; `waited`: ns that it waited for a processor each time, on average. On
    virtual time there is none of these.
    """

    received: list[int]
    seconds: float
    resent: int = 0
    wire: Mapping[str, int] = field(default_factory=dict)
    late: int = 0
    busy: Mapping[str, float] = field(default_factory=dict)
    waited: Mapping[str, int] = field(default_factory=dict)

    @property
    def goodput(self) -> float:
        """Mbit/s of all flows together."""
        return sum(self.received) * 8 / self.seconds / 1e6

    @property
    def fairness(self) -> float:
        """Jain's index of the flows."""
        return jain(self.received)

    def disturbed(self, rtt: int) -> str:
        """Why it cannot be relied on for a wire of `rtt` ms, or an empty string: it measures the machine as well."""
        most = LATE_MOST + rtt * MILLISECOND // 20
        if self.late > most:
            return f"the wire was {self.late / MILLISECOND:.1f} ms late"
        for who, wait in self.waited.items():
            if wait > most:
                return f"the {who} waited {wait / MILLISECOND:.1f} ms for a processor each time"
        for who, share in self.busy.items():
            if share > BUSY_MOST:
                return f"the {who} worked {100 * share:.0f} % of the time"
        return ""


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all are equal, 1/n when one has all; 0 when nobody got anything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0
