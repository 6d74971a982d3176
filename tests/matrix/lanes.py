"""Transfers of the matrix, many at once: each on a device of its own, in processes with networks of their own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from random import Random
from time import monotonic_ns
from typing import Any, Final, NamedTuple

import hythe
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.device import IFF_TAP, IFF_TUN, TUNSETOFFLOAD, open_device
from hythe.link.faults import FaultFrameLink, FaultLink
from hythe.link.faults.wire import Wire
from hythe.tcp.connection import Connection
from hythe.units import MICROSECOND, MILLISECOND, SECOND
from hythe.wire import gso
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_PLAIN, VNET_SIZE
from tests import needs
from tests.matrix.cells import Cell
from tests.matrix.silence import Clock, Pulse, Silence, WatchedDirection

PROCESSES: Final = 2
#: Nothing here takes so long: what does is stuck, or has been unlucky beyond reason.
LIMIT: Final = 300.0
#: Where nothing goes wrong nobody may wait for a time-out: Linux TCP_RTO_MIN, and ours.
RTO_MIN: Final = 200 * MILLISECOND
#: The longest time-out of both ends, lest bad luck last for minutes; Linux before 6.15 has no choice but its two minutes.
RTO_MAX: Final = 4 * SECOND
_RTO_MAX_FILE: Final = "/proc/sys/net/ipv4/tcp_rto_max_ms"
_RTO_MAX_ALWAYS: Final = 120 * SECOND
_TCP_INFO: Final = 11
_PORT: Final = 7007
#: Questions for a neighbor, and their distance in ms: on a bad segment three are easily lost, and then there is no route.
_QUESTIONS: Final = 20
_DISTANCE: Final = 100
_ETHERNET: Final = hythe.EthernetConfig(
    dad_transmits=0, arp_probes=0, multicast_solicits=_QUESTIONS, retransmit_time=_DISTANCE * MILLISECOND
)
_CONFIG: Final = hythe.HostConfig(tcp=hythe.TcpConfig(nagle=False, rto_max=RTO_MAX), ethernet=_ETHERNET)


class Outcome(NamedTuple):
    """Of one cell: what is wrong ("" for nothing), its seconds, and the share of the allowed silence that was used.

    `stalled`: all bytes came, but late.
    """

    cell: Cell
    wrong: str
    stalled: bool
    seconds: float
    closest: float


def play(cells: Sequence[Cell], seed: int, *, lanes: int) -> list[Outcome]:
    """Every cell once, as the seed says; `lanes`: transfers at once in each process."""
    needs.network()
    pipes = []
    sys.stdout.flush()
    for process in range(PROCESSES):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _child(list(enumerate(cells))[process::PROCESSES], seed, lanes, writing)
        os.close(writing)
        pipes.append((pid, reading))
    found: list[Outcome] = []
    for pid, reading in pipes:
        with os.fdopen(reading) as answers:
            for line in answers:
                index, *rest = json.loads(line)
                found.append(Outcome(cells[index], *rest))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(found) == len(cells)
    return found


def _child(cells: list[tuple[int, Cell]], seed: int, lanes: int, writing: int) -> None:
    status = 1
    try:
        failed = needs.libc_unshare(needs.CLONE_NEWUSER | needs.CLONE_NEWNET)
        assert not failed, os.strerror(failed)
        if os.path.exists(_RTO_MAX_FILE):
            _set(_RTO_MAX_FILE, RTO_MAX // MILLISECOND)
        with os.fdopen(writing, "w") as answers:
            asyncio.run(_lanes(cells, seed, lanes, lambda *answer: print(json.dumps(answer), file=answers, flush=True)))
        status = 0
    except BaseException:  # it must not return into a second pytest
        os.write(2, traceback.format_exc().encode())
        raise
    finally:
        os._exit(status)


def _set(path: str, value: int) -> None:
    with open(path, "w") as setting:
        setting.write(str(value))


async def _lanes(cells: list[tuple[int, Cell]], seed: int, lanes: int, tell: Callable[..., None]) -> None:
    pulse = Pulse()
    beating = asyncio.create_task(pulse.beat())
    waiting = list(reversed(cells))

    async def lane() -> None:
        while waiting:
            index, cell = waiting.pop()
            begun = monotonic_ns()
            stalled = False
            transfer = Transfer(index, cell, seed, pulse)
            try:
                async with asyncio.timeout(LIMIT):
                    await transfer.run()
                wrong = transfer.judge()
                stalled = bool(wrong)
            except TimeoutError:
                wrong = f"not done after {LIMIT:.0f} s: {transfer}"
            except Exception:  # noqa: BLE001  # of one cell; the others go on, and it is told
                wrong = f"{traceback.format_exc()}{transfer}"
            tell(index, wrong, stalled, (monotonic_ns() - begun) / SECOND, transfer.closest)

    await asyncio.gather(*(lane() for _ in range(lanes)))
    beating.cancel()


class CuttingTun(hythe.Tun):
    """A device that takes no super-segments and sums nothing."""

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        for packet in _cut(head, payload):
            super().send(now, VNET_PLAIN + packet)


class CuttingTap(hythe.Tap):
    """The same for frames."""

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        for packet in _cut(head, payload):
            super().send_frame(now, header, VNET_PLAIN + packet)


def _cut(head: bytes, payload: Sequence[memoryview | bytes]) -> list[bytes]:
    flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
    data = b"".join((head[VNET_SIZE:], *payload))
    return gso.cut(data, len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT)


class Transfer:
    """Both ends of one cell. Its device and networks are those of `index`, its dice those of `seed` and of the cell."""

    def __init__(self, index: int, cell: Cell, seed: int, pulse: Pulse) -> None:
        self._index = index
        self._cell = cell
        self._rng = Random(f"{seed} {cell}")
        self._pulse = pulse
        net = f"10.{index >> 8}.{index & 255}." if cell.version == 4 else f"fd77:{index:x}::"
        self._kernel, self._ours = f"{net}1", f"{net}2"
        self._socket: socket.socket | None = None
        self._core: Any = None
        self._took = self._late = 0
        self._silences: tuple[Silence, ...] = ()
        self._wire: Wire[Any] | None = None

    def __str__(self) -> str:
        connection = self._connection()
        states = (connection.info() if connection is not None else "no connection", self._ask_kernel())
        wire = (self._wire.up.tally, self._wire.down.tally) if self._wire is not None else "no faults"
        return f"{states}, {wire}"

    @property
    def closest(self) -> float:
        """The greatest share of the allowed silence that was used."""
        return max((each.closest for each in self._silences), default=0.0)

    def judge(self) -> str:
        """What was wrong though all bytes came."""
        if not self._cell.faulty:
            late = self._pulse.late - self._late
            if self._took - late > RTO_MIN:
                return f"took {self._took / SECOND:.3f} s, {late / SECOND:.3f} s of them the machine's: {self}"
        assert all(each.closest for each in self._silences), "nobody was watched"
        return "\n".join(each for silence in self._silences for each in silence.wrong)

    async def run(self) -> None:
        """Make the device and the host, and move the bytes."""
        fd = self._device()
        held = os.dup(fd)
        prefix = 24 if self._cell.version == 4 else 64
        try:
            async with hythe.Host(
                f"{self._ours}/{prefix}", link=self._link(fd), config=_CONFIG, random=self._rng, secret=bytes(32)
            ) as host:
                self._core = host.core
                await self._exchange(host)
        finally:
            await asyncio.to_thread(os.close, held)  # the kernel takes 20 ms to be rid of a device: not from the others

    # --- The network

    def _device(self) -> int:
        """Our end of a new device."""
        cell = self._cell
        name = f"m{self._index}"
        fd, _ = open_device(name, IFF_TUN if cell.device == "tun" else IFF_TAP)
        if not cell.supers:
            fcntl.ioctl(fd, TUNSETOFFLOAD, 0)
        with RouteSocket() as routes:
            index = socket.if_nametoindex(name)
            routes.without_link_local(index)
            routes.set_mtu(index, cell.mtu)  # too little for IPv6, perhaps, which then is none of the device's
            routes.bring_up(index)
            family = socket.AF_INET if cell.version == 4 else socket.AF_INET6
            routes.add_address(index, socket.inet_pton(family, self._kernel), 24 if cell.version == 4 else 64)
        for key, value in (("mcast_solicit", _QUESTIONS), ("retrans_time_ms", _DISTANCE)):
            _set(f"/proc/sys/net/ipv{cell.version}/neigh/{name}/{key}", value)
        return fd

    def _link(self, fd: int) -> Any:
        """The device's link, with what goes wrong on it."""
        cell = self._cell
        link: Any
        if cell.device == "tun":
            link = (hythe.Tun if cell.supers else CuttingTun)(fd, cell.mtu, poison=True)
        else:
            link = (hythe.Tap if cell.supers else CuttingTap)(fd, cell.mtu, poison=True)
        if not cell.faulty:
            return link
        wire = self._wire = FaultLink(link) if cell.device == "tun" else FaultFrameLink(link)
        self._watch(wire)
        return wire

    def _watch(self, wire: Wire[Any]) -> None:
        now = monotonic_ns()
        most = RTO_MAX if os.path.exists(_RTO_MAX_FILE) else _RTO_MAX_ALWAYS
        ours = Silence("hythe", self._ask_ours, RTO_MAX, self._pulse, now)
        theirs = Silence("the kernel", self._ask_kernel, most, self._pulse, now)
        self._silences = ours, theirs
        plan, seed = self._cell.plan, self._rng.getrandbits(64)
        wire.up = wire._sent = WatchedDirection(plan, seed, up=True, sender=ours, receiver=theirs)
        wire.down = wire._received = WatchedDirection(plan, seed, up=False, sender=theirs, receiver=ours)

    def _connection(self) -> Connection | None:
        found = list(self._core.connections.values()) if self._core is not None else []
        return next((each for each in found if isinstance(each, Connection)), None)

    def _ask_ours(self) -> Clock | None:
        connection = self._connection()
        return None if connection is None else Clock(connection.rtt.rto, connection.rtt.backoff)

    def _ask_kernel(self) -> Clock | None:
        if self._socket is None or self._socket.fileno() < 0:
            return None
        info = self._socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 12)
        return Clock(struct.unpack_from("=I", info, 8)[0] * MICROSECOND, info[4])

    def _make_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET if self._cell.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        return made

    # --- The transfer

    async def _exchange(self, host: hythe.Host) -> None:
        """Each end sends as soon as it is connected, and reads until the other has ended."""
        ours, theirs = (self._rng.randbytes(self._cell.size) for _ in range(2))
        begun, self._late = monotonic_ns(), self._pulse.late
        connects = self._cell.role == "connects"
        accepted: asyncio.Future[tuple[bytes, asyncio.StreamWriter]] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connects:
                self._socket = writer.get_extra_info("socket")
            try:
                accepted.set_result((await _both_ways(reader, writer, theirs if connects else ours), writer))
            except (OSError, asyncio.CancelledError) as error:
                if not accepted.done():  # else nobody waits any more
                    accepted.set_exception(ConnectionError(f"the listening end: {error!r}"))

        made = self._make_socket()
        if connects:
            made.bind((self._kernel, _PORT))
            server: Any = await asyncio.start_server(serve, sock=made)
            client = await host.open_connection(self._kernel, _PORT)
        else:
            server = await host.start_server(serve, self._ours, _PORT)
            self._socket = made
            made.bind((self._kernel, _PORT))  # a port that is picked would give other dice each time
            await asyncio.get_running_loop().sock_connect(made, (self._ours, _PORT))
            client = await asyncio.open_connection(sock=made)
        answer = await _both_ways(*client, ours if connects else theirs)
        question, writer = await accepted
        self._took = monotonic_ns() - begun
        server.close()
        for each in (client[1], writer):
            each.transport.abort()  # all is read: what follows is no transfer any more
        assert (question, answer) == ((ours, theirs) if connects else (theirs, ours)), "other bytes came than were sent"


async def _both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send `data` and an end while reading to the end, and return what came. The socket stays, to be asked."""
    writer.write(data)
    writer.write_eof()
    return await reader.read(-1)
