"""The neighbor cache: which MAC address the neighbors' IP addresses are at (RFC 4861, 7.3; RFC 826, RFC 1122, 2.3.2).

Theory of operation. One table and one set of states serve both families; ARP and neighbor discovery differ in the messages
only, and those are the owner's (`Solicit`). A neighbor is

- INCOMPLETE: asked for, packets wait. Three questions without an answer, and they are handed back as undeliverable.
- REACHABLE: it has answered us lately. Packets go out without a thought.
- STALE: a MAC address is known, but not whether it is still true. The first packet that goes there makes it
- DELAY: packets go out. If connections have made progress by way of it after 5 s it is REACHABLE again (7.3.1), else
- PROBE: it is asked in person; three questions without an answer and it is forgotten.

An answer counts only for a neighbor that was asked for: who speaks unasked can refresh what we need, but not fill the
table (RFC 4861, 7.2.5). The table is bounded; who was not used longest makes room. Each neighbor has one timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from hythe.config import EthernetConfig
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER

INCOMPLETE: Final = 0
REACHABLE: Final = 1
STALE: Final = 2
DELAY: Final = 3
PROBE: Final = 4
NAMES: Final = ("INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE")


class Waiting(NamedTuple):
    """A packet as `Link.send` was given it, its payload copied."""

    head: bytes
    payload: bytes


class Neighbor:
    """One neighbor. `mac` is empty while INCOMPLETE; `router` as its advertisements say (IPv6)."""

    __slots__ = ("_table", "address", "asked", "deadline", "filed", "mac", "router", "state", "waiting")

    def __init__(self, table: Neighbors, address: bytes) -> None:
        self._table = table
        self.address = address
        self.mac = b""
        self.state = INCOMPLETE
        self.router = False
        self.asked = 0
        self.waiting: deque[Waiting] = deque()
        self.deadline = NEVER
        self.filed = NEVER

    def fire(self, now: int) -> None:
        """The time of this state is over."""
        self.deadline = NEVER
        self._table.expired(self, now)

    def __repr__(self) -> str:
        return f"<Neighbor {self.address.hex()} at {self.mac.hex(':')} {NAMES[self.state]}>"


#: Ask who has an address: everybody, or with a MAC address whoever had it.
Solicit = Callable[[bytes, bytes | None, int], None]


class Neighbors:
    """The table. `deliver(mac, packet, now)` sends what has waited, `fail(packet, now)` is told what never will be.

    `lost(address)` is called when somebody does not answer any more, `confirmed(address, since)` is asked whether there are
    signs from above that what was sent there has arrived since then. `changed()` is called when a MAC address that was
    given out must be asked for anew.
    """

    __slots__ = (
        "_changed",
        "_config",
        "_confirmed",
        "_deliver",
        "_fail",
        "_lost",
        "_random",
        "_solicit",
        "_timers",
        "reachable_time",
        "retransmit_time",
        "table",
    )

    def __init__(
        self,
        config: EthernetConfig,
        timers: TimerQueue,
        random: Random,
        solicit: Solicit,
        deliver: Callable[[bytes, Waiting, int], None],
        fail: Callable[[Waiting, int], None],
        lost: Callable[[bytes], None],
        confirmed: Callable[[bytes, int], bool],
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._timers = timers
        self._random = random
        self._solicit = solicit
        self._deliver = deliver
        self._fail = fail
        self._lost = lost
        self._confirmed = confirmed
        self._changed = changed
        #: Nanoseconds; routers may say otherwise (RFC 4861, 6.3.4).
        self.reachable_time = config.reachable_time
        self.retransmit_time = config.retransmit_time
        self.table: dict[bytes, Neighbor] = {}

    # --- Sending

    def use(self, address: bytes, now: int) -> bytes:
        """The MAC address to send to; empty when it must be asked for first (`ask`)."""
        neighbor = self.table.get(address)
        if neighbor is None or neighbor.state == INCOMPLETE:
            return b""
        self.table[address] = self.table.pop(address)  # the last used stands last
        if neighbor.state == STALE:
            self._enter(neighbor, DELAY, now + self._config.first_probe_delay)
        return neighbor.mac

    def ask(self, address: bytes, head: bytes, payload: Sequence[memoryview | bytes], now: int) -> None:
        """Send the packet as soon as it is known where to. The oldest waiting makes room (RFC 4861, 7.2.2)."""
        neighbor = self.table.get(address)
        if neighbor is None:
            neighbor = self._add(address)
            neighbor.asked = 1
            self._enter(neighbor, INCOMPLETE, now + self.retransmit_time)
            self._solicit(address, None, now)
        if len(neighbor.waiting) >= self._config.neighbor_queue:
            neighbor.waiting.popleft()
        neighbor.waiting.append(Waiting(head, b"".join(payload)))

    # --- What is heard

    def heard(self, address: bytes, mac: bytes, now: int) -> None:
        """`address` has asked us something and told its `mac` meanwhile (RFC 4861, 7.2.3; RFC 826)."""
        neighbor = self.table.get(address) or self._add(address)
        if neighbor.mac != mac:
            self._learn(neighbor, mac, STALE, NEVER, now)

    def answered(
        self,
        address: bytes,
        mac: bytes | None,
        now: int,
        *,
        solicited: bool = True,
        override: bool = True,
        router: bool = False,
    ) -> None:
        """Somebody says that `address` is at `mac`: RFC 4861, 7.2.5. Whoever was not asked for is not noted."""
        neighbor = self.table.get(address)
        if neighbor is None:
            return
        reachable = self._reachable_until(now)
        if neighbor.state == INCOMPLETE:
            if mac is not None:
                neighbor.router = router
                self._learn(neighbor, mac, *((REACHABLE, reachable) if solicited else (STALE, NEVER)), now)
            return
        if mac is not None and mac != neighbor.mac:
            if not override:
                if neighbor.state == REACHABLE:
                    self._enter(neighbor, STALE, NEVER)
                return
            self._learn(neighbor, mac, *((REACHABLE, reachable) if solicited else (STALE, NEVER)), now)
        elif solicited:
            self._enter(neighbor, REACHABLE, reachable)
        neighbor.router = router

    # --- Time

    def expired(self, neighbor: Neighbor, now: int) -> None:
        """A neighbor's timer has fired."""
        config = self._config
        if neighbor.state == REACHABLE:
            self._enter(neighbor, STALE, NEVER)
        elif neighbor.state == DELAY and self._confirmed(neighbor.address, now - config.first_probe_delay):
            self._enter(neighbor, REACHABLE, self._reachable_until(now))
        elif neighbor.state == DELAY:
            neighbor.asked = 0
            self._probe(neighbor, now)
        elif neighbor.state == PROBE:
            if neighbor.asked < config.unicast_solicits:
                self._probe(neighbor, now)
            else:
                self.forget(neighbor.address, now)
        elif neighbor.asked < config.multicast_solicits:
            neighbor.asked += 1
            self._enter(neighbor, INCOMPLETE, now + self.retransmit_time)
            self._solicit(neighbor.address, None, now)
        else:
            self.forget(neighbor.address, now)

    def forget(self, address: bytes, now: int) -> None:
        """Remove a neighbor; what waits for it cannot be delivered."""
        neighbor = self.table.pop(address, None)
        if neighbor is None:
            return
        self._timers.cancel(neighbor)
        self._changed()
        self._lost(address)
        for packet in neighbor.waiting:
            self._fail(packet, now)

    def close(self) -> None:
        """Forget everybody."""
        for neighbor in self.table.values():
            self._timers.cancel(neighbor)
        self.table.clear()

    # --- Inside

    def _reachable_until(self, now: int) -> int:
        """RFC 4861, 6.3.2: the base value by a random factor between a half and three halves."""
        return now + int(self.reachable_time * self._random.uniform(0.5, 1.5))

    def _probe(self, neighbor: Neighbor, now: int) -> None:
        neighbor.asked += 1
        self._enter(neighbor, PROBE, now + self.retransmit_time)
        self._solicit(neighbor.address, neighbor.mac, now)

    def _learn(self, neighbor: Neighbor, mac: bytes, state: int, deadline: int, now: int) -> None:
        neighbor.mac = mac
        waiting, neighbor.waiting = neighbor.waiting, deque()
        if waiting and state == STALE:  # it is in use
            state, deadline = DELAY, now + self._config.first_probe_delay
        self._changed()
        self._enter(neighbor, state, deadline)
        for packet in waiting:
            self._deliver(mac, packet, now)

    def _enter(self, neighbor: Neighbor, state: int, deadline: int) -> None:
        if state == STALE and neighbor.state != STALE:
            self._changed()  # the next packet must come through `use`
        neighbor.state = state
        neighbor.deadline = deadline
        self._timers.file(neighbor)

    def _add(self, address: bytes) -> Neighbor:
        while len(self.table) >= self._config.neighbors:
            # Those being asked for come last: nobody who floods us with addresses ends a conversation, nor the reverse.
            idle = next((each for each in self.table.values() if each.state != INCOMPLETE), None)
            victim = idle or next(iter(self.table.values()))
            del self.table[victim.address]
            self._timers.cancel(victim)
            self._changed()
        neighbor = self.table[address] = Neighbor(self, address)
        return neighbor
