"""Packets to pcapng files: one, or one after another by size or time, or a ring of them."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn

from hythe.errors import MachineError, UsageError
from hythe.wire.pcapng import CapturedPacket, Interface, Writer

#: -C counts in these, as tcpdump does.
MEGABYTE: Final = 1_000_000
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the next file begins, and how many there are.

    `size`: bytes after which (0: never). `period`: seconds after which, by the packets' own time (0: never); the name of the
    file is then a strftime(3) form. `files`: with `size`, how many are kept, the oldest being written over; with `period`
    alone, after how many to stop (0: no limit).
    """

    size: int = 0
    period: int = 0
    files: int = 0


def spare(target: str, sources: Iterable[str]) -> None:
    """No capture is written over while it is read. Raises `UsageError`."""
    for source in sources:
        try:
            found, there = (os.stat(number if path == "-" else path) for number, path in enumerate((source, target)))
        except OSError:
            continue  # that is told when it is opened
        if stat.S_ISREG(found.st_mode) and os.path.samestat(found, there):
            raise UsageError(f"-w {target} is the capture that is read: write to another file")


class Recorder:
    """Writes packets. `path` may be `-`, standard output, where nothing rotates.

    `done` gets the name of each file when another one begins.

    Raises `MachineError` for a file that cannot be written.
    """

    __slots__ = (
        "_began",
        "_blocks",
        "_done",
        "_file",
        "_interfaces",
        "_name",
        "_number",
        "_path",
        "_rotation",
        "_writer",
        "count",
    )

    def __init__(self, path: str, rotation: Rotation | None = None, done: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._name = path
        self._done = done
        self._rotation = rotation or Rotation()
        self._number = 0
        self._began: int | None = None
        self._interfaces: dict[int, tuple[Interface, int]] = {}
        self._blocks: dict[tuple[int, bytes], None] = {}
        self._file: BinaryIO | None = None
        self._writer: Writer | None = None
        self.count = 0
        if not self._rotation.period:
            self._open(0)  # a file that gets no packet is there all the same

    def beside(self, blocks: list[tuple[int, bytes]]) -> None:
        """Write what a `pcapng.Reader` put into `others`, and empty it. Every later file begins with them, too."""
        try:
            for each in blocks:
                if self._writer is not None:
                    self._writer.block(*each)
                if self._rotation.size or self._rotation.period:
                    self._blocks[each] = None
        except OSError as error:
            self._failed(error)
        blocks.clear()

    def write(self, packet: CapturedPacket) -> bool:
        """Write one; False where the last file that was asked for is full."""
        try:
            if not self._rotate(packet.timestamp):
                return False
            writer = self._writer
            assert writer is not None
            writer.packet(
                self._interface(writer, packet.interface),
                packet.timestamp,
                packet.data,
                length=packet.length,
                direction=packet.flags,
                comment=packet.comment,
                options=packet.options,
            )
        except OSError as error:
            self._failed(error)
        self.count += 1
        return True

    def flush(self) -> None:
        """Let others see what was written."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            try:
                self._file.flush()
                if self._path != "-":
                    self._file.close()
            except OSError as error:
                self._failed(error)
            self._file = None

    def _failed(self, error: OSError) -> NoReturn:
        """Standard output's errors are for whoever minds it: its reader may have seen enough."""
        if self._path == "-":
            raise error
        raise MachineError(f"{self._name} cannot be written: {error.strerror}") from error

    def _interface(self, writer: Writer, interface: Interface) -> int:
        """Its index in this file. Two may be described alike, so they are told apart by identity, and kept for it."""
        known = self._interfaces.get(id(interface))
        if known is None:
            index = writer.add_interface(interface.name, interface.linktype, snaplen=interface.snaplen)
            known = self._interfaces[id(interface)] = (interface, index)
        return known[1]

    def _rotate(self, now: int) -> bool:
        rotation = self._rotation
        if self._began is None:
            self._began = now
            if self._file is None:
                self._open(now)
            return True
        late = rotation.period and now - self._began >= rotation.period * _SECOND
        full = rotation.size and self._path != "-" and self._file is not None and self._file.tell() > rotation.size
        if not late and not full:
            return True
        self._number += 1
        if late and not rotation.size and rotation.files and self._number >= rotation.files:
            return False
        self.close()
        if self._done is not None:
            self._done(self._name)
        if late:
            self._began = now
        self._open(now)
        return True

    def _open(self, now: int) -> None:
        name = self._path
        rotation = self._rotation
        if rotation.period:
            name = time.strftime(name, time.localtime(now // _SECOND))
        if rotation.size and rotation.files:
            name += f"{self._number % rotation.files:0{len(str(rotation.files - 1))}}"
        elif rotation.size and self._number:
            name += str(self._number)
        try:
            self._file = sys.stdout.buffer if name == "-" else open(name, "wb")  # noqa: SIM115 - it stays open
        except OSError as error:
            raise MachineError(f"{name} cannot be written: {error.strerror}") from error
        self._name = name
        self._writer = Writer(self._file)
        for each in self._blocks:
            self._writer.block(*each)
        self._interfaces = {}
