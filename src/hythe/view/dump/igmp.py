"""IGMP messages (RFC 1112, 2236, 3376), and the traces of multicast routes that lie in them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.view.dump.dnsnames import period
from hythe.view.dump.show import ENDS, Show
from hythe.wire.checksum import ones_sum

#: Bytes from which on a query is of version 3 (RFC 3376, 7.1), and of the shortest report of that version.
_QUERY_SIZE: Final = 12
_REPORT_SIZE: Final = 16
_OLD_SIZE: Final = 8
_TRACE_SIZE: Final = 24
#: Tenths of a second that hosts have to answer in, unless a query says otherwise (RFC 3376, 8.3).
_USUAL: Final = 100
#: Tenths of a second from which on a time is told in minutes.
_LONG: Final = 600
_RECORDS: Final[Mapping[int, str]] = MappingProxyType(
    dict(enumerate(("is_in", "is_ex", "to_in", "to_ex", "allow", "block"), start=1))
)
_GROUPED: Final[Mapping[int, str]] = MappingProxyType({0x12: "v1 report", 0x16: "v2 report", 0x17: "leave"})
#: Of other protocols, of which only the name is told.
_NAMED: Final[Mapping[int, str]] = MappingProxyType({0x13: "igmp dvmrp", 0x14: "igmp pimv1"})
_TRACES: Final[Mapping[int, str]] = MappingProxyType({0x1E: "mresp", 0x1F: "mtrace"})


def igmp(show: Show, data: bytes, at: int, length: int) -> None:
    """The message at `at`, of which the IP header promised `length` bytes."""
    put = show.put
    if show.style.quick:
        put("igmp")
        return
    try:
        _message(show, data, at, length)
        if show.style.verbose and length >= 4 and at + length <= len(data) and ones_sum(data[at : at + length]) != 0xFFFF:
            put(f" bad igmp cksum {int.from_bytes(data[at + 2 : at + 4], 'big'):x}!")
    except ENDS:
        show.left = True
        put(" [|igmp]")


def _message(show: Show, data: bytes, at: int, length: int) -> None:
    put, kind = show.put, data[at]
    match kind:
        case 0x11 if length >= _QUERY_SIZE:
            put("igmp query v3")
            _query(show, data, at, length)
        case 0x11:
            put("igmp query")
            _old_query(show, data, at, length)
        case 0x12 | 0x16 | 0x17:
            put(f"igmp {_GROUPED[kind]} {_address(show, data, at + 4)}")
            put(f" [len {length}]" if kind == 0x12 and length != _OLD_SIZE else "")
        case 0x22:
            put("igmp v3 report")
            _report(show, data, at, length)
        case 0x1E | 0x1F:
            _trace(show, data, at, length)
        case _:
            put(_NAMED.get(kind, f"igmp-{kind}"))
            put(f" [len {length}]" if kind == 0x13 and length < _OLD_SIZE else "")


def _address(show: Show, data: bytes, at: int) -> str:
    data[at + 3]
    return show.names.host(data[at : at + 4])


def _old_query(show: Show, data: bytes, at: int, length: int) -> None:
    """Of version 1 or 2; what tells them apart is a time to answer in."""
    put, code = show.put, data[at + 1]
    put(" v2" if code else " v1")
    put(f" [max resp time {code}]" if code not in (0, _USUAL) else "")
    (group,) = struct.unpack_from(">I", data, at + 4)
    put(f" [gaddr {_address(show, data, at + 4)}]" if group else "")
    put(f" [len {length}]" if length != _OLD_SIZE else "")


def _query(show: Show, data: bytes, at: int, length: int) -> None:
    put = show.put
    if length % 4:
        put(f" [invalid len {length}]")
        return
    code = data[at + 1]
    if code != _USUAL:
        # RFC 3376, 4.1.1: the highest bit makes a floating-point number of it.
        tenths = code if code < 0x80 else (code & 15 | 16) << ((code >> 4 & 7) + 3)
        put(f" [max resp time {f'{tenths / 10:.1f}s' if tenths < _LONG else period(tenths // 10)}]")
    (group,) = struct.unpack_from(">I", data, at + 4)
    if not group:
        return
    put(f" [gaddr {_address(show, data, at + 4)}")
    (count,) = struct.unpack_from(">H", data, at + 10)
    if count:
        if length < _QUERY_SIZE + 4 * count:
            put(" [invalid number of sources]")
        elif show.style.verbose > 1:
            _sources(show, data, at + _QUERY_SIZE, count)
        else:
            put(f", {count} source(s)")
    put("]")


def _report(show: Show, data: bytes, at: int, length: int) -> None:
    """RFC 3376, 4.2."""
    put, verbose = show.put, show.style.verbose
    if length < _REPORT_SIZE or length % 4:
        put(f" [invalid len {length}]")
        return
    (count,) = struct.unpack_from(">H", data, at + 6)
    put(f", {count} group record(s)")
    if not verbose:
        return
    place, end = at + 8, at + length
    for _ in range(count):
        if place + 8 > end:
            put(" [invalid number of groups]")
            return
        put(f" [gaddr {_address(show, data, place + 4)}")
        kind, _, sources = struct.unpack_from(">BBH", data, place)
        put(f" {_RECORDS.get(kind, f' [v3-report-#{kind}]')}")
        if place + 8 + 4 * sources > end:
            put(f" [invalid number of sources {sources}]")
            return
        if verbose > 1:
            _sources(show, data, place + 8, sources)
        else:
            put(f", {sources} source(s)")
        put("]")
        place += 8 + 4 * sources


def _sources(show: Show, data: bytes, at: int, count: int) -> None:
    show.put(" {")
    for place in range(at, at + 4 * count, 4):
        show.put(f" {_address(show, data, place)}")
    show.put(" }")


def _trace(show: Show, data: bytes, at: int, length: int) -> None:
    """What is asked and what is answered begin alike; where the answer goes by multicast, it says how far."""
    if length < _TRACE_SIZE:
        show.put(f" [invalid len {length}]")
        return
    # The highest byte of the last word is a time to live, the rest the number of the question.
    number = int.from_bytes(data[at + 21 : at + 24], "big")
    data[at + 23]
    source, target, answer = (_address(show, data, at + place) for place in (8, 12, 16))
    show.put(f"{_TRACES[data[at]]} {number}: {source} to {target} reply-to {answer}")
    show.put(f" with-ttl {data[at + 20]}" if data[at + 16] >> 4 == 0xE else "")
