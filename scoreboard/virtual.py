"""hythe to hythe on virtual time: two hosts and the wire in one loop, exact whatever else the machine does.

The same wire as in real time, and the same stack; only the driver is another. Packets and timers come to the nanosecond,
and a host takes no time to answer. For tuning: the figures that are published beside Linux's are of real time.
"""

from __future__ import annotations

from dataclasses import asdict
from random import Random
from typing import TYPE_CHECKING, Any, Final

from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.link.faults import FaultLink
from hythe.link.pair import pair
from hythe.tcp.connection import Connection
from hythe.units import SECOND
from scoreboard.cells import MTU
from scoreboard.outcome import Outcome
from scoreboard.settings import AHEAD, BLOCK, CLIENT, PORT, SERVER, settings

if TYPE_CHECKING:
    from hythe.link.base import Link
    from hythe.tcp.listener import Listener
    from scoreboard.cells import Cell

#: The clock when the first SYN leaves. An hour of uptime, so that no timer is near zero.
_BEGIN: Final = 3_600 * SECOND
#: Packets taken from the wire at a time.
_BATCH: Final = 64


class Side:
    """One host with its link, driven by hand."""

    def __init__(self, address: str, link: Link, seed: int, paced: bool) -> None:
        self.host = Host(settings(paced), Random(seed), bytes(32))
        self._interface = self.host.attach("wire", link, (Prefix.parse(f"{address}/24"),))

    def turn(self, now: int) -> None:
        """One turn of a driver: feed, let timers fire, visit, emit."""
        host, interface = self.host, self._interface
        while packets := interface.link.receive(now, _BATCH):
            for packet in packets:
                host.receive(packet, now, interface)
            self._visit(now)
        if host.next_deadline() <= now:
            host.fire(now)
        self._visit(now)
        host.settle(now)

    def _visit(self, now: int) -> None:
        while ready := self.host.take_ready():
            for item in ready:
                item.queued = False
                if item.owner is not None:
                    item.owner.visit(item, now)
                self.host.attend(item, now)


class Source:
    """Owns the sending connections: keeps something to send in each."""

    _block = bytes(BLOCK)

    def visit(self, connection: Connection, now: int) -> None:
        """Write while not much waits to be sent."""
        connection.news = 0
        while connection.sendq.end - connection.snd_nxt < AHEAD:
            connection.write(self._block)


class Sink:
    """Owns the listener and what it brings: takes and counts."""

    def __init__(self) -> None:
        self.received: dict[Connection, int] = {}

    def visit(self, item: Any, now: int) -> None:
        """Accept, or read everything."""
        item.news = 0
        if not isinstance(item, Connection):
            self._accept(item)
            return
        size = sum(map(len, item.views()))
        item.consume(size)
        self.received[item] += size

    def _accept(self, listener: Listener) -> None:
        for connection in listener.take():
            connection.owner = self
            self.received[connection] = 0
            if connection.readable:
                connection.note(0)


def run(cell: Cell, seed: int, *, paced: bool = False) -> Outcome:
    """One run of the cell. Equal seeds bring equal outcomes."""
    near, far = pair(MTU, offload=False)
    wire = FaultLink(near, *cell.plans(), seed=seed)
    client, server = Side(CLIENT, wire, seed, paced), Side(SERVER, far, seed + 1, paced)
    sink, source = Sink(), Source()
    server.host.listen(None, PORT).owner = sink
    flows = [client.host.connect(Prefix.parse(SERVER).address, PORT, _BEGIN) for _ in range(cell.flows)]
    for connection in flows:
        connection.owner = source
    now, end = _BEGIN, _BEGIN + int(cell.seconds * SECOND)
    while now < end:
        wire.release(now)
        server.turn(now)
        client.turn(now)
        now = min(each.next_deadline() for each in (wire, server.host, client.host))
    received = [*sink.received.values(), *[0] * (cell.flows - len(sink.received))]
    resent = sum(connection.retransmits for connection in flows)
    return Outcome(received, cell.seconds, resent, asdict(wire.up.tally))
