"""Two hosts of hythe on virtual time, the fault link between them, and a capture at each end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.link.base import Link
from hythe.link.capture import Capture
from hythe.link.faults import FaultLink, Plan
from hythe.link.pair import pair
from hythe.tcp.connection import Connection
from hythe.units import NEVER, SECOND
from hythe.wire.pcapng import CapturedPacket, Reader

ADDRESSES = ("192.0.2.1", "192.0.2.2")
PORT = 80
BEGIN = 3_600 * SECOND


class Kept(io.BytesIO):
    """A file whose bytes outlive its end."""

    def close(self) -> None: ...


@dataclass
class Program:
    """What runs on one end: writes `pieces`, (ns after the opening, bytes); reads `greed` bytes each `pause` ns."""

    pieces: list[tuple[int, int]] = field(default_factory=list)
    ends: bool = True
    greed: int = 1 << 30
    pause: int = 0
    reset_at: int = 0  # bytes read, after which it drops the connection
    #: What to write, as `pieces` from now on, once so many bytes have been read altogether.
    answer: Callable[[int], list[tuple[int, int]]] | None = None
    enough: int = 0  # bytes read, after which it ends
    begun: int = -1
    waiting: int = 0
    taken: int = 0
    next_read: int = 0
    connection: Connection | None = None

    def own(self, connection: Connection) -> None:
        self.connection = connection
        connection.owner = self
        connection.note(0)

    def visit(self, connection: Connection, now: int) -> None:
        connection.news = 0
        self.turn(now)

    def turn(self, now: int) -> None:
        connection = self.connection
        if connection is None or connection.state < 2:
            return
        if self.begun < 0:
            self.begun = now
        self._read(connection, now)
        while self.pieces and self.begun + self.pieces[0][0] <= now:
            self.waiting += self.pieces.pop(0)[1]
        while self.waiting and (room := connection.reserve(self.waiting)):
            size = min(len(room), self.waiting)
            room[:size] = bytes(size)
            connection.commit(size)
            self.waiting -= size
        if not self.pieces and not self.waiting and self.ends:
            connection.shutdown()
        if (connection.at_eof and not self.waiting) or (self.enough and self.taken >= self.enough):
            connection.shutdown()

    def _read(self, connection: Connection, now: int) -> None:
        if now < self.next_read:
            return
        size = min(sum(map(len, connection.views())), self.greed)
        if not size:
            return
        connection.consume(size)
        self.taken += size
        if self.answer is not None:
            since = now - self.begun
            self.pieces += [(since + later, count) for later, count in self.answer(self.taken)]
        if self.reset_at and self.taken >= self.reset_at:
            connection.abort()
        self.next_read = now + self.pause

    def next_deadline(self) -> int:
        times = [self.begun + self.pieces[0][0]] if self.pieces and self.begun >= 0 else []
        if self.pause and self.connection is not None and self.connection.views():
            times.append(self.next_read)
        return min(times, default=NEVER)


class Side:
    """One host with its link, driven by hand."""

    def __init__(self, address: str, link: Link, seed: int, config: TcpConfig) -> None:
        settings = HostConfig(tcp=config, allow_privileged_ports=True)
        self.host = Host(settings, Random(seed), Random(seed).randbytes(16))
        self.interface = self.host.attach("wire", link, (Prefix.parse(f"{address}/24"),))
        self.program: Program = Program(ends=False)

    def turn(self, now: int) -> None:
        while packets := self.interface.link.receive(now, 64):
            for packet in packets:
                self.host.receive(packet, now, self.interface)
            self.visit(now)
        if self.host.next_deadline() <= now:
            self.host.fire(now)
        if self.program.next_deadline() <= now:
            assert self.program.connection is not None
            self.program.connection.note(0)
        self.visit(now)
        self.host.settle(now)

    def visit(self, now: int) -> None:
        while ready := self.host.take_ready():
            for item in ready:
                item.queued = False
                if item.owner is not None:
                    item.owner.visit(item, now)
                self.host.attend(item, now)


class Door:
    """Gives the first connection that comes to a program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def visit(self, listener: Any, now: int) -> None:
        listener.news = 0
        for connection in listener.take():
            self.program.own(connection)


@dataclass
class Play:
    """One situation: what runs at each end, what the wire does, up and down, and what the hosts are."""

    client: Callable[[], Program]
    server: Callable[[], Program]
    up: Plan = field(default_factory=Plan)
    down: Plan = field(default_factory=Plan)
    client_config: TcpConfig = field(default_factory=TcpConfig)
    server_config: TcpConfig = field(default_factory=TcpConfig)
    listens: bool = True
    length: int = 60 * SECOND

    def run(self, seed: int) -> tuple[bytes, bytes]:
        """The captures at the client and at the server, as pcapng."""
        files = (Kept(), Kept())
        near, far = pair(1_500, offload=False)
        wire = FaultLink(near, self.up, self.down, seed=seed)
        client = Side(ADDRESSES[0], Capture(wire, files[0], "near", 0), seed, self.client_config)
        server = Side(ADDRESSES[1], Capture(far, files[1], "far", 0), seed + 1, self.server_config)
        client.program, server.program = self.client(), self.server()
        if self.listens:
            server.host.listen(None, PORT).owner = Door(server.program)
        client.program.own(client.host.connect(Prefix.parse(ADDRESSES[1]).address, PORT, BEGIN))
        now, end = BEGIN, BEGIN + self.length
        parts = (wire, server.host, client.host, server.program, client.program)
        while now < end:
            wire.release(now)
            server.turn(now)
            client.turn(now)
            now = max(now, min(each.next_deadline() for each in parts))
        for each in (client, server):
            each.interface.link.close()
        return files[0].getvalue(), files[1].getvalue()


def packets(file: bytes) -> Iterator[CapturedPacket]:
    reader = Reader()
    yield from reader.feed(file)
    reader.end()
