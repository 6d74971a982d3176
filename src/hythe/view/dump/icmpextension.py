"""What may stand behind the packet that an ICMP error quotes (RFC 4884): labels that it bore (RFC 4950), interfaces."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.show import ShortError, Show, hexadecimal
from hythe.wire.checksum import ones_sum

#: A message with an extension quotes 128 bytes exactly (RFC 4884, 4).
EXTENSION_AT: Final = 8 + 128
_VERSION: Final = 2
_HEADER_SIZE: Final = 4
_LABELS: Final = 1
_NAMES: Final = ("unknown", "MPLS Stack Entry", "Interface Identification")


def extension(show: Show, data: bytes, at: int, length: int) -> None:
    """Of the message at `at`, with `length` bytes. Raises `ShortError` or struct.error where a part of it is missing."""
    begin, size, put = at + EXTENSION_AT, length - EXTENSION_AT, show.put
    if len(data) < begin + 5:
        raise ShortError("the extension is cut off")
    whole = begin + size <= len(data)
    right = whole and ones_sum(data[begin : begin + size]) == 0xFFFF
    if not data[at + 5] and whole and not right:
        return  # no length says that there is one, and no checksum does: it is the packet that goes on
    version = data[begin] >> 4
    put(f"\n\tICMP Multi-Part extension v{version}")
    if version != _VERSION:
        put(" packet not supported")
        return
    if whole:
        found = int.from_bytes(data[begin + 2 : begin + 4], "big")
        put(f", checksum 0x{found:04x} ({'' if right else 'in'}correct), length {size}")
    place, end = begin + _HEADER_SIZE, begin + size
    while end - place > _HEADER_SIZE:
        if len(data) < place + _HEADER_SIZE:
            raise ShortError("the object is cut off")
        width, kind, subtype = struct.unpack_from(">HBB", data, place)
        name = _NAMES[kind] if kind < len(_NAMES) else _NAMES[0]
        put(f"\n\t  {name} Object ({kind}), Class-Type: {subtype}, length {width}")
        if not kind or width < _HEADER_SIZE:
            return
        _object(show, data, place + _HEADER_SIZE, width - _HEADER_SIZE, (kind, subtype))
        place += width


def _object(show: Show, data: bytes, at: int, size: int, kind: tuple[int, int]) -> None:
    if kind != (_LABELS, 1):
        show.put(hexadecimal(data[at : at + size], "\n\t    "))
        return
    (entry,) = struct.unpack_from(">I", data, at)  # the first of a stack, as tcpdump does
    bottom = ", [S]" if entry & 0x100 else ""
    show.put(f"\n\t    label {entry >> 12}, tc {entry >> 9 & 7}{bottom}, ttl {entry & 0xFF}")
