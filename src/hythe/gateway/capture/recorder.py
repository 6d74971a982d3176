"""`--capture` as a link: the lowest one, which copies what passes for the process that writes it.

The packets pass all the same where that has no room for them: traffic never waits for a disk.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from hythe.gateway.capture import ring
from hythe.gateway.capture.reasons import Reasons
from hythe.gateway.capture.ring import Ring
from hythe.gateway.capture.scribe import Scribe
from hythe.gateway.capture.writer import Sources
from hythe.link.base import Link
from hythe.units import MIB
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.gateway.layout import Layout
    from hythe.gateway.namespace import Room

#: Bytes of TLS secrets that are kept for those who ask the session for its packets later.
_SECRETS_KEPT: Final = 1 * MIB
_READ: Final = 65_536


class Recorder:
    """A link on `link` that has all packets written to `file`, by a process of its own.

    `secrets`: lines of the TLS key log so far; `keyed`: is there one? `confidants` are told those that come.
    `reasons`: once it follows a gateway; others want them, too. `room`: the command's, if that is on this machine.
    """

    reasons: Reasons

    def __init__(self, link: Link, file: BinaryIO, room: Room | None, layout: Layout) -> None:
        self._link = link
        fds = room.capture_fds if room is not None else []
        self.keyed = len(fds) > 1
        self.secrets = b""
        self.confidants: list[Callable[[bytes], None]] = []
        epoch = time.time_ns() - time.monotonic_ns()
        sources = Sources(Ring(), epoch, fds[0] if fds else -1, room.pid if room is not None else 0, layout.hosts)
        if self.keyed:
            sources.keys = fds[1]
            self._told, sources.tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._scribe = Scribe(file, sources)
        if self.keyed:
            os.close(sources.tell)
            asyncio.get_running_loop().add_reader(self._told, self._learn)

    def _learn(self) -> None:
        """Secrets that the writer has read: it alone reads the command's log."""
        lines = os.read(self._told, _READ)
        if not lines:
            asyncio.get_running_loop().remove_reader(self._told)
            return
        self.secrets = (self.secrets + lines)[-_SECRETS_KEPT:]
        for each in self.confidants:
            each(lines)

    # --- The link

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        packets = self._link.receive(now, limit)
        if packets:
            put, news = self._scribe.put, False
            for packet in packets:
                size = packet.length
                news |= put(ring.FROM_COMMAND, now, (packet.view[:size],), size, packet.gso_size, packet.checksum)
            if news:
                self._scribe.publish()
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        self._link.send(now, head, payload)
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        parts = (head[VNET_SIZE:], *payload)
        state = PARTIAL if flags & NEEDS_CSUM else ABSENT
        if self._scribe.put(ring.TO_COMMAND, now, parts, sum(map(len, parts)), gso_size, state):
            self._scribe.publish()

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._link.fileno()

    def close(self) -> None:
        """Close the link below."""
        self._link.close()

    # --- Beside it

    def follow(self, gateway: Gateway) -> None:
        """Note what it decides and is told."""
        self.reasons = Reasons(gateway)
        self._scribe.follow(gateway.session, self.reasons)

    def finish(self) -> list[str]:
        """Let the writer come to its end. What there is to tell of it, a sentence each."""
        found = self._scribe.finish()
        if self.keyed:
            asyncio.get_running_loop().remove_reader(self._told)
            os.close(self._told)
        return found
