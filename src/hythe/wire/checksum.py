"""The Internet checksum: 16-bit ones' complement arithmetic (RFC 1071).

Theory of operation. The ones' complement sum of 16-bit words is the number the bytes spell, modulo 0xFFFF, because
2**16 leaves remainder 1. So `int.from_bytes` and one ``%`` do in C what a loop would do a word at a time. The remainder
costs more per byte than reading does; for big buffers pieces of a few KiB are added first (linear and cheap), and the
remainder is taken of their sum alone. For 64 KiB on the machine where it was tried: 44 µs, against 90 for a single
``%``, 57 for folding by shifts, 190 for ``sum(view.cast("Q"))`` and 370 for ``sum(view.cast("H"))``.

A packet of a wire is folded by shifts first, which are linear and cheap as well: 1368 bytes cost 2.8 µs so, and 4.4 by a
single ``%``.

The one corner is zero. Modulo 0xFFFF the words 0x0000 and 0xFFFF are the same; in ones' complement only a buffer of
nothing but zero bits sums to 0x0000, everything else to 0x0001..0xFFFF. `ones_sum` keeps that apart.

Sums add up: `ones_sum(b, ones_sum(a))` is the sum of a + b when `a` has an even length.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.errors import ParseError

#: What a parser of this package reads from.
Octets = bytes | bytearray | memoryview

# Even, so that every piece starts on a word; the flattest point between the cost of a piece and that of the remainder.
_PIECE: Final = 4096

# A packet as long as an Ethernet frame is halved so often before the remainder is taken.
_FRAME: Final = 2 * 768
_LESS: Final = 300
_HALVES: Final = tuple((bits, (1 << bits) - 1) for bits in (6_144, 3_072, 1_536))

_FOUR_WORDS: Final = struct.Struct(">4H").unpack
_SIXTEEN_WORDS: Final = struct.Struct(">16H").unpack


def ones_sum(data: Octets, start: int = 0) -> int:
    """The folded sum (0..0xFFFF) of `data` as big-endian words, an odd last byte padded with zero, plus `start`.

    `start` is any non-negative number congruent to a sum already made: folded or not, of an even number of bytes.
    """
    size = len(data)
    if size > _PIECE:
        data = memoryview(data)
        whole = (size - 1) // _PIECE * _PIECE
        for at in range(0, whole, _PIECE):
            start += int.from_bytes(data[at : at + _PIECE], "big")
        data = data[whole:]
    total = int.from_bytes(data, "big")
    if size & 1:
        total <<= 8
    if _LESS < size <= _FRAME:
        total = halve(total)
    return fold(total + start)


def halve(total: int) -> int:
    """A smaller number that leaves the same remainder modulo 0xFFFF, of one that a packet up to a frame's length spells."""
    for bits, mask in _HALVES:
        total = (total >> bits) + (total & mask)
    return total


def fold(total: int) -> int:
    """Any non-negative sum as 16 bits with the carries added back in; 0 only for 0 (RFC 1071, 1)."""
    return total % 0xFFFF or (total and 0xFFFF)


def finish(total: int) -> int:
    """The value of the checksum field for a sum: its ones' complement."""
    return fold(total) ^ 0xFFFF


def checksum(data: Octets, start: int = 0) -> int:
    """`finish(ones_sum(data, start))`: the checksum of `data`, its own checksum field being zero."""
    return ones_sum(data, start) ^ 0xFFFF


def pseudo_sum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """The folded sum of a pseudo-header; 4-byte addresses for IPv4 (RFC 9293, 3.1), 16 for IPv6 (RFC 8200, 8.1).

    `length` is that of the transport header and its data, up to 32 bits. Both layouts add the same numbers.
    """
    both = source + destination
    words = _FOUR_WORDS(both) if len(both) == 8 else _SIXTEEN_WORDS(both)
    return fold(sum(words) + protocol + length)


def verify(data: Octets, start: int = 0) -> bool:
    """Whether `data`, its checksum field included, sums to all ones; `start` is the pseudo-header's sum if any."""
    return ones_sum(data, start) == 0xFFFF


def require(data: Octets, what: str, start: int = 0) -> None:
    """Raise `ParseError` naming `what` unless `verify` holds."""
    total = ones_sum(data, start)
    if total != 0xFFFF:
        raise ParseError(f"{what} checksum is wrong: the sum is {total:#06x}, not 0xffff")
