"""One run of one cell in real time: two ends, each a process of its own, and the wire between them in this one.

The ends are forked, tell when they are ready, and begin and stop at times of the monotonic clock that all of them have.
All three ask to be woken before other programs: Linux's end needs no waking, because a kernel answers where it is called,
and hythe's shall not be measured by what else the machine does. Where that is not allowed, `Outcome.waited` shows it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
from dataclasses import asdict, dataclass
from time import monotonic_ns, process_time
from typing import TYPE_CHECKING, Any, Final

from hythe.errors import HytheError
from hythe.link.tun import Tun
from hythe.units import MILLISECOND, SECOND
from scoreboard import linux, ours, wire
from scoreboard.cells import MTU
from scoreboard.outcome import Outcome
from scoreboard.settings import CLIENT, SERVER

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from scoreboard.cells import Cell

#: From the last end being ready to the first SYN, and from the end of measuring to the last word of an end.
_RUN_UP: Final = 50 * MILLISECOND
_PATIENCE: Final = 10.0
#: asm-generic/socket.h: SO_SNDBUFFORCE; what a device's queue holds, a thousand packets.
_SO_SNDBUFFORCE: Final = 32
_QUEUE: Final = 2 << 20
#: What an end says first, and what it is told: when to begin and to stop.
_READY: Final = b"ready"
_WORDLESS: Final = "it ended without a word"
_ROOM: Final = 65_536
_CLIENT: Final = "client"
_SERVER: Final = "server"
_FORK: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Report:
    """`value`: what was found out. `worked`: seconds of a processor; `waited`: ns for one, each time on average."""

    value: Any
    worked: float
    waited: int


class TrialError(HytheError):
    """A run came to nothing; the message says what happened."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which stack sends and which receives: "linux" or "hythe"."""

    sender: str
    receiver: str

    @property
    def name(self) -> str:
        """What it is called in results."""
        return self.sender if self.sender == self.receiver else f"{self.sender} to {self.receiver}"


class End:
    """One end, seen from the process that forked it. `device`: where its packets come from and go to."""

    def __init__(self, stack: str, side: str, cell: Cell, paced: bool) -> None:
        self._name = f"{stack}'s {side}"
        self._control, control = socket.socketpair()
        self._control.settimeout(_PATIENCE)
        self._process = _FORK.Process(target=_live, args=(control, stack, side, cell, paced))
        self._process.start()
        control.close()
        data, descriptors, _, _ = socket.recv_fds(self._control, _ROOM, 1)
        if data != _READY:
            self._end()
            raise TrialError(f"{self._name} did not begin: {json.loads(data or b'{}').get('error', _WORDLESS)}")
        self.device = Tun(descriptors[0], MTU)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.device.close()
        self._end()

    def _end(self) -> None:
        """End the process, whatever it is doing."""
        self._control.close()
        self._process.kill()
        self._process.join()

    def start(self, start: int, end: int) -> None:
        """Tell it when."""
        self._control.send(json.dumps([start, end]).encode())

    def finish(self) -> Report:
        """What it has to tell. Raises `TrialError` if it failed."""
        answer = b""
        while chunk := self._control.recv(_ROOM):
            answer += chunk
        told = json.loads(answer or b"{}")
        if "error" in told or not told:
            raise TrialError(f"{self._name} failed: {told.get('error', _WORDLESS)}")
        return Report(**told)


def attempt(cell: Cell, pairing: Pairing, seed: int, paced: bool) -> Outcome:
    """`run`, and once more if that was disturbed."""
    outcome = run(cell, pairing, seed, paced=paced)
    return run(cell, pairing, seed, paced=paced) if outcome.disturbed(cell.rtt) else outcome


def run(cell: Cell, pairing: Pairing, seed: int, *, paced: bool = False) -> Outcome:
    """One run. Equal seeds lose equal packets of a flow, whoever sends. Raises `TrialError`, `MachineError`."""
    try:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(os.sched_setscheduler, 0, os.sched_getscheduler(0), os.sched_getparam(0))
            hurry(2)
            client = cleanup.enter_context(End(pairing.sender, _CLIENT, cell, paced))
            server = cleanup.enter_context(End(pairing.receiver, _SERVER, cell, paced))
            start = monotonic_ns() + _RUN_UP
            stop = start + int(cell.seconds * SECOND)
            client.start(start, stop)
            server.start(start, stop)
            worked, before = process_time(), waits()
            tally, late = wire.carry(client.device, server.device, cell.plans(), seed, stop)
            reports = {"wire": Report(None, process_time() - worked, mean_wait(before))}
            reports |= {_CLIENT: client.finish(), _SERVER: server.finish()}
    except (OSError, ValueError) as error:
        raise TrialError(f"{pairing.name}, {cell.name}: {type(error).__name__}: {error}") from error
    return Outcome(
        reports[_SERVER].value,
        cell.seconds,
        reports[_CLIENT].value,
        asdict(tally),
        late,
        {who: round(report.worked / cell.seconds, 3) for who, report in reports.items()},
        {who: report.waited for who, report in reports.items()},
    )


def _work(control: socket.socket, stack: str, side: str, cell: Cell, paced: bool) -> Any:
    """Make the device, hand its descriptor over, and do what is to be done between the times one is told."""
    hurry(1)
    client = side == _CLIENT
    if stack == "linux":
        device = linux.set_up(CLIENT if client else SERVER)
        listener = None if client else linux.listen()
        socket.send_fds(control, [_READY], [device])
        os.close(device)
        start, end = json.loads(control.recv(_ROOM))
        return linux.send(cell, start, end, paced) if listener is None else linux.receive(cell, end, listener)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in (near, far):
        with contextlib.suppress(PermissionError):  # it has the machine's usual size then
            each.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _QUEUE)
    socket.send_fds(control, [_READY], [far.fileno()])
    far.close()
    start, end = json.loads(control.recv(_ROOM))
    return ours.send(cell, start, end, paced, near) if client else ours.receive(cell, end, near)


def _live(control: socket.socket, stack: str, side: str, cell: Cell, paced: bool) -> None:
    """The life of a forked end: work, and tell of it."""
    worked, before = process_time(), waits()
    try:
        value = _work(control, stack, side, cell, paced)
        told = asdict(Report(value, process_time() - worked, mean_wait(before)))
    except (HytheError, OSError, ValueError) as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    control.sendall(json.dumps(told).encode())
    control.close()


def hurry(priority: int) -> None:
    """Ask to be woken before other programs. Not everybody may."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def waits() -> tuple[int, int]:
    """How long (ns) this process was ready to run and had no processor, and how often it ran. (0, 0): nobody tells."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as file:
            _, waited, turns = map(int, file.read().split())
    except FileNotFoundError:
        return 0, 0
    return waited, turns


def mean_wait(before: tuple[int, int]) -> int:
    """How long it waited on average each time, in ns, since `waits` said `before`."""
    (waited, turns), (waited_before, turns_before) = waits(), before
    return (waited - waited_before) // max(1, turns - turns_before)
