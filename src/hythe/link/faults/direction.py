"""One direction of a faulty wire: packets go in, and come out when and as the plan says.

In the order of a real path: what is too long vanishes, the queue admits or drops, the rate serves, the wire loses, marks,
corrupts, doubles and delays. A lost packet has taken its time of the rate, as on a real wire.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from hythe.link.faults.fate import decide, flip, mark
from hythe.link.faults.flows import Flow, Flows
from hythe.link.faults.plan import Plan
from hythe.link.faults.queue import Queue
from hythe.units import MIB, NEVER
from hythe.wire import ethernet
from hythe.wire.gro import Load, Run
from hythe.wire.packet import ABSENT, VERIFIED

#: What is on its way: when it arrives, its number, and itself.
_Held = tuple[int, int, Run]

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
    """`plan` may be replaced at any time; what is on its way stays so. All times are nanoseconds.

    Every piece of a super-segment meets its fate as a packet of its own; those that leave one after the other need not be
    cut for it.
    """

    __slots__ = ("_count", "_flows", "_held_bytes", "_late", "_latest", "_line", "_queue", "_serial", "plan", "tally")

    def __init__(self, plan: Plan, seed: int, *, up: bool) -> None:
        self.plan = plan
        self.tally = Tally()
        self._flows = Flows(seed, up=up)
        self._queue = Queue()
        self._line: deque[_Held] = deque()  # by due and serial: nobody here overtakes anybody
        self._late: list[_Held] = []  # a heap: those who are overtaken
        self._count = 0
        self._held_bytes = 0
        self._latest = 0
        self._serial = 0

    def __len__(self) -> int:
        """Packets on their way."""
        return self._count

    def submit(self, load: Load, now: int) -> None:
        """Put a packet in, or the packets that a super-segment stands for."""
        plan, count = self.plan, load.count
        flow = self._flows.of(load.data)
        size = (count - 1) * load.size + load.length(count - 1)
        if plan.steady and not 0 < plan.mtu < load.size and self._held_bytes + size <= HELD_MOST:
            self.tally.arrived += count
            flow.ordinal += count
            self._latest = due = max(self._queue.free_at(now) + plan.delay, self._latest)
            self._hold(due, load, 0, count, size)
            return
        for index in range(count):
            self._submit_one(load, index, now, plan, flow)

    def _submit_one(self, load: Load, index: int, now: int, plan: Plan, flow: Flow) -> None:
        tally = self.tally
        size = load.length(index)
        tally.arrived += 1
        fate = decide(plan, flow, size)  # for every packet: what the queue drops shifts no ordinal
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
            marked = mark(load.piece(index))
            if marked is not None:
                load, index = Load(marked, 0, VERIFIED if load.state else ABSENT, load.frame), 0
                tally.marked += 1
        if fate.bit is not None:
            load, index = Load(flip(load.piece(index), fate.bit), 0, ABSENT, load.frame), 0
            tally.corrupted += 1
            if load.frame[12:14] not in _SUMMED:
                return  # ARP: the frame's check sequence shows it to the device, which drops it (IEEE 802.3, 3.2.9)
        due = departure + fate.wait
        if fate.late:
            tally.late += 1
            tally.doubled += fate.copies - 1
            self._count += fate.copies
            self._held_bytes += fate.copies * size
            for _ in range(fate.copies):
                self._serial += 1
                heappush(self._late, (due + fate.late, self._serial, Run(load, index, index + 1)))
            return
        self._latest = due = max(due, self._latest)
        tally.doubled += fate.copies - 1
        for _ in range(fate.copies):
            self._hold(due, load, index, index + 1, size)

    def _hold(self, due: int, load: Load, first: int, stop: int, size: int) -> None:
        """Keep these pieces, which go on in the run before them when nothing stands between."""
        self._count += stop - first
        self._held_bytes += size
        if self._line:
            before, serial, run = self._line[-1]
            if run.load is load and run.stop == first and before == due and serial == self._serial:
                run.stop = stop
                return
        self._serial += 1
        self._line.append((due, self._serial, Run(load, first, stop)))

    def next_deadline(self) -> int:
        """When `take` next has something; NEVER when nothing is on its way."""
        line = self._line[0][0] if self._line else NEVER
        return min(line, self._late[0][0]) if self._late else line

    def take(self, now: int, limit: int) -> list[Run]:
        """All that is due, in order, but no more than `limit` runs."""
        due: list[Run] = []
        while len(due) < limit and (held := self._pop(now)) is not None:
            run = held[2]
            load, count = run.load, run.stop - run.first
            self.tally.passed += count
            self._count -= count
            self._held_bytes -= (count - 1) * load.size + load.length(run.stop - 1)
            if due and due[-1].load is load and due[-1].stop == run.first:
                due[-1].stop = run.stop
            else:
                due.append(run)
        return due

    def _pop(self, now: int) -> _Held | None:
        line, late = self._line, self._late
        if late and late[0][0] <= now and (not line or late[0] < line[0]):
            return heappop(late)
        return line.popleft() if line and line[0][0] <= now else None
