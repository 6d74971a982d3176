"""How a header is described, and the reader that makes fields of a description.

A description is a tuple of `Spec`, in the order of the wire; bits need no alignment. The reader stops where the packet ends,
with everything up to there in the header: a broken packet is what people look at most.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hythe.errors import ParseError
from hythe.view.dump.show import should_be
from hythe.view.layers.model import Field, Header
from hythe.wire.checksum import ones_sum, pseudo_sum


class Spec(NamedTuple):
    """One field: `width` in bits, `show` makes its value readable, `meaning` (a table, a function or a word) explains it.

    `reference`: where it is laid down, if not where the header is.
    """

    name: str
    width: int
    show: Callable[[int], str] = str
    meaning: Mapping[int, str] | Callable[[int], str] | str = ""
    reference: str = ""


class Next(NamedTuple):
    """What comes behind a header: `kind` is who numbers it (``ethertype``, ``ip``, ``port``), `number` its number there."""

    kind: str
    number: int


class Kind(NamedTuple):
    """One kind of option: its name, the fields of its value, and `each`: those behind them, as often as there is room."""

    name: str
    reference: str
    specs: tuple[Spec, ...] = ()
    each: tuple[Spec, ...] = ()


class OptionForm(NamedTuple):
    """A list of options.

    `singles`: kinds of one byte; where `ends`, 0 is the last one. `size`: all bytes of an option, by its length field.
    """

    kinds: Mapping[int, Kind]
    singles: frozenset[int]
    ends: bool
    size: Callable[[int], int]
    show: Callable[[int], str] = str


class Carrier(NamedTuple):
    """The IP packet that a transport protocol lies in. `part`: it is one fragment of several."""

    source: bytes
    destination: bytes
    part: bool = False


class Reader:
    """One packet being read. `at`: the next byte. `end`: where the packet ends, as headers so far say, or was cut off.

    `claimed`: where it would end were it not cut off. `carrier`: the IP packet around. `short`: which header promises more
    than there ever was.
    """

    __slots__ = ("at", "carrier", "claimed", "data", "end", "headers", "short")

    def __init__(self, data: bytes, length: int) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)
        self.claimed = max(length, len(data))
        self.headers: list[Header] = []
        self.carrier: Carrier | None = None
        self.short = ""

    def begin(self, name: str, layer: str, pdu: str, reference: str) -> Header:
        """A header begins here."""
        header = Header(name, layer, pdu, self.at, reference)
        self.headers.append(header)
        return header

    def limit(self, end: int) -> None:
        """The packet ends before byte `end`, says the last header; what follows is padding."""
        if end > self.claimed and not self.short:
            self.short = f"{self.headers[-1].name} says the packet has {end} bytes, {self.claimed} are there"
        self.claimed = min(self.claimed, end)
        self.end = min(self.end, self.claimed)

    def read(self, header: Header, specs: Sequence[Spec], prefix: str = "") -> None:
        """Read what is described. Raises `ParseError` at the field that is not there."""
        at = 8 * self.at
        for name, width, show, meaning, reference in specs:
            last = (at + width + 7) // 8
            if last > self.end:
                raise ParseError(self._ends(header, prefix + name, within=at // 8 < self.end))
            value = int.from_bytes(self.data[at // 8 : last], "big") >> (8 * last - at - width) & (1 << width) - 1
            told = meaning if isinstance(meaning, str) else meaning(value) if callable(meaning) else meaning.get(value, "")
            offset = at - 8 * header.at
            header.fields.append(
                Field(prefix + name, offset, width, value, show(value), told, reference or header.reference)
            )
            at += width
            self.at = at // 8

    def octets(self, header: Header, name: str, size: int, reference: str = "", meaning: str = "") -> bytes:
        """`size` bytes that are no number."""
        if size:
            self.read(header, (Spec(name, 8 * size, lambda value: value.to_bytes(size, "big").hex(), meaning, reference),))
        return self.data[self.at - size : self.at]

    def options(self, header: Header, end: int, form: OptionForm) -> None:
        """All options up to byte `end`. Raises `ParseError` for one that cannot be followed."""
        while self.at < end:
            number = self.data[self.at] if self.at < self.end else -1
            kind = form.kinds.get(number, Kind(f"Option {number}", ""))
            head = Spec("Kind", 8, form.show, kind.name, kind.reference)
            prefix = f"{kind.name}: "
            self.read(header, (head,), prefix)
            if number in form.singles:
                if form.ends and number == 0:
                    self.octets(header, "Padding", end - self.at)
                continue
            start = self.at - 1
            self.read(header, (Spec("Length", 8, str, "", kind.reference),), prefix)
            size = form.size(header.fields[-1].value)
            if size < 2 or start + size > end:
                raise ParseError(
                    f"{header.name}: {prefix}Length at byte {start + 1} makes it {size} bytes, {end - start} are there"
                )
            self._option(header, kind, start + size, prefix)

    def _option(self, header: Header, kind: Kind, end: int, prefix: str) -> None:
        """The value of one option: its fields where they fit, else what is left of it as it is."""
        for specs, often in ((kind.specs, 1), (kind.each, end)):
            told = [spec._replace(reference=spec.reference or kind.reference) for spec in specs]
            width = sum(spec.width for spec in specs) // 8
            for _ in range(min(often, (end - self.at) // width) if width else 0):
                self.read(header, told, prefix)
        self.octets(header, f"{prefix}Data", end - self.at, kind.reference)

    def check(self, header: Header, name: str, protocol: int, size: int) -> None:
        """Say whether the checksum over a pseudo-header and `size` bytes from the header on is right."""
        end, carrier = header.at + size, self.carrier
        if carrier is None or carrier.part:
            header.explain(name, "over all fragments" if carrier else "")
        elif end > len(self.data):
            header.explain(name, "not verified: the packet is cut off")
        else:
            start = pseudo_sum(carrier.source, carrier.destination, protocol, size)
            self.verdict(header, name, ones_sum(self.data[header.at : end], start) ^ 0xFFFF)

    def verdict(self, header: Header, name: str, left: int) -> None:
        """Of a checksum where the sum leaves `left` over."""
        header.explain(name, "right" if left == 0 else f"wrong: 0x{should_be(header.value(name), left):04x} would be right")

    def _ends(self, header: Header, name: str, *, within: bool) -> str:
        cut = self.claimed > len(self.data)
        why = f"the packet is cut off after {self.end} bytes" if cut else f"the packet ends after {self.end} bytes"
        return f"{header.name}: {why}, {'within' if within else 'before'} {name}"


# --- Values as people write them


def hex2(value: int) -> str:
    """``0x06``."""
    return f"0x{value:02x}"


def hex4(value: int) -> str:
    """``0x0800``."""
    return f"0x{value:04x}"


def hex8(value: int) -> str:
    """``0x0000002a``."""
    return f"0x{value:08x}"


def ipv4_text(value: int) -> str:
    """``192.0.2.1``."""
    return socket.inet_ntop(socket.AF_INET, value.to_bytes(4, "big"))


def ipv6_text(value: int) -> str:
    """``2001:db8::1``."""
    return socket.inet_ntop(socket.AF_INET6, value.to_bytes(16, "big"))


def mac_text(value: int) -> str:
    """``02:00:00:00:00:01``."""
    return value.to_bytes(6, "big").hex(":")


def words(count: int) -> Callable[[int], str]:
    """The meaning of a length in units of `count` bytes."""
    return lambda value: f"{value * count} bytes"


def set_or_not(meaning: str) -> Mapping[int, str]:
    """Of a flag: what it means where it is set."""
    return {0: "not set", 1: meaning}
