"""The gateway's side of a capture: a link that copies what passes into the ring, and notes of what the packets do not tell.

Where the ring has no room the packet passes all the same, uncopied: traffic never waits for a disk. So the more there is
to write, the less it costs, and unlimited bulk is captured as far as the writer keeps up.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from hythe.gateway.capture import ring
from hythe.gateway.capture.flows import announcement
from hythe.gateway.capture.ring import Ring
from hythe.gateway.capture.writer import REPORT, Sources, become_writer
from hythe.gateway.pumps import Splice
from hythe.gateway.session import Answer, FlowRecord
from hythe.link.base import Link
from hythe.tcp.trace import Decision, RecoveryEntered, Retransmitted, TimedOut
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.layout import Layout
    from hythe.gateway.namespace import Room

#: Milliseconds that the writer may take at the end without writing anything.
_PATIENCE: Final = 5_000
#: What headers have at least: of a super-segment, the rest is cut.
_HEADERS: Final = 40


class Recorder:
    """A link on `link` that has all packets written to `file`, with its own process for that."""

    def __init__(self, link: Link, file: BinaryIO, room: Room, layout: Layout) -> None:
        self._link = link
        self._ring = Ring()
        self._broken = False
        self._gateway: Gateway | None = None
        keys = room.capture_fds[1] if len(room.capture_fds) > 1 else -1
        hosts = [(each.gateway, "gateway.hythe.internal") for each in layout.families]
        epoch = time.time_ns() - time.monotonic_ns()
        sources = Sources(self._ring, epoch, room.capture_fds[0], room.pid, keys, hosts)
        self._report, report = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._writer = os.fork()
        if not self._writer:
            become_writer(file, sources, report)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(report)
        os.close(self._ring.bell)
        file.close()  # nothing has been written to it here

    # --- The link

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        packets = self._link.receive(now, limit)
        if packets:
            put, news = self._ring.put, False
            for packet in packets:
                size, gso_size = packet.length, packet.gso_size
                count = -(-(size - _HEADERS) // gso_size) if gso_size else 1
                news |= put(ring.FROM_COMMAND, now, (packet.view[:size],), size, gso_size, packet.checksum, count)
            if news:
                self._publish()
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        self._link.send(now, head, payload)
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        parts = (head[VNET_SIZE:], *payload)
        size = sum(map(len, parts))
        count = -(-(size - _HEADERS) // gso_size) if gso_size else 1
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        if self._ring.put(ring.TO_COMMAND, now, parts, size, gso_size, state, count):
            self._publish()

    def _publish(self) -> None:
        if not self._broken:
            try:
                self._ring.publish()
            except BrokenPipeError:  # its report tells why
                self._broken = True

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._link.fileno()

    def close(self) -> None:
        """Close the link below."""
        self._link.close()

    # --- The notes

    def follow(self, gateway: Gateway) -> None:
        """Note what it decides and tells."""
        self._gateway = gateway
        gateway.session.observers.append(self._observe)

    def _observe(self, kind: str, about: object) -> None:
        if isinstance(about, Answer):
            if self._ring.put(ring.ANSWER, about.now, (about.message,), len(about.message)):
                self._publish()
        elif kind == "opened" and isinstance(about, FlowRecord) and self._gateway is not None:
            flow = self._gateway.session.live.get(about.number)
            if isinstance(flow, Splice):
                flow.connection.trace = _Reasons(flow.connection.key, self._announce)

    def _announce(self, key: bytes, decision: Retransmitted, why: str) -> None:
        """It comes by the wire, and may take its time there."""
        wire = self._gateway.wire if self._gateway is not None else None
        earliest = decision.now + (wire.down.plan.delay if wire is not None else 0)
        body = announcement(key, decision.start, decision.end, earliest, why)
        self._ring.put(ring.RESENT, decision.now, (body,), len(body))

    # --- The end

    def finish(self) -> list[str]:
        """Let the writer come to its end. What there is to tell of it, a sentence each."""
        self._ring.end()
        told = select.poll()
        told.register(self._report, select.POLLIN)
        taken = -1
        while not told.poll(_PATIENCE):
            if taken == self._ring.taken:
                os.kill(self._writer, signal.SIGKILL)
            taken = self._ring.taken
        report = os.read(self._report, REPORT.size)
        os.close(self._report)
        os.waitpid(self._writer, 0)
        return self._sentences(report)

    def _sentences(self, report: bytes) -> list[str]:
        if not report:
            return ["the capture is not complete: the process that writes it was ended"]
        packets, number = REPORT.unpack(report)
        if number:
            return [f"the capture ended early, after {packets} packets: {os.strerror(number)}"]
        dropped = self._ring.dropped
        if dropped:
            return [
                f"the capture lacks {dropped} of {packets + dropped} packets, for they came faster than it could be written"
            ]
        return []


class _Reasons:
    """What a connection decides: remembers why something counts as lost, for when it is sent again."""

    __slots__ = ("_announce", "_key", "_loss")

    def __init__(self, key: bytes, announce: Callable[[bytes, Retransmitted, str], None]) -> None:
        self._key = key
        self._announce = announce
        self._loss = ""

    def __call__(self, decision: Decision) -> None:
        """As `ControlBlock.trace`."""
        if isinstance(decision, RecoveryEntered):
            self._loss = f"{decision.reason}, {decision.section}"
        elif isinstance(decision, TimedOut):
            self._loss = f"time-out {decision.tries}, {decision.section}"
        elif isinstance(decision, Retransmitted):
            why = self._loss if decision.reason == "lost" and self._loss else decision.section
            self._announce(self._key, decision, f"retransmission: {decision.reason} ({why})")
