"""The packets of a session as a stream of pcapng, for whoever asks: what the command sends and receives.

On the way of the packets they are only copied, into a queue with room for `ROOM` bytes for each caller; they are cut and
written for the caller in the loop's other turns. What finds no room is left out, and the next packet's comment says how
many were. The names that the command has looked up stand between them.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from hythe.errors import ParseError
from hythe.gateway.api.lookups import Told
from hythe.gateway.session import ANSWERS_KEPT, Answer, Session
from hythe.gateway.wiring import Wiring
from hythe.units import KIB, MIB
from hythe.wire import gso, pcapng

#: Bytes that wait for one caller.
ROOM: Final = 32 * MIB
#: Bytes of packets written between two turns of the loop: less than a millisecond's worth.
_BATCH: Final = 128 * KIB
#: Answers to DNS queries read, likewise.
_ANSWERS: Final = 20
#: What a waiting packet counts for beyond its bytes: about what it costs Python to keep.
_OVERHEAD: Final = 256


class Capturing:
    """`epoch`: nanoseconds since 1970 when the driver's clock read 0."""

    def __init__(self, wiring: Wiring, session: Session, epoch: int) -> None:
        self._wiring = wiring
        self._session = session
        self._epoch = epoch
        self._queues: set[_Queue] = set()

    @property
    def busy(self) -> bool:
        """Does anybody still read?"""
        return bool(self._queues)

    def finish(self) -> None:
        """The session ends: whoever listens gets what is there, and the end."""
        for queue in self._queues:
            queue.ended = True
            queue.news.set()

    async def stream(self, snaplen: int) -> AsyncGenerator[bytes, None]:
        """A pcapng section; of each packet `snaplen` bytes at most, 0 for all."""
        queue = _Queue(self._session.answers)
        self._queues.add(queue)
        self._session.observers.append(queue.hear)
        self._wiring.watch(queue.take)
        try:
            out = io.BytesIO()
            writer = pcapng.Writer(out)
            writer.add_interface("hythe0", snaplen=snaplen)
            while True:
                queue.write(writer, self._epoch, snaplen)
                yield out.getvalue()
                out.seek(0)
                out.truncate()
                if not queue.packets and not queue.answers:
                    if queue.ended:
                        return
                    queue.news.clear()
                    await queue.news.wait()
        finally:
            self._wiring.unwatch(queue.take)
            self._session.observers.remove(queue.hear)
            self._queues.discard(queue)


class _Queue:
    """What waits for one caller. `answers`: of DNS, those of before included."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = deque(answers, maxlen=ANSWERS_KEPT)
        self._told = Told()
        self.packets: deque[tuple[int, bool, bytes, int, int, int]] = deque()
        self.news = asyncio.Event()
        self.ended = False
        self._held = 0
        self._missed = 0  # since the last that found room

    def take(self, now: int, sent: bool, view: memoryview, gso_size: int, checksum: int) -> None:
        """On the way of every packet."""
        cost = len(view) + _OVERHEAD
        if self._held + cost > ROOM:
            self._missed += -(-len(view) // gso_size) if gso_size else 1
            return
        self._held += cost
        self.packets.append((now, sent, bytes(view), gso_size, checksum, self._missed))
        self._missed = 0
        self.news.set()

    def hear(self, kind: str, about: object) -> None:
        """What the session tells: an answer, before its packet."""
        if isinstance(about, Answer):
            self.answers.append(about)

    def write(self, writer: pcapng.Writer, epoch: int, snaplen: int) -> None:
        """Write a batch of them."""
        for _ in range(min(len(self.answers), _ANSWERS)):
            writer.names(self._told.fresh(self.answers.popleft().message))
        written = 0
        while self.packets and written < _BATCH:
            now, sent, packet, gso_size, checksum, missed = self.packets.popleft()
            self._held -= len(packet) + _OVERHEAD
            written += len(packet)
            comment = f"{missed} packets before this one were not captured" if missed else ""
            try:
                pieces = gso.cut(memoryview(packet), len(packet), gso_size, checksum)
            except ParseError:
                pieces = [packet]  # garbage is worth seeing, too
            for piece in pieces:
                writer.packet(
                    0,
                    epoch + now,
                    piece[:snaplen] if snaplen else piece,
                    length=len(piece),
                    direction=pcapng.INBOUND if sent else pcapng.OUTBOUND,  # as the command sees it
                    comment=comment,
                )
                comment = ""
