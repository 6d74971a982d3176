"""Plays a script against a stack: the one loop that both ways of running share.

Theory of operation. Events happen in the order of the file. Before each the stack is given the time until it
(`Stack.advance`); a packet that comes in is put on the wire, a call is made, and an expected packet is waited for until
its time has passed by more than the tolerance. A call that blocks is begun at its first time and looked at again at its
second. Times without a sign count from the beginning of the script, the others from the event before.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from hythe.pkt.code import Program, Wrong
from hythe.pkt.compare import Flow
from hythe.pkt.constants import CONSTANTS, value
from hythe.pkt.report import Row, expected_text, seconds, seen_text, side_by_side
from hythe.pkt.script import (
    ANYTHING,
    Anything,
    Call,
    Code,
    Event,
    Icmp,
    PacketEvent,
    Script,
    ScriptError,
    Shell,
    Tcp,
    Time,
)
from hythe.pkt.settings import Settings
from hythe.pkt.shell import Setting, settings_of
from hythe.pkt.wireform import Seen
from hythe.units import SECOND
from hythe.wire.segment import ACK, SYN

#: How long ``*`` waits.
_ANY_TIME: Final = 10 * SECOND
#: Calls that return a new descriptor.
_MAKES: Final = frozenset({"socket", "accept", "accept4", "epoll_create", "epoll_create1"})
_REMOTE_PORTS: Final = 53_055


class Failure(Exception):  # noqa: N818 - a verdict on the stack, no error of ours
    """The stack did something else than the script expects."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call returned: `result` (-1 with `error` an errno), and what it put into which argument."""

    result: int
    error: int = 0
    outputs: Mapping[int, object] = field(default_factory=dict)


class Pending(Protocol):
    """A call that was begun. `done_at`: when it returned."""

    done_at: int

    def outcome(self) -> Outcome | None:
        """What it returned, None while it blocks."""


class Stack(Protocol):
    """What a script runs against. Times are nanoseconds since the script began."""

    def advance(self, until: int) -> None:
        """Let time pass."""

    def inject(self, data: bytes) -> None:
        """A packet comes in."""

    def next_packet(self, until: int) -> Seen | None:
        """The next packet that left, waiting for it as long as until then."""

    def call(self, name: str, arguments: Sequence[object], *, blocks: bool) -> Pending:
        """Begin a system call; `blocks`: the script says that it takes a while. KeyError for one that is not known."""

    def configure(self, setting: Setting) -> None:
        """Set a sysctl, for what begins from now on. Raises `ScriptError`."""

    def info(self) -> Mapping[str, int]:
        """The ``tcp_info`` of the socket accepted or connected last."""


class Run:
    """One run of one script. `tolerance`: nanoseconds that things may be early or late."""

    def __init__(self, script: Script, settings: Settings, stack: Stack, tolerance: int) -> None:
        self._script = script
        self._settings = settings
        self._stack = stack
        self._tolerance = tolerance
        self._base = 0
        self._flow = Flow(settings, settings.bind_port, _REMOTE_PORTS, tolerance)
        self._flows = [self._flow]  # in the order they were begun
        self._ahead: deque[Seen] = deque()  # left, and looked at before its turn
        self._first_syn: int | None = None
        self._rows: list[Row] = []
        self._program = Program(script.path)
        self._labels: dict[object, int] = {}  # the script's descriptors -> the stack's
        self._clients: list[object] = []  # descriptors that were connected
        self._blocked: list[tuple[int, int, Call, Pending]] = []  # until, line, call, what was begun

    def __call__(self) -> None:
        """Play it all. Raises `Failure` with the whole story, or `ScriptError`."""
        for event in self._script.events:
            self._event(event)
        self._settle_blocked(None)

    def _event(self, event: Event) -> None:
        try:
            start, end = self._times(event.time)
            action = event.action
            if isinstance(action, PacketEvent) and not action.inbound:
                self._expect(event, action, start, end)
                self._settle_blocked(0)
                return
            self._settle_blocked(start)
            self._stack.advance(start)
            if isinstance(action, PacketEvent):
                self._inject(event.line, action)
            elif isinstance(action, Call):
                self._call(event.line, action, start, event.time)
            elif isinstance(action, Code):
                self._check(event.line, action)
            elif isinstance(action, Shell):
                for setting in settings_of(self._script, event.line, action):
                    self._stack.configure(setting)
            self._base = start
            self._settle_blocked(0)
        except Failure as failure:
            if "\n" in str(failure) or str(failure).startswith(self._script.path):
                raise
            raise Failure(f"{self._script.path}:{event.line}: {failure}") from failure

    def _times(self, time: Time) -> tuple[int, int]:
        base = self._base if time.relative else 0
        if time.any:
            return 0, base + _ANY_TIME
        start = base + time.at
        return start, base + time.until if time.until is not None else start

    # --- Packets

    def _inject(self, line: int, action: PacketEvent) -> None:
        what = action.what
        if action.ports is not None:
            self._named(action.ports[1], action.ports[0], new=True)
        if isinstance(what, Tcp) and what.flags & (SYN | ACK) == SYN:
            if (
                action.ports is None and self._flow.over and what.seq == self._first_syn
            ):  # a new client, from a port of its own
                self._new_flow(self._settings.bind_port, self._flow.remote_port + 1)
            self._first_syn = what.seq
        try:
            data = self._flow.inbound(action)
        except KeyError as error:
            wanted = " ".join(what.words) if isinstance(what, Icmp) else error.args[0]
            raise ScriptError(self._script.path, line, f"expected words that ICMP knows, found {wanted!r}") from error
        self._rows.append(Row(line, expected_text(action), ""))
        self._stack.inject(data)

    def _new_flow(self, local_port: int, remote_port: int) -> None:
        self._flow = Flow(self._settings, local_port, remote_port, self._tolerance)
        self._flows.append(self._flow)

    def _named(self, ours: int, theirs: int, *, new: bool) -> None:
        """The script speaks of ports: the flow it calls so, the one of now if it has no name yet, else a `new` one."""
        found = next((each for each in reversed(self._flows) if each.named == (ours, theirs)), None)
        if found is not None:
            self._flow = found
            return
        if new and self._flow.ports != (ours, theirs):
            self._new_flow(ours, theirs)
        if self._flow.named is None:
            self._flow.named = (ours, theirs)

    def _flow_of(self, seen: Seen) -> Flow:
        """What a packet belongs to: the flow of now, or one from before whose ports it bears."""
        if seen.ports == self._flow.ports:
            return self._flow
        return next((each for each in reversed(self._flows) if each.ports == seen.ports), self._flow)

    def _expect(self, event: Event, action: PacketEvent, start: int, end: int) -> None:
        parts: list[Seen] = []
        if action.ports is not None:
            self._named(*action.ports, new=False)
        while not parts or self._flow.goes_on(action, parts):
            self._settle_blocked(start)
            seen = self._next(end + self._tolerance, icmp=isinstance(action.what, Icmp))
            if seen is None:
                break
            if not parts and self._is_of_before(action, seen):
                continue
            parts.append(seen)
        if not parts:
            self._failed(event.line, action, [], "expected a packet, but none left in time")
        if not isinstance(action.what, Icmp):
            self._flow = self._flow_of(parts[0])
        flow = self._flow
        flow.learn(action, parts[-1])
        differences = flow.differences(action, parts, more=self._more_follows())
        if differences:
            self._failed(event.line, action, parts, "the packet is another: " + "; ".join(differences))
        for part in (parts[0], parts[-1]):
            if not start - self._tolerance <= part.at <= end + self._tolerance:
                when = seconds(start) if end == start else f"{seconds(start)}~{seconds(end)}"
                self._failed(event.line, action, parts, f"the packet left at {seconds(part.at)}, expected {when}")
        self._rows.append(Row(event.line, expected_text(action), seen_text(parts, self._flow)))
        self._base = parts[0].at if event.time.any or event.time.until is not None else start

    def _is_of_before(self, action: PacketEvent, seen: Seen) -> bool:
        """Does a packet belong to an older socket, and not answer what the script expects? It is then none of its affair."""
        flow = self._flow_of(seen)
        return flow is not self._flow and seen.ports == flow.ports and bool(flow.differences(action, [seen], more=True))

    def _next(self, until: int, *, icmp: bool = False) -> Seen | None:
        """The next packet; of ICMP a script need not speak."""
        if self._ahead:
            return self._ahead.popleft()
        while True:
            seen = self._stack.next_packet(until)
            if seen is None or self._flow.concerns(seen, icmp=icmp):
                return seen

    def _more_follows(self) -> bool:
        """Is what has left so far not all that the program has written?"""
        seen = self._next(0)
        if seen is not None:
            self._ahead.appendleft(seen)
        return seen is not None or self._stack.info().get("tcpi_notsent_bytes", 0) > 0

    def _failed(self, line: int, action: PacketEvent, parts: list[Seen], why: str) -> None:
        self._rows.append(Row(line, expected_text(action), seen_text(parts, self._flow) if parts else ""))
        after = self._next(0)
        if parts and after is not None:
            self._rows.append(Row(line, "", seen_text([after], self._flow)))
        raise Failure(f"{self._script.path}:{line}: {why}\n{side_by_side(self._rows)}")

    # --- Calls

    def _call(self, line: int, call: Call, start: int, time: Time) -> None:
        try:
            arguments = self._arguments(call)
            self._follow(call, arguments)
            pending = self._stack.call(call.name, arguments, blocks=call.blocks_until is not None)
        except KeyError as error:
            raise ScriptError(
                self._script.path, line, f"expected a call or a name we know, found {error.args[0]}"
            ) from error
        except IndexError as error:
            raise ScriptError(self._script.path, line, f"expected more arguments to {call.name}") from error
        except (AttributeError, OverflowError, TypeError, ValueError) as error:
            raise ScriptError(self._script.path, line, f"expected arguments that {call.name} can have: {error}") from error
        if call.blocks_until is not None:
            until = call.blocks_until + (start - time.at)
            if pending.outcome() is not None and until > start + self._tolerance:
                raise Failure(f"{call.name} returned at once, expected it to block until {seconds(until)}")
            self._blocked.append((until, line, call, pending))
            return
        self._judge(line, call, arguments, pending)

    def _arguments(self, call: Call) -> list[object]:
        """What the arguments stand for. A script's descriptors are names: they become those that the stack gave."""
        found = [value(each) for each in call.arguments]
        labels = self._labels
        if call.name == "epoll_ctl" and len(found) > 2:
            found[2] = labels.get(found[2], found[2])
        if found and isinstance(found[0], int) and call.name not in ("socket", "epoll_create", "epoll_create1"):
            found[0] = labels.get(found[0], found[0])
        elif found and isinstance(found[0], list):  # poll
            found[0] = [
                each | {"fd": labels.get(each.get("fd"), -1)} if isinstance(each, dict) else each for each in found[0]
            ]
        return found

    def _follow(self, call: Call, arguments: Sequence[object]) -> None:
        """The packets to come belong to the socket that is connected next; a closed one makes room for another."""
        which = call.arguments[0] if call.arguments else ANYTHING
        if (call.name == "connect" or _opens_fast(call.name, arguments)) and which not in self._clients:
            self._clients.append(which)
            self._new_flow(self._settings.bind_port, self._settings.connect_port)
        elif call.name == "close":
            self._flow.over = True
            if which in self._clients:
                self._clients.remove(which)

    def _settle_blocked(self, until: int | None) -> None:
        """Judge the blocked calls that have returned, and those that should have before `until` (all of them for None)."""
        for entry in sorted(self._blocked, key=lambda each: each[0]):
            due, line, call, pending = entry
            if pending.outcome() is None:
                if until is not None and due + self._tolerance >= until:
                    continue
                self._stack.advance(due + self._tolerance)
            self._blocked.remove(entry)
            self._judge(line, call, self._arguments(call), pending)
            if abs(pending.done_at - due) > self._tolerance:
                when = f"returned at {seconds(pending.done_at)}, expected {seconds(due)}"
                raise Failure(f"{self._script.path}:{line}: {call.name} {when}")

    def _check(self, line: int, code: Code) -> None:
        try:
            self._program.run(line, code, self._stack.info())
        except Wrong as wrong:
            raise Failure(f"{self._script.path}:{wrong.line}: {wrong}") from wrong

    def _judge(self, line: int, call: Call, arguments: Sequence[object], pending: Pending) -> None:
        outcome = pending.outcome()
        place = f"{self._script.path}:{line}: {call.name}"
        if outcome is None:
            raise Failure(f"{place} blocks, expected it to return {_result_text(call.result, call.error)}")
        if call.name in _MAKES and isinstance(call.result, int) and call.result >= 0 <= outcome.result:
            self._labels[call.result] = outcome.result
            return
        result, name = outcome.result, errno.errorcode.get(outcome.error, "")
        wrong = not isinstance(call.result, Anything) and result != call.result
        if wrong or (call.error and outcome.error != getattr(errno, call.error, -1)):  # EOPNOTSUPP has two names
            raise Failure(f"{place} returned {_result_text(result, name)}, expected {_result_text(call.result, call.error)}")
        for index, produced in outcome.outputs.items():
            wanted = arguments[index] if index < len(arguments) else ANYTHING
            if not agrees(wanted, produced):
                raise Failure(f"{place} gave {produced!r}, expected {wanted!r}")


def _opens_fast(name: str, arguments: Sequence[object]) -> bool:
    """Does a call connect and send in one?"""
    at = {"sendto": 3, "sendmsg": 2}.get(name, len(arguments))
    flags = arguments[at] if at < len(arguments) else 0
    return isinstance(flags, int) and bool(flags & CONSTANTS["MSG_FASTOPEN"])


def agrees(wanted: object, produced: object) -> bool:
    """Does what a call gave back have all that the script names?"""
    if isinstance(wanted, Anything) or isinstance(produced, Anything):
        return True
    if isinstance(wanted, list) and isinstance(produced, list):
        return len(wanted) == len(produced) and all(map(agrees, wanted, produced))
    if isinstance(produced, list) and len(produced) == 1:
        return agrees(wanted, produced[0])
    if isinstance(wanted, list) and len(wanted) == 1:
        return agrees(wanted[0], produced)
    if isinstance(wanted, dict) and isinstance(produced, dict):
        return all(agrees(wanted[name], produced[name]) for name in wanted if name in produced)
    if isinstance(wanted, int) and isinstance(produced, int) and wanted >> 31 == 1:
        return wanted == produced & 0xFFFFFFFF  # a script does not say whether it has a sign
    return wanted == produced


def _result_text(result: int | Anything, error: str) -> str:
    return f"{'*' if isinstance(result, Anything) else result}{f' {error}' if error else ''}"
