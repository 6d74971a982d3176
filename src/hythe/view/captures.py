"""Capture files as a source of packets: pcap or pcapng, compressed by gzip or not, whole or broken.

A source, to whatever shows or filters packets, is an iterator of `CapturedPacket`. This one reads a megabyte at a time, so
the size of a file does not matter, and a pipe is read as it fills.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

from hythe.errors import MachineError, ParseError
from hythe.wire import pcap, pcapng
from hythe.wire.pcapng import CapturedPacket, Interface

_CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_MAGIC_SIZE: Final = 4


def read_capture(
    path: str,
    others: list[tuple[int, bytes]] | None = None,
    *,
    begun: Callable[[Interface], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[CapturedPacket]:
    """The packets of a file, `-` for standard input. `others`: where pcapng's other blocks go, as with `pcapng.Reader`.

    `begun` is told of the first interface before any packet comes, of a file without packets as well. `say` gets a sentence
    at the end, if something about the file as a whole was odd.

    Raises `MachineError` for a file that is no capture, and, after what could be read, at the place where one breaks.
    """
    name = "standard input" if path == "-" else path
    count = 0
    with ExitStack() as stack:
        try:
            descriptor = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if path != "-":
                stack.callback(os.close, descriptor)
            pieces = _pieces(descriptor)
            reader, head = _open(pieces, others)
            for packet in _packets(reader, head, pieces, begun):
                count += 1
                yield packet
            if say is not None and isinstance(reader, pcap.Reader) and reader.overlong:
                many = f"{reader.overlong} packet{'s' * (reader.overlong != 1)}"
                say(f"{name}: the times of {many} have a second or more behind the point: it was added to the seconds")
        except OSError as error:
            raise MachineError(f"{name} cannot be read: {error.strerror}") from error
        except (ParseError, zlib.error) as error:
            after = f" breaks off after {count} packet{'s' * (count != 1)}" if count else ""
            raise MachineError(f"{name}{after}: {error}") from error


def _open(pieces: Iterator[bytes], others: list[tuple[int, bytes]] | None) -> tuple[pcap.Reader | pcapng.Reader, bytes]:
    """The reader for a file, and what of the file was read to know it."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _MAGIC_SIZE:
            break
    magic = head[:_MAGIC_SIZE]
    if magic in pcap.MAGICS:
        return pcap.Reader(), head
    if magic == pcapng.SECTION_HEADER.to_bytes(4, "big"):
        return pcapng.Reader(others), head
    if not head:
        raise ParseError("the file is empty, not even a header is there")
    raise ParseError(f"no capture file: it begins with {magic.hex()}, neither pcap nor pcapng")


def _packets(
    reader: pcap.Reader | pcapng.Reader,
    piece: bytes,
    pieces: Iterator[bytes],
    begun: Callable[[Interface], None] | None,
) -> Iterator[CapturedPacket]:
    while begun is not None and piece:
        for packet in reader.feed(piece):
            if begun is not None:
                begun(reader.interfaces[0])
                begun = None
            yield packet
        if begun is not None and reader.interfaces:
            begun(reader.interfaces[0])
            begun = None
        piece = next(pieces, b"")
    yield from reader.feed(piece)
    del piece
    for each in pieces:
        yield from reader.feed(each)
    reader.end()


def _pieces(descriptor: int) -> Iterator[bytes]:
    """What the file holds, unpacked if it is compressed."""
    piece = os.read(descriptor, _CHUNK)
    if piece.startswith(_GZIP):
        yield from _unpacked(descriptor, piece)
        return
    while piece:
        yield piece
        piece = os.read(descriptor, _CHUNK)


def _unpacked(descriptor: int, piece: bytes) -> Iterator[bytes]:
    """A gzip file may have several members, one behind the other, and zeros at its end."""
    unpacker = None
    while piece or (piece := os.read(descriptor, _CHUNK)):
        if unpacker is None:
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        out = unpacker.decompress(piece, _CHUNK)
        yield out
        while len(out) == _CHUNK and not unpacker.eof:
            out = unpacker.decompress(unpacker.unconsumed_tail, _CHUNK)
            yield out
        piece = b""
        if unpacker.eof:
            piece, unpacker = unpacker.unused_data.lstrip(b"\0"), None
    if unpacker is not None:
        raise ParseError("the compressed data are cut off")
