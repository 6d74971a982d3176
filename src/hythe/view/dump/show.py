"""What all printers of protocols share: how much is to be told, names, and the text so far.

A printer writes piece by piece with `put`, so that of a packet that ends too early everything up to its end is shown; it
reads on and lets IndexError or `struct.error` come, and whoever began the protocol closes with `[|protocol]`. The bytes it
is given end where the packet ends, or the capture of it; `length` is what the layer below said.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hythe.wire.checksum import ones_sum, pseudo_sum


class ShortError(IndexError):
    """The end of a packet that a printer looks for itself, and then goes on to whatever stands around: see `Show.left`."""


#: What reading past the end of a packet raises.
ENDS: Final = (IndexError, struct.error)
#: Layers within layers that are followed: an honest packet has a few.
NESTING_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Style:
    """The options of the command line that concern the text of a packet.

    `verbose`: how often -v was given. `link`: the link-layer header as well (-e).
    `absolute`: sequence numbers as they are (-S). `quick`: less about each protocol (-q). `unchecked`: no checksums (-K).
    """

    verbose: int = 0
    link: bool = False
    absolute: bool = False
    quick: bool = False
    unchecked: bool = False


class Naming:
    """Addresses and ports as text: as numbers here; `hythe.view.dump.naming` knows names."""

    __slots__ = ()

    def host(self, address: bytes) -> str:
        """An address, 4 or 16 bytes."""
        return address_text(address)

    def port(self, number: int, protocol: str) -> str:
        """A port of tcp or udp."""
        return str(number)

    def protocol(self, number: int) -> str:
        """A protocol above IP, of which nothing more is shown."""
        return f"ip-proto-{number}"


@lru_cache(maxsize=65_536)
def address_text(address: bytes) -> str:
    """An address as numbers. Raises ValueError, as a short read does IndexError, unless it has 4 or 16 bytes."""
    if len(address) == 4:
        return socket.inet_ntop(socket.AF_INET, address)
    if len(address) == 16:
        return socket.inet_ntop(socket.AF_INET6, address)
    raise IndexError("the address is cut off")


def address_at(data: bytes, at: int) -> bytes:
    """The IPv6 address at `at`. Raises IndexError if a part of it is missing."""
    data[at + 15]
    return data[at : at + 16]


class Show:
    """One printing of packets, one after another.

    `four`, `six`: print an IP packet within another one; set by the printer of whole packets, so that protocols need not
    import each other in circles. `memory` belongs to TCP: first sequence numbers by conversation. `bytes`: are bytes shown
    in hexadecimal below each line? `left`: did the printing end in the middle? tcpdump
    forgets then where the link-layer header ended.
    """

    __slots__ = ("bytes", "depth", "four", "interface", "left", "memory", "names", "out", "put", "six", "style")

    def __init__(self, style: Style, names: Naming | None = None) -> None:
        self.style = style
        self.names = names or Naming()
        self.out: list[str] = []
        self.put = self.out.append
        self.memory: dict[bytes, tuple[int, int]] = {}
        self.depth = 0
        self.bytes = False
        self.left = False
        self.interface: Callable[[int], str] = _interface
        self.four: Callable[[Show, bytes, int, int], None] = _nothing
        self.six: Callable[[Show, bytes, int, int], None] = _nothing

    def within(self, four: bool, data: bytes, at: int, length: int) -> None:
        """Print the IP packet at `at` that another packet carries."""
        if self.depth >= NESTING_MAX:
            self.put("[nested too deeply]")
            return
        self.depth += 1
        (self.four if four else self.six)(self, data, at, length)
        self.depth -= 1


def _interface(index: int) -> str:
    """Of another machine, maybe: only this one's interfaces have names here."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"if{index}" if index else "?"


def _nothing(_show: Show, _data: bytes, _at: int, _length: int) -> None:
    """Until the printer of packets says otherwise."""


@dataclass(slots=True)
class Carrier:
    """The IP packet that a transport protocol lies in, as far as the protocol has to know.

    `fragment`: part of a larger one. `behind`: it stands behind extension headers, where ports are told without addresses.
    `final`: where a source route ends, which is what checksums are made for (RFC 1122, 4.1.3.4; RFC 8200, 8.1).
    """

    source: bytes
    destination: bytes
    fragment: bool = False
    behind: bool = False
    final: bytes = b""

    def checks(self, data: bytes, at: int, length: int, protocol: int) -> int:
        """What the checksum of `length` bytes with their pseudo-header leaves over; 0 if it is right."""
        start = pseudo_sum(self.source, self.final or self.destination, protocol, length)
        return ones_sum(data[at : at + length], start) ^ 0xFFFF


def should_be(found: int, left: int) -> int:
    """The right checksum, where `found` stood and `left` is what `Carrier.checks` gave."""
    total = found + left
    return (total & 0xFFFF) + (total >> 16)


def hexadecimal(data: bytes, indent: str = "\n\t") -> str:
    """Sixteen bytes a line in pairs, with their offset, as -x shows them."""
    lines = []
    for at in range(0, len(data), 16):
        digits = data[at : at + 16].hex()
        pairs = " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))
        lines.append(f"{indent}0x{at:04x}:  {pairs}")
    return "".join(lines)


def readable(data: bytes, indent: str = "\n\t") -> str:
    """The same with the characters beside it, as -X shows them."""
    lines = []
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        digits = piece.hex()
        pairs = " ".join(digits[place : place + 4] for place in range(0, len(digits), 4))
        lines.append(f"{indent}0x{at:04x}:  {pairs:<39}  {characters(piece)}")
    return "".join(lines)


def characters(data: bytes) -> str:
    """Printable ASCII, and a dot for anything else."""
    return "".join(chr(byte) if 0x21 <= byte < 0x7F else "." for byte in data)
