"""The wires of the scoreboard: a table of cells, and what each is to the fault link.

A cell is a rate, a round-trip time, a queue, losses, reordering and a number of flows. Data go one way, acknowledgments
the other; both ways have the same rate, half the round trip, the same losses and the same reordering. The queue that a
cell names is the one that data wait in.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final

from hythe.link.faults import Plan, RandomLoss
from hythe.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

MTU: Final = 1_500
#: Mbit/s: 1,700 packets a second, which a wire in Python carries on a fifth of a core.
RATE: Final = 20
#: The queue in bandwidth-delay products; and the least there is in any case, in packets: a burst of the initial window.
QUEUES: Final = {"shallow": 0.25, "BDP": 1.0, "deep": 4.0}
_PACKETS_LEAST: Final = {"shallow": 10, "BDP": 20, "deep": 80}


@dataclass(frozen=True, slots=True)
class Cell:
    """One wire. `rtt`: ms; `loss`, `reorder`: per cent of the packets; `rate`: Mbit/s; `queue`: a key of `QUEUES`."""

    rtt: int
    loss: float = 0.0
    flows: int = 1
    queue: str = "BDP"
    reorder: float = 0.0
    rate: int = RATE

    @property
    def name(self) -> str:
        """What it is called on the command line and in results."""
        words = [f"{self.rtt}ms", f"{self.loss:g}%"]
        if self.rate != RATE:
            words.append(f"{self.rate}mbit")
        if self.queue != "BDP":
            words.append(self.queue)
        if self.reorder:
            words.append(f"reorder{self.reorder:g}%")
        if self.flows > 1:
            words.append(f"x{self.flows}")
        return "-".join(words)

    @property
    def seconds(self) -> float:
        """How long it is measured, from the first SYN on: slow start is part of what users wait for."""
        return 8.0 if self.rtt >= 100 else 5.0 if self.rtt >= 20 or self.loss >= 1 else 3.0

    @property
    def room(self) -> int:
        """Bytes that the queue holds."""
        product = self.rate * self.rtt * 1_000 // 8
        return max(int(product * QUEUES[self.queue]), _PACKETS_LEAST[self.queue] * MTU)

    @property
    def chancy(self) -> bool:
        """Does chance decide much: few losses, which keep one flow below a third of the rate (Mathis), or wild order?"""
        if not self.loss or self.flows > 1:
            return self.reorder >= 10
        bits_a_second = 1.22 * MTU * 8 / (self.rtt / 1_000 * sqrt(self.loss / 100))
        return 3 * bits_a_second < self.rate * 1_000_000

    @property
    def late(self) -> int:
        """How late a reordered packet comes, in ns: a quarter of the round trip, as over a second, longer path."""
        return self.rtt * MILLISECOND // 4

    def plans(self) -> tuple[Plan, Plan]:
        """What the wire does to data, and to acknowledgments."""
        loss = RandomLoss(self.loss / 100) if self.loss else None
        delay, rate, reorder = self.rtt * MILLISECOND // 2, self.rate * 1_000_000, self.reorder / 100
        data = Plan(delay, rate=rate, queue_bytes=self.room, loss=loss, reorder=reorder, reorder_by=self.late)
        return data, Plan(delay, rate=rate, loss=loss, reorder=reorder, reorder_by=self.late)


#: Every round-trip time with every loss; then each other fault, and flows, where they matter.
CELLS: Final[Sequence[Cell]] = (
    *(Cell(rtt, loss) for rtt in (1, 10, 50, 200) for loss in (0, 0.1, 1, 5)),
    Cell(10, rate=50),
    *(Cell(rtt, queue=queue) for rtt in (10, 50, 200) for queue in ("shallow", "deep")),
    *(Cell(rtt, reorder=reorder) for rtt, reorder in ((10, 2), (50, 2), (50, 10))),
    *(Cell(rtt, flows=4) for rtt in (10, 50)),
    Cell(50, 1, flows=4),
    Cell(200, 0.1, flows=4),
    *(Cell(rtt, flows=16) for rtt in (1, 50)),
    Cell(10, 1, flows=16),
    Cell(50, flows=16, queue="shallow"),
    *(Cell(rtt, flows=64) for rtt in (10, 50)),
    Cell(50, 1, flows=64),
)
QUICK: Final = ("1ms-0%", "10ms-1%", "50ms-0%", "50ms-1%", "50ms-5%", "200ms-0.1%", "50ms-0%-reorder10%", "50ms-0%-x16")


def find(names: Sequence[str]) -> list[Cell]:
    """The cells of these names, in the order of the table. ValueError tells of one there is none of."""
    known = {cell.name: cell for cell in CELLS}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no cell {name!r}; there are {' '.join(known)}")
    return [cell for cell in CELLS if cell.name in names]
