"""One direction of a faulty wire: packets go in, and come out when and as the plan says.

In the order of a real path: what is too long vanishes, the queue admits or drops, the rate serves, the wire loses, marks,
corrupts, doubles and delays. A lost packet has taken its time of the rate, as on a real wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from hythe.link.faults.fate import decide, flip, mark
from hythe.link.faults.flows import Flows
from hythe.link.faults.plan import Plan
from hythe.link.faults.queue import Queue
from hythe.units import MIB, NEVER
from hythe.wire import ethernet
from hythe.wire.packet import ABSENT

#: What comes out of a direction: a packet, its checksum's state, and the header of its frame, empty without frames.
Traveller = tuple[bytes, int, bytes]

#: What bears a checksum inside its frame.
_SUMMED: Final = (b"", ethernet.IPV4.to_bytes(2, "big"), ethernet.IPV6.to_bytes(2, "big"))
#: Bytes on the wire at most; more is dropped. One second of half a gigabit.
HELD_MOST: Final = 64 * MIB


@dataclass(slots=True)
class Tally:
    """Packets, by what became of them. `passed` counts copies; `dropped`: no room in the queue or on the wire."""

    arrived: int = 0
    passed: int = 0
    lost: int = 0
    dropped: int = 0
    too_long: int = 0
    late: int = 0
    doubled: int = 0
    corrupted: int = 0
    marked: int = 0


class Direction:
    """`plan` may be replaced at any time; what is on its way stays so. All times are nanoseconds."""

    __slots__ = ("_flows", "_held", "_held_bytes", "_latest", "_queue", "_serial", "plan", "tally")

    def __init__(self, plan: Plan, seed: int, *, up: bool) -> None:
        self.plan = plan
        self.tally = Tally()
        self._flows = Flows(seed, up=up)
        self._queue = Queue()
        self._held: list[tuple[int, int, Traveller]] = []
        self._held_bytes = 0
        self._latest = 0
        self._serial = 0

    def __len__(self) -> int:
        """Packets on their way."""
        return len(self._held)

    def submit(self, packet: bytes, checksum: int, now: int, header: bytes = b"") -> None:
        """Put one packet of a wire in; `checksum` as in `Packet`, but complete. `header`: of its frame, if it has one."""
        plan, tally = self.plan, self.tally
        size = len(packet)
        tally.arrived += 1
        fate = decide(plan, self._flows.of(packet), size)  # for every packet: what the queue drops shifts no ordinal
        if plan.mtu and size > plan.mtu:
            tally.too_long += 1
            return
        departure = self._queue.admit(size, now, plan)
        if departure is None or self._held_bytes > HELD_MOST:
            tally.dropped += 1
            return
        if fate.lost:
            tally.lost += 1
            return
        if fate.marked:
            marked = mark(packet)
            if marked is not None:
                packet = marked
                tally.marked += 1
        if fate.bit is not None:
            packet, checksum = flip(packet, fate.bit), ABSENT
            tally.corrupted += 1
            if header[12:14] not in _SUMMED:
                return  # ARP: the frame's check sequence shows it to the device, which drops it (IEEE 802.3, 3.2.9)
        due = departure + fate.wait
        if fate.late:
            due += fate.late
            tally.late += 1
        else:
            self._latest = due = max(due, self._latest)
        tally.doubled += fate.copies - 1
        for _ in range(fate.copies):
            self._serial += 1
            self._held_bytes += size
            heappush(self._held, (due, self._serial, (packet, checksum, header)))

    def next_deadline(self) -> int:
        """When `take` next has something; NEVER when nothing is on its way."""
        return self._held[0][0] if self._held else NEVER

    def take(self, now: int, limit: int) -> list[Traveller]:
        """At most `limit` packets that are due, in order."""
        held = self._held
        due: list[Traveller] = []
        while held and held[0][0] <= now and len(due) < limit:
            traveller = heappop(held)[2]
            self._held_bytes -= len(traveller[0])
            due.append(traveller)
        self.tally.passed += len(due)
        return due
