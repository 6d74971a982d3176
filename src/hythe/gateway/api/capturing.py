"""The packets of a session as a stream of pcapng, for whoever asks: what `--capture` writes, into a pipe.

Each caller has a process that writes for him, and what he does not read in time is missing there. In the loop that carries
the traffic, packets are copied into memory that is shared with that process, and what it has written is passed on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from hythe.gateway.capture import ring
from hythe.gateway.capture.reasons import Reasons
from hythe.gateway.capture.ring import Ring
from hythe.gateway.capture.scribe import Scribe
from hythe.gateway.capture.writer import Sources
from hythe.gateway.session import Session
from hythe.gateway.wiring import Wiring
from hythe.units import KIB, MIB

if TYPE_CHECKING:
    from hythe.gateway.capture.recorder import Recorder

#: Bytes that wait for one caller, before they are written; and then.
ROOM: Final = 32 * MIB
_PIPE: Final = 512 * KIB
#: Bytes passed on between two turns of the loop.
_PIECE: Final = 128 * KIB


class Place(NamedTuple):
    """`keeper`: a process in the command's namespaces, 0 where it is elsewhere. `hosts`: names known from the start.

    `epoch`: nanoseconds since 1970 when the driver's clock read 0.
    """

    keeper: int
    hosts: Sequence[tuple[bytes, str]]
    epoch: int


class Capturing:
    """Of one session. `recorder`: where its secrets of TLS can be learnt, if anywhere."""

    def __init__(self, wiring: Wiring, session: Session, reasons: Reasons, recorder: Recorder | None, place: Place) -> None:
        self.wiring = wiring
        self.session = session
        self.reasons = reasons
        self.recorder = recorder if recorder is not None and recorder.keyed else None
        self.place = place
        self._callers: set[_Caller] = set()

    @property
    def busy(self) -> bool:
        """Does anybody still read?"""
        return bool(self._callers)

    def finish(self) -> None:
        """The session ends: whoever listens gets what is there, and the end."""
        for caller in self._callers:
            caller.end()

    async def stream(self, snaplen: int) -> AsyncGenerator[bytes, None]:
        """A pcapng section; of each packet `snaplen` bytes at most, 0 for all."""
        caller = _Caller(self, snaplen)
        self._callers.add(caller)
        try:
            while piece := await caller.read():
                yield piece
        finally:
            self._callers.discard(caller)
            caller.close()


class _Caller:
    """One who reads, and the process that writes for him."""

    def __init__(self, capturing: Capturing, snaplen: int) -> None:
        self._capturing = capturing
        self._ended = False
        place, session, recorder = capturing.place, capturing.session, capturing.recorder
        answers = [each.message for each in session.answers]
        sources = Sources(Ring(ROOM), place.epoch, -1, place.keeper, place.hosts, answers, snaplen=snaplen)
        self._keys = -1
        if recorder is not None:
            sources.secrets = recorder.secrets
            sources.keys, self._keys = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._fd, out = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._fd, False)
        with suppress(PermissionError):  # its user has many: then it has the usual size
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
        self._scribe = Scribe(os.fdopen(out, "wb", _PIECE), sources)
        if recorder is not None:
            os.close(sources.keys)
            recorder.confidants.append(self._confide)
        self._scribe.follow(session, capturing.reasons)
        capturing.wiring.watch(self._take)

    def _take(self, now: int, sent: bool, view: memoryview, gso_size: int, checksum: int) -> None:
        """On the way of every packet."""
        kind = ring.TO_COMMAND if sent else ring.FROM_COMMAND
        if self._scribe.put(kind, now, (view,), len(view), gso_size, checksum):
            self._scribe.publish()

    def _confide(self, lines: bytes) -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # it is behind, or has ended: its packets stay undecrypted
            os.write(self._keys, lines)

    async def read(self) -> bytes:
        """What has been written; nothing at the end."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._fd, _PIECE)
            except BlockingIOError:
                readable = asyncio.Event()
                loop.add_reader(self._fd, readable.set)
                try:
                    await readable.wait()
                finally:
                    loop.remove_reader(self._fd)

    def end(self) -> None:
        """Nothing more is to be written than what is there; called again, nothing."""
        if self._ended:
            return
        self._ended = True
        capturing = self._capturing
        capturing.wiring.unwatch(self._take)
        self._scribe.leave(capturing.session, capturing.reasons)
        self._scribe.end()
        if capturing.recorder is not None:
            capturing.recorder.confidants.remove(self._confide)
            os.close(self._keys)

    def close(self) -> None:
        """He reads no more."""
        self.end()
        os.close(self._fd)
        self._scribe.kill()
