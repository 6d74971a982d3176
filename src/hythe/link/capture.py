"""Links that write down what passes: pcapng, each packet as it would be on a wire.

Super-segments are cut and checksums completed for the file only; what travels on is untouched. A file that can no longer
be written (a full disk) ends the capture, never the traffic; `failure` tells why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from hythe.errors import ParseError
from hythe.link.base import Link
from hythe.link.frames import Frame, FrameLink
from hythe.wire import gso, pcapng
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet


class _Record:
    """The file. `epoch`: nanoseconds since 1970 when the driver's clock read 0.

    The directions written are those of the far side: what we receive, the command has sent (outbound).
    """

    __slots__ = ("_epoch", "_file", "_interface", "_writer", "failure", "packets")

    def __init__(self, file: BinaryIO, name: str, epoch: int, linktype: int) -> None:
        self._file = file
        self._epoch = epoch
        self._writer = pcapng.Writer(file)
        self._interface = self._writer.add_interface(name, linktype)
        self.packets = 0
        self.failure: OSError | None = None

    def _received(self, now: int, packet: Packet, header: bytes | bytearray = b"") -> None:
        self._write(now, header, packet.view, packet.length, packet.gso_size, packet.checksum, pcapng.OUTBOUND)

    def _sent(self, now: int, head: bytes, payload: Sequence[memoryview | bytes], header: bytes = b"") -> None:
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = memoryview(b"".join((head[VNET_SIZE:], *payload)))
        self._write(now, header, data, len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT, pcapng.INBOUND)

    def _write(
        self, now: int, header: bytes | bytearray, view: memoryview, length: int, gso_size: int, state: int, direction: int
    ) -> None:
        try:
            pieces = gso.cut(view, length, gso_size, state)
        except ParseError:
            pieces = [bytes(view[:length])]  # garbage is worth seeing, too
        try:
            for piece in pieces:
                self._writer.packet(self._interface, self._epoch + now, (header, piece), direction=direction)
                self.packets += 1
        except OSError as error:
            self.failure = error

    def _close_file(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or error


class Capture(_Record):
    """Stacks on `link`; the file has IP packets. The other arguments are the file's."""

    __slots__ = ("_link",)

    def __init__(self, link: Link, file: BinaryIO, name: str, epoch: int) -> None:
        super().__init__(file, name, epoch, pcapng.LINKTYPE_RAW)
        self._link = link

    @property
    def mtu(self) -> int:
        """The MTU of the link below."""
        return self._link.mtu

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        packets = self._link.receive(now, limit)
        if self.failure is None:
            for packet in packets:
                self._received(now, packet)
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        self._link.send(now, head, payload)
        if self.failure is None:
            self._sent(now, head, payload)

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._link.fileno()

    def close(self) -> None:
        """Close the file and the link below."""
        self._link.close()
        self._close_file()


class FrameCapture(_Record):
    """The same for a frame link: stacks on `frames`; the file has Ethernet frames."""

    __slots__ = ("_frames", "mtu")

    def __init__(self, frames: FrameLink, file: BinaryIO, name: str, epoch: int) -> None:
        super().__init__(file, name, epoch, pcapng.LINKTYPE_ETHERNET)
        self._frames = frames
        self.mtu = frames.mtu

    def receive(self, now: int, limit: int) -> Sequence[Frame]:
        """As `FrameLink.receive`."""
        frames = self._frames.receive(now, limit)
        if self.failure is None:
            for frame in frames:
                self._received(now, frame, frame.header)
        return frames

    def send_frame(self, now: int, header: bytes, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `FrameLink.send_frame`."""
        self._frames.send_frame(now, header, head, payload)
        if self.failure is None:
            self._sent(now, head, payload, header)

    def fileno(self) -> int:
        """The descriptor of the link below."""
        return self._frames.fileno()

    def close(self) -> None:
        """Close the file and the link below."""
        self._frames.close()
        self._close_file()
