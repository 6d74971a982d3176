"""The process that writes the capture: it takes what the ring holds, as hard as `pace` says.

It ends when hythe does, in whatever way, and then writes what is left first. Signals are hythe's: a ^C is to end the
command, not its capture.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from typing import BinaryIO, Final, NoReturn

from hythe.errors import ParseError
from hythe.gateway.api.lookups import Told
from hythe.gateway.capture import ring
from hythe.gateway.capture.flows import Flow, Flows
from hythe.gateway.capture.keylog import KeyLog, client_random, is_server_hello
from hythe.gateway.capture.owners import Owners
from hythe.gateway.capture.pace import REST, Pace
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


class Sources:
    """What the writer is given. `diag`, `keeper`: for `Owners`; `keys`: where the command logs its secrets, -1 for nowhere.

    `epoch`: nanoseconds since 1970 when the driver's clock read 0. `hosts`: names that are known from the start.
    """

    __slots__ = ("diag", "epoch", "hosts", "keeper", "keys", "ring")

    def __init__(self, ring: Ring, epoch: int, diag: int, keeper: int, keys: int, hosts: list[tuple[bytes, str]]) -> None:
        self.ring = ring
        self.epoch = epoch
        self.diag = diag
        self.keeper = keeper
        self.keys = keys
        self.hosts = hosts


def become_writer(file: BinaryIO, sources: Sources, report: int) -> NoReturn:
    """In a child of hythe. Never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for each in FORWARDED_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        close_all_but({2, file.fileno(), sources.ring.bell, sources.diag, sources.keys, report})
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
        self._ring = sources.ring
        self._epoch = sources.epoch
        self._keys = sources.keys
        self._hosts = sources.hosts
        self._flows = Flows(Owners(socket.socket(fileno=sources.diag), sources.keeper))
        self._log = KeyLog()
        self._told = Told()
        self._pace = Pace(sources.ring, time.monotonic_ns())
        self._ended = False
        self._out: pcapng.Writer
        self._interface = 0
        self._last = 0
        self.packets = 0

    def run(self) -> int:
        """Until hythe has ended. Returns 0, or the errno of a file that cannot be written any more."""
        try:
            self._out = pcapng.Writer(self._file)
            self._interface = self._out.add_interface("hythe0")
            self._out.names(self._hosts)
            while not self._ended:
                self._file.flush()
                self._listen(None)
                self._write_all()
            self._write_all()  # what came after the last look
            self._out.statistics(self._interface, self._last, self.packets + self._ring.dropped, self._ring.dropped)
            self._file.close()
        except OSError as error:
            return error.errno or 1
        return 0

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
            self._ended = self._ring.is_ended()
        if self._keys in ready:
            secrets = self._log.feed(os.read(self._keys, _READ))
            if secrets:
                self._out.secrets(secrets)

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
        self._last = self._epoch + record.now
        self.packets += len(pieces)
        if not comments:
            self._out.packets(self._interface, self._last, pieces, direction=direction)
            return
        at = 0
        for piece in pieces:
            end = at + max(1, record.gso_size or len(piece))
            comment = "\n".join(dict.fromkeys(text for first, last, text in comments if first < end and last > at))
            self._out.packet(self._interface, self._last, piece, direction=direction, comment=comment)
            at = end

    def _comments(self, record: Record, flow: Flow | None) -> list[tuple[int, int, str]]:
        """What to say of a packet: about bytes of its payload from, to; the first byte for what is about all of it."""
        found = []
        if record.missing:
            found.append((0, 1, f"{record.missing} packets before this one were not captured"))
        if flow is not None:
            owner = self._flows.owner(flow)
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
