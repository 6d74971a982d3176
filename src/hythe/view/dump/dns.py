"""DNS messages (RFC 1035), and those of multicast DNS (RFC 6762).

A message is followed as far as it goes. What lies behind a pointer is read where it is shown, and skipped where it is not:
so one that leads nowhere is no harm to a line without -v, as in tcpdump.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.dnsnames import OPCODES, TYPES, NoNameError, class_name, escaped, period, rcode, read, skip
from hythe.view.dump.edns import edns
from hythe.view.dump.show import ENDS, Show, address_text

_HEADER: Final = struct.Struct(">HHHHHH").unpack_from
_RECORD: Final = struct.Struct(">HHIH").unpack_from
_HEADER_SIZE: Final = 12
_RESPONSE: Final = 0x8000
#: Bits of a query that are no query's.
_STRANGE: Final = 0x06CF
_PORT: Final = 53
_MULTICAST: Final = 5353
_OPT: Final = 41
#: The highest bit of a class in multicast DNS: answer by unicast; forget what you knew (RFC 6762, 5.4 and 10.2).
_TOP: Final = 0x8000
_NAMED: Final = frozenset({2, 5, 12, 39})


def is_dns(source: int, destination: int) -> bool:
    """Do these ports speak DNS?"""
    return source in (_PORT, _MULTICAST) or destination in (_PORT, _MULTICAST)


def stream(show: Show, data: bytes, at: int, length: int) -> None:
    """A TCP segment's data: a message that it holds alone, behind its length (RFC 1035, 4.2.2)."""
    if length < 2:
        show.put(f" [DNS over TCP: length {length} < 2] (invalid)")
        return
    try:
        (promised,) = struct.unpack_from(">H", data, at)
    except struct.error:
        show.left = True
        show.put(" [|domain]")
        return
    if promised != length - 2:
        show.put(f" [prefix length({promised}) != length({length - 2})] (invalid)")
        return
    show.put(" ")
    dns(show, data, at + 2, length - 2)


def dns(show: Show, data: bytes, at: int, length: int, *, multicast: bool = False) -> None:
    """The message at `at`, of `length` bytes."""
    if length < _HEADER_SIZE:
        show.put(f"domain [length {length} < {_HEADER_SIZE}] (invalid)")
        return
    try:
        _Message(show, data, at, multicast).tell()
    except ENDS:
        show.put(" [|domain]")
    except NoNameError as error:
        show.put(f"{error} [|domain]")
    else:
        show.put(f" ({length})")


class _Message:
    __slots__ = ("_at", "_begin", "_data", "_multicast", "_show", "_verbose")

    def __init__(self, show: Show, data: bytes, at: int, multicast: bool) -> None:
        self._show = show
        self._data = data
        self._begin = at
        self._at = at
        self._multicast = multicast
        self._verbose = show.style.verbose

    def tell(self) -> None:
        identifier, flags, *counts = _HEADER(self._data, self._at)
        questions, answers, authorities, additionals = counts
        self._at += _HEADER_SIZE
        put = self._show.put
        opcode = flags >> 11 & 15
        if flags & _RESPONSE:
            put(f"{identifier}{OPCODES[opcode]}{rcode(self._rcode(flags, counts))}")
            put(("*" if flags & 0x0400 else "") + ("" if flags & 0x0080 else "-"))
            put(("|" if flags & 0x0200 else "") + ("$" if flags & 0x0020 else ""))
            put(f" [{questions}q]" if questions != 1 else "")
            self._asked(questions)
            put(f" {answers}/{authorities}/{additionals}")
            self._records("", answers)
        else:
            put(f"{identifier}{OPCODES[opcode]}{'+' if flags & 0x0100 else ''}{'%' if flags & 0x0010 else ''}")
            put(f" [b2&3=0x{flags:x}]" if flags & _STRANGE else "")
            if opcode == 1:  # an inverse query has an answer, and asks for questions
                put((f" [{questions}q]" if questions else "") + (f" [{answers}a]" if answers != 1 else ""))
            else:
                put((f" [{answers}a]" if answers else "") + (f" [{questions}q]" if questions != 1 else ""))
            put((f" [{authorities}n]" if authorities else "") + (f" [{additionals}au]" if additionals else ""))
            for _ in range(questions):
                self._question()
            if self._verbose > 1:
                self._records("", answers)
        if self._verbose > 1:
            self._records(" ns:", authorities)
            self._records(" ar:", additionals)

    def _rcode(self, flags: int, counts: list[int]) -> int:
        """Its upper bits are in an OPT record, wherever among the additional ones (RFC 6891, 6.1.3)."""
        data, at = self._data, self._at
        questions, answers, authorities, additionals = counts
        try:
            for _ in range(questions):
                at = skip(data, at) + 4
            for number in range(1 - answers - authorities, additionals + 1 if additionals else 0):
                at = skip(data, at)
                if number > 0 and data[at] << 8 | data[at + 1] == _OPT:
                    return flags & 15 | data[at + 4] << 4
                at += 10 + struct.unpack_from(">H", data, at + 8)[0]
        except (*ENDS, NoNameError):
            return flags & 15
        return flags & 15

    def _asked(self, count: int) -> None:
        """The questions of an answer, which are told only if much was asked for."""
        for number in range(count):
            if number:
                self._show.put(",")
            if self._verbose > 1:
                self._show.put(" q:")
                self._question()
            else:
                self._at = skip(self._data, self._at) + 4

    def _question(self) -> None:
        put = self._show.put
        try:
            after = skip(self._data, self._at)
        except NoNameError:
            raise IndexError from None
        kind, qclass = struct.unpack_from(">HH", self._data, after)
        put(f" {TYPES.get(kind, f'Type{kind}')}")
        unicast = ""
        if self._multicast:
            unicast = " (QU)" if qclass & _TOP else " (QM)"
            qclass &= ~_TOP
        put((f" {class_name(qclass)}" if qclass != 1 else "") + unicast + "? ")
        put(read(self._data, self._at, self._begin)[0])
        self._at = after + 4

    def _records(self, title: str, count: int) -> None:
        if not count:
            return
        put = self._show.put
        if title and self._at >= len(self._data):
            raise IndexError("no records are left")
        put(title)
        for number in range(count):
            if self._at >= len(self._data) and number:
                raise IndexError("fewer records than were promised")
            put("," if number else "")
            self._record()

    def _record(self) -> None:
        """One record. Where the message ends before its data, nothing is said unless another one should follow."""
        put, data = self._show.put, self._data
        words = [""]
        if self._verbose:
            put(" ")
            name, after = read(data, self._at, self._begin)
            put(name)
        else:
            try:
                after = skip(data, self._at)
            except (NoNameError, IndexError):
                after = len(data)
        if after + 10 > len(data):
            self._at = len(data)
            return
        kind, rclass, ttl, size = _RECORD(data, after)
        flush = self._multicast and rclass & _TOP
        plain = rclass & ~_TOP if self._multicast else rclass
        if plain != 1 and kind != _OPT:
            words.append(class_name(plain))
        if flush:
            words.append("(Cache flush)")
        if self._verbose > 2 and kind != _OPT:
            words.append(f"[{period(ttl)}]")
        words.append(TYPES.get(kind, f"Type{kind}"))
        put(" ".join(words))
        at = after + 10
        self._at = at + size
        if self._at > len(data):
            raise IndexError("the record is cut off")
        self._data_of(kind, at, (plain, ttl, size))

    def _data_of(self, kind: int, at: int, fields: tuple[int, int, int]) -> None:
        put, data = self._show.put, self._data
        match kind:
            case 1:
                put(f" {address_text(_whole(data, at, 4))}")
            case 28:
                put(f" {address_text(_whole(data, at, 16))}")
            case _ if kind in _NAMED:
                put(" ")
                put(self._name(at)[0])
            case 6 if self._verbose:
                self._authority(at)
            case 15:
                put(" ")
                number = int.from_bytes(_whole(data, at, 2), "big")
                put(f"{self._name(at + 2)[0]} {number}")
            case 16:
                self._strings(at, at + fields[2])
            case 33:
                put(" ")
                priority, weight, port = struct.unpack_from(">HHH", data, at)
                put(f"{self._name(at + 6)[0]}:{port} {priority} {weight}")
            case 38:
                self._address6(at)
            case 41:
                edns(self._show, data, at, fields, self._begin)
            case 103:
                put(escaped(data[at : at + fields[2]]))
            case 250 if self._verbose:
                self._signature(at)
            case 256:
                priority, weight = struct.unpack_from(">HH", data, at)
                put(f" {priority} {weight} {escaped(data[at + 4 : at + fields[2] if fields[2] >= 4 else None])}")
                if fields[2] < 4:
                    raise IndexError("the record is too short to have a target")

    def _name(self, at: int) -> tuple[str, int]:
        return read(self._data, at, self._begin)

    def _authority(self, at: int) -> None:
        for _ in range(2):
            self._show.put(" ")
            name, at = self._name(at)
            self._show.put(name)
        self._show.put("".join(f" {number}" for number in struct.unpack_from(">IIIII", self._data, at)))

    def _strings(self, at: int, end: int) -> None:
        while at < end:
            size = self._data[at]
            text = self._data[at + 1 : at + 1 + size]
            self._show.put(f' "{escaped(text)}')
            if len(text) < size:
                raise IndexError("the string is cut off")
            self._show.put('"')
            at += 1 + size

    def _address6(self, at: int) -> None:
        """RFC 2874, 3.1: the bits behind a prefix, and the name that has those before."""
        bits = self._data[at]
        if bits > 128:
            self._show.put(f" {bits}(bad plen)")
            return
        size = 16 - bits // 8
        suffix = _whole(self._data, at + 1, size) if bits < 128 else b""
        if bits < 128:
            self._show.put(f" {bits} {address_text(suffix.rjust(16, bytes(1)))}")
        if bits:
            self._show.put(" ")
            self._show.put(self._name(at + 1 + size)[0])

    def _signature(self, at: int) -> None:
        """RFC 8945, 4.2; what there is of it."""
        put, data = self._show.put, self._data
        put(" ")
        name, at = self._name(at)
        put(name)
        at += 6
        for word in ("fudge", "maclen", "origid", "error", "otherlen"):
            number = int.from_bytes(_whole(data, at, 2), "big")
            put(f" {word}={number}")
            at += 2 + (number if word == "maclen" else 0)


def _whole(data: bytes, at: int, size: int) -> bytes:
    """The bytes at `at`. Raises IndexError unless all of them are there."""
    data[at + size - 1]
    return data[at : at + size]
