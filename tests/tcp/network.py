"""Two hosts over a pair of unreliable channels, on virtual time.

What happens to a packet is decided by a `random.Random` alone, so a seed repeats a run exactly. Packets are what would be
on a wire: super-segments are cut, checksums are complete, and the ring they are delivered in is poisoned after each turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any

from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Interface, Prefix
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener
from hythe.tcp.states import CLOSED, SYN_RECEIVED
from hythe.units import MILLISECOND, NEVER
from hythe.wire import gso
from hythe.wire.checksum import checksum
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

ADDRESSES = ("10.0.0.1/24", "10.0.0.2/24")
ADDRESSES6 = ("fd00::1/64", "fd00::2/64")
PORT = 7


@dataclass
class Faults:
    """Odds of 0 to 1 for each packet; `delay` and `jitter` in nanoseconds. More jitter than spacing reorders."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    truncation: float = 0.0
    marking: float = 0.0  # CE on what is ECT: IPv4 only
    delay: int = 5 * MILLISECOND
    jitter: int = 0


class Channel:
    """The link of one host: what is sent here arrives at the other one, or does not."""

    def __init__(self, network: Network, side: int, mtu: int) -> None:
        self.network = network
        self.side = side
        self.mtu = mtu

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = b"".join((head[VNET_SIZE:], *payload))
        for piece in gso.cut(memoryview(data), len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT):
            assert len(piece) <= self.mtu, f"a packet of {len(piece)} bytes on a link of {self.mtu}"
            self.network.carry(self.side, piece, now)

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        return ()

    def fileno(self) -> int:
        return -1

    def close(self) -> None: ...


class Network:
    """The world of two hosts. `run` advances time from event to event."""

    def __init__(
        self,
        rng: Random,
        faults: Faults,
        mtu: int = 1_500,
        config: TcpConfig | None = None,
        *,
        configs: tuple[TcpConfig, TcpConfig] | None = None,
        version: int = 4,
    ) -> None:
        self.rng = rng
        self.faults = faults
        self.now = 1_000 * MILLISECOND
        self.cut_until = 0
        self.packets = 0
        self._wire: list[tuple[int, int, int, bytes]] = []
        self._serial = 0
        self._ring = Packet()
        self.addresses = ADDRESSES if version == 4 else ADDRESSES6
        self.hosts: list[Host] = []
        self.interfaces: list[Interface] = []
        for side, address in enumerate(self.addresses):
            tcp = configs[side] if configs else config or TcpConfig()
            host_config = HostConfig(tcp=tcp, allow_privileged_ports=True)
            host = Host(host_config, Random(rng.getrandbits(64)), rng.randbytes(16))
            self.hosts.append(host)
            self.interfaces.append(host.attach("net0", Channel(self, side, mtu), (Prefix.parse(address),)))
        self.listener: Listener = self.hosts[1].listen(None, PORT)

    def connect(self, app: App) -> Connection:
        """Have host 0 open a connection to host 1's listener for `app`."""
        remote = Prefix.parse(self.addresses[1]).address
        connection = self.hosts[0].connect(remote, PORT, self.now)
        app.own(connection)
        return connection

    def serve(self, make: Callable[[], App]) -> None:
        """Each connection that host 1's listener takes gets an app of its own."""
        self.listener.owner = _Acceptor(self, make)

    def heal(self) -> None:
        """From now on the network is perfect."""
        self.faults = Faults(delay=self.faults.delay)
        self.cut_until = 0

    def carry(self, side: int, data: bytes, now: int) -> None:
        """One packet leaves host `side`."""
        rng, faults = self.rng, self.faults
        self.packets += 1
        if now < self.cut_until or rng.random() < faults.loss:
            return
        for _ in range(2 if rng.random() < faults.duplication else 1):
            copy = data
            if faults.marking and copy[0] == 0x45 and copy[1] & 3 and rng.random() < faults.marking:
                copy = marked(copy)
            if rng.random() < faults.corruption:
                at = rng.randrange(len(copy))
                copy = copy[:at] + bytes([copy[at] ^ 1 << rng.randrange(8)]) + copy[at + 1 :]
            if rng.random() < faults.truncation:
                copy = copy[: rng.randrange(1, len(copy))]
            self._serial += 1
            at_time = now + faults.delay + (rng.randrange(faults.jitter) if faults.jitter else 0)
            heappush(self._wire, (at_time, self._serial, 1 - side, copy))

    def run(self, length: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let `length` nanoseconds pass, or less when `done`. Tells whether it was."""
        end = self.now + length
        self._turn()
        while not done():
            next_at = min([host.next_deadline() for host in self.hosts] + [self._wire[0][0] if self._wire else NEVER])
            if next_at > end:
                self.now = end
                return done()
            self.now = max(self.now, next_at)
            self._turn()
        return True

    def _turn(self) -> None:
        now = self.now
        while self._wire and self._wire[0][0] <= now:
            _, _, side, data = heappop(self._wire)
            self.hosts[side].receive(self._ring.fill(data), now, self.interfaces[side])
            self._visit(now)
            self._ring.poison()
        for host in self.hosts:
            if host.next_deadline() <= now:
                host.fire(now)
        self._visit(now)
        for host in self.hosts:
            host.settle(now)

    def _visit(self, now: int) -> None:
        for host in self.hosts:
            while host.around.ready:
                for item in host.take_ready():
                    item.queued = False
                    if item.owner is not None:
                        item.owner.visit(item, now)
                    host.attend(item, now)
                    if isinstance(item, Connection):
                        check_bounds(item)


def marked(packet: bytes) -> bytes:
    """An IPv4 packet with CE, and the header checksum of that."""
    head = bytearray(packet[:20])
    head[1] |= 3
    head[10:12] = bytes(2)
    head[10:12] = checksum(head).to_bytes(2, "big")
    return bytes(head) + packet[20:]


def check_bounds(connection: Connection) -> None:
    """What holds for every connection after every turn."""
    board = connection.scoreboard
    assert connection.snd_una <= connection.snd_nxt
    assert connection.recvq.held <= connection.rcv_limit + connection.mss_local
    assert len(connection.recvq.islands or ()) <= 1_024
    flight = connection.snd_nxt - connection.snd_una
    assert 0 <= board.resent <= board.lost <= flight + 1, board.records
    assert 0 <= board.sacked <= flight, board.records
    if connection.state != CLOSED and not (connection.early and connection.state == SYN_RECEIVED):
        assert sum(record.end - record.start for record in board.records) in (flight, 0)


class _Acceptor:
    def __init__(self, network: Network, make: Callable[[], App]) -> None:
        self.network = network
        self.make = make

    def visit(self, listener: Any, now: int) -> None:
        listener.news = 0
        for connection in listener.take():
            self.make().own(connection)


class App:
    """Sends `data` and then its end; keeps what it receives. `greed`: the most bytes it takes in one visit."""

    def __init__(self, data: bytes, greed: int = 1 << 30) -> None:
        self.data = data
        self.greed = greed
        self.received = bytearray()
        self.sent = 0
        self.ended = False
        self.connection: Connection | None = None

    def own(self, connection: Connection) -> None:
        self.connection = connection
        connection.owner = self
        connection.note(0)

    def visit(self, connection: Connection, now: int) -> None:
        connection.news = 0
        taken = 0
        for view in list(connection.views()):
            part = view[: self.greed - taken]
            self.received += part
            taken += len(part)
        if taken:
            connection.consume(taken)
            if connection.views():
                connection.note(0)
        while self.sent < len(self.data) and (room := connection.reserve(len(self.data) - self.sent)):
            size = len(room)
            room[:] = self.data[self.sent : self.sent + size]
            connection.commit(size)
            self.sent += size
        if self.sent == len(self.data):
            connection.shutdown()
        if connection.at_eof:
            self.ended = True
            if self.sent == len(self.data):
                connection.close(now)

    @property
    def error(self) -> int:
        return self.connection.error if self.connection is not None else 0
