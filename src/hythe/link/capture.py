"""A link that writes down what passes: pcapng, each packet as it would be on a wire.

Super-segments are cut and checksums completed for the file only; what travels on is untouched. A file that can no longer
be written (a full disk) ends the capture, never the traffic; `failure` tells why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from hythe.errors import ParseError
from hythe.link.base import Link
from hythe.wire import gso, pcapng
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet


class Capture:
    """Stacks on `link`. `epoch`: nanoseconds since 1970 when the driver's clock read 0.

    The directions written are those of the far side: what we receive, the command has sent (outbound).
    """

    __slots__ = ("_epoch", "_file", "_interface", "_link", "_writer", "failure", "packets")

    def __init__(self, link: Link, file: BinaryIO, name: str, epoch: int) -> None:
        self._link = link
        self._file = file
        self._epoch = epoch
        self._writer = pcapng.Writer(file)
        self._interface = self._writer.add_interface(name)
        self.packets = 0
        self.failure: OSError | None = None

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        packets = self._link.receive(now, limit)
        if self.failure is None:
            for packet in packets:
                self._write(now, packet.view, packet.length, packet.gso_size, packet.checksum, pcapng.OUTBOUND)
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        self._link.send(now, head, payload)
        if self.failure is None:
            flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
            data = memoryview(b"".join((head[VNET_SIZE:], *payload)))
            self._write(now, data, len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT, pcapng.INBOUND)

    def _write(self, now: int, view: memoryview, length: int, gso_size: int, checksum: int, direction: int) -> None:
        try:
            pieces = gso.cut(view, length, gso_size, checksum)
        except ParseError:
            pieces = [bytes(view[:length])]  # garbage is worth seeing, too
        try:
            for piece in pieces:
                self._writer.packet(self._interface, self._epoch + now, piece, direction=direction)
                self.packets += 1
        except OSError as error:
            self.failure = error

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._link.fileno()

    def close(self) -> None:
        """Close the file and the link below."""
        self._link.close()
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or error
