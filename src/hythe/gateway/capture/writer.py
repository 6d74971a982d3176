"""The process that writes the capture: it takes what the ring holds, as hard as `pace` says.

It ends when hythe does, in whatever way, and then writes what is left first. Signals are hythe's: a ^C is to end the
command, not its capture.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

from hythe.errors import ParseError
from hythe.gateway.api.lookups import Told
from hythe.gateway.capture import ring
from hythe.gateway.capture.flows import Flow, Flows
from hythe.gateway.capture.keylog import KeyLog, client_random, is_server_hello
from hythe.gateway.capture.owners import Owners, enter
from hythe.gateway.capture.pace import COLLECT, REST, Pace
from hythe.gateway.capture.ring import Record, Ring
from hythe.gateway.namespace import FORWARDED_SIGNALS
from hythe.gateway.namespace.descriptors import close_all_but
from hythe.gateway.namespace.syscalls import name_process
from hythe.units import MILLISECOND, SECOND
from hythe.wire import gso, pcapng

#: What is left to hythe when the writer ends: packets written, errno of what kept it from writing more.
REPORT: Final = struct.Struct("=QI")

#: How long a packet waits for its secrets, from its capture on: the client has to read and answer it.
_PATIENCE: Final = 1 * SECOND
_READ: Final = 65_536
#: The part of the ring that may wait before names of processes do.
_BEHIND: Final = 16


@dataclass(slots=True)
class Sources:
    """What a writer is given, and how much it is to keep.

    `epoch`: nanoseconds since 1970 when the driver's clock read 0. `diag`, `keeper`: for `Owners`; without a `diag`, -1, the
    writer opens one, and without a `keeper`, 0, nobody is known. `hosts`, `answers`, `secrets`: names, messages of DNS and
    lines of the key log that are known from the start. `keys`: where more lines can be read; `tell`: where they are written,
    for others; -1 for nowhere. `snaplen`: so many bytes of each packet, 0 for all.
    """

    ring: Ring
    epoch: int
    diag: int
    keeper: int
    hosts: Sequence[tuple[bytes, str]]
    answers: Sequence[bytes] = ()
    secrets: bytes = b""
    keys: int = -1
    tell: int = -1
    snaplen: int = 0


def become_writer(file: BinaryIO, sources: Sources, report: int) -> NoReturn:
    """In a child of hythe. Never returns."""
    status = 1
    try:
        gc.freeze()  # what is garbage here may close descriptors that it does not know are others by now
        signal.set_wakeup_fd(-1)
        for each in FORWARDED_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        close_all_but({2, file.fileno(), sources.ring.bell, sources.diag, sources.keys, sources.tell, report})
        name_process("hythe-capture")
        writer = Writer(file, sources)
        number = writer.run()
        os.write(report, REPORT.pack(writer.packets, number))
        status = 0
    finally:
        os._exit(status)


class Writer:
    """`packets`: written, as on a wire."""

    def __init__(self, file: BinaryIO, sources: Sources) -> None:
        self._file = file
        self._sources = sources
        self._ring = sources.ring
        self._keys = sources.keys
        self._remark = ""
        self._flows = Flows(self._owners())
        self._log = KeyLog()
        self._told = Told()
        self._pace = Pace(sources.ring, time.monotonic_ns())
        self._heard = False  # the bell, since `_write_all` began
        self._ended = False
        self._out: pcapng.Writer
        self._interface = 0
        self._last = 0
        self.packets = 0

    def _owners(self) -> Owners:
        sources = self._sources
        if not sources.keeper:
            return Owners(None, 0)
        try:
            diag = socket.socket(fileno=sources.diag) if sources.diag >= 0 else enter(sources.keeper)
        except OSError as error:
            self._remark = f"whose the packets are is not told: the command's network cannot be entered ({error.strerror})"
            return Owners(None, sources.keeper)
        return Owners(diag, sources.keeper)

    def run(self) -> int:
        """Until hythe has ended. Returns 0, or the errno of a file that cannot be written any more."""
        try:
            self._out = pcapng.Writer(self._file)
            self._interface = self._out.add_interface("hythe0", snaplen=self._sources.snaplen, comment=self._remark)
            self._begin()
            while not self._ended:
                self._file.flush()
                if self._pace.collects(time.monotonic_ns()):
                    time.sleep(COLLECT)
                if not self._heard:
                    self._listen(None)
                self._heard = False
                self._write_all()
            self._write_all()  # what came after the last look
            self._out.statistics(self._interface, self._last, self.packets + self._ring.dropped, self._ring.dropped)
            self._file.close()
        except OSError as error:
            return error.errno or 1
        return 0

    def _begin(self) -> None:
        """What is known from the start."""
        self._out.names(self._sources.hosts)
        for message in self._sources.answers:
            self._out.names(self._told.fresh(message))
        self._keep_secrets(self._sources.secrets)

    def _write_all(self) -> None:
        """What is there. At the end nothing is in the way of hurrying."""
        clock, pace = time.monotonic_ns, self._pace
        pace.begin(clock())
        for record in self._ring.records():
            self._take(record)
            if pace.look(clock()) and not self._ended:
                self._listen(0)
                time.sleep(REST)
                pace.begin(clock())

    def _listen(self, timeout: int | None) -> None:
        """Until something has come, or for `timeout` ms."""
        poll = select.poll()
        poll.register(self._ring.bell, select.POLLIN)
        if self._keys >= 0:
            poll.register(self._keys, select.POLLIN)
        ready = dict(poll.poll(timeout))
        if self._ring.bell in ready:
            self._heard = True
            self._ended = self._ring.is_ended()
        if self._keys in ready:
            self._keep_secrets(os.read(self._keys, _READ))

    def _keep_secrets(self, lines: bytes) -> None:
        secrets = self._log.feed(lines)
        if not secrets:
            return
        self._out.secrets(secrets)
        if self._sources.tell >= 0:
            with suppress(BlockingIOError, BrokenPipeError):  # hythe has no time for them, or has ended
                os.write(self._sources.tell, secrets)

    def _take(self, record: Record) -> None:
        if record.kind == ring.RESENT:
            self._flows.announce(record.body)
        elif record.kind == ring.ANSWER:
            self._out.names(self._told.fresh(bytes(record.body)))
        else:
            self._write(record)

    # --- Packets

    def _write(self, record: Record) -> None:
        body = record.body
        flow = self._flows.of(body, record.kind)
        if flow is not None and self._keys >= 0 and flow.segment is not None:
            self._await_secrets(flow, body[flow.segment.text :], record.now)
        comments = self._comments(record, flow)
        try:
            pieces = gso.cut(body, len(body), record.gso_size, record.checksum)
        except ParseError:
            pieces = [bytes(body)]  # garbage is worth seeing, too
        direction = pcapng.OUTBOUND if record.kind == ring.FROM_COMMAND else pcapng.INBOUND  # as the command sees it
        self._last = self._sources.epoch + record.now
        self.packets += len(pieces)
        keep = self._sources.snaplen
        if not (comments or keep):
            self._out.packets(self._interface, self._last, pieces, direction=direction)
            return
        at = 0
        for piece in pieces:
            end = at + max(1, record.gso_size or len(piece))
            comment = "\n".join(dict.fromkeys(text for first, last, text in comments if first < end and last > at))
            self._out.packet(
                self._interface,
                self._last,
                piece[:keep] if keep else piece,
                length=len(piece),
                direction=direction,
                comment=comment,
            )
            at = end

    def _comments(self, record: Record, flow: Flow | None) -> list[tuple[int, int, str]]:
        """What to say of a packet: about bytes of its payload from, to; the first byte for what is about all of it."""
        found = []
        if record.missing:
            found.append((0, 1, f"{record.missing} packets before this one were not captured"))
        if flow is not None:
            owner = self._flows.owner(flow, hurried=self._ring.used > self._ring.size // _BEHIND)
            if owner:
                found.append((0, 1, owner))
            found += self._flows.again(flow, record.kind, record.now)
        return found

    def _await_secrets(self, flow: Flow, text: memoryview, now: int) -> None:
        """Hold back a server's hello, and so all that follows, until the secrets are there, as far as that can wait."""
        flow.random = client_random(text) or flow.random
        if not flow.random or not is_server_hello(text):
            return
        while not (self._log.knows(flow.random) or self._ended or self._ring.used > self._ring.size // 2):
            left = now + _PATIENCE - time.monotonic_ns()
            if left <= 0:
                return
            self._listen(-(-left // MILLISECOND))
