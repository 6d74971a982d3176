"""The gateway's end of one process that writes a capture: packets and notes go to it by a ring, and nobody waits for it.

Where the ring has no room nothing is put, and that is counted. So the more there is to write, the less it costs.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from typing import BinaryIO, Final

from hythe.gateway.capture import ring
from hythe.gateway.capture.reasons import Reasons
from hythe.gateway.capture.writer import REPORT, Sources, become_writer
from hythe.gateway.session import Answer, Session

#: Milliseconds that the writer may take at the end without writing anything.
_PATIENCE: Final = 5_000
#: What headers have at least: of a super-segment, the rest is cut.
_HEADERS: Final = 40


class Scribe:
    """A process that writes to `file`, from now on. The caller's `file` is closed."""

    def __init__(self, file: BinaryIO, sources: Sources) -> None:
        self._ring = sources.ring
        self._broken = False
        self._ended = False
        self._report, report = os.pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._pid = os.fork()
        if not self._pid:
            become_writer(file, sources, report)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(report)
        os.close(self._ring.bell)
        file.close()  # nothing has been written to it here

    @property
    def dropped(self) -> int:
        """Packets that found no room."""
        return self._ring.dropped

    def put(self, kind: int, now: int, parts: Sequence[bytes | memoryview], size: int, gso_size: int, checksum: int) -> bool:
        """A packet, of `size` bytes, if there is room. It is seen after the next `publish`."""
        count = -(-(size - _HEADERS) // gso_size) if gso_size else 1
        return self._ring.put(kind, now, parts, size, gso_size, checksum, count)

    def publish(self) -> None:
        """Show what was put."""
        if not self._broken:
            try:
                self._ring.publish()
            except BrokenPipeError:  # its report tells why
                self._broken = True

    # --- The notes

    def follow(self, session: Session, reasons: Reasons) -> None:
        """Note what the gateway is told by DNS, and what it sends again."""
        session.observers.append(self._observe)
        reasons.listen(self._announce)

    def leave(self, session: Session, reasons: Reasons) -> None:
        """No more notes."""
        session.observers.remove(self._observe)
        reasons.leave(self._announce)

    def _observe(self, kind: str, about: object) -> None:
        if isinstance(about, Answer) and self._ring.put(ring.ANSWER, about.now, (about.message,), len(about.message)):
            self.publish()

    def _announce(self, now: int, body: bytes) -> None:
        self._ring.put(ring.RESENT, now, (body,), len(body))

    # --- The end

    def end(self) -> None:
        """There will be no more to write; called again, nothing."""
        if not self._ended:
            self._ended = True
            self._ring.end()

    def kill(self) -> None:
        """End it now, whatever it has not written."""
        self.end()
        os.close(self._report)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def finish(self) -> list[str]:
        """Let it come to its end. What there is to tell of it, a sentence each."""
        self.end()
        told = select.poll()
        told.register(self._report, select.POLLIN)
        taken = -1
        while not told.poll(_PATIENCE):
            if taken == self._ring.taken:
                os.kill(self._pid, signal.SIGKILL)
            taken = self._ring.taken
        report = os.read(self._report, REPORT.size)
        os.close(self._report)
        os.waitpid(self._pid, 0)
        return self._sentences(report)

    def _sentences(self, report: bytes) -> list[str]:
        if not report:
            return ["the capture is not complete: the process that writes it was ended"]
        packets, number = REPORT.unpack(report)
        if number:
            return [f"the capture ended early, after {packets} packet{'s' * (packets != 1)}: {os.strerror(number)}"]
        dropped = self.dropped
        if dropped:
            return [
                f"the capture lacks {dropped} of {packets + dropped} packets, for they came faster than it could be written"
            ]
        return []
