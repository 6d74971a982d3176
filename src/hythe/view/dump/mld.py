"""Multicast listener discovery (RFC 2710, RFC 3810)."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.show import Show, address_at

#: Bytes from which on a query is of version 2 (RFC 3810, 8.1).
_QUERY_SIZE: Final = 28
_OLD_SIZE: Final = 24
_REPORT_MIN: Final = 8
_RECORDS: Final = ("", "is_in", "is_ex", "to_in", "to_ex", "allow", "block")


def listeners(show: Show, data: bytes, at: int, length: int) -> None:
    """What stands behind the name of the message."""
    if data[at] == 143:
        _report(show, data, at, length)
    elif data[at] == 130 and length >= _QUERY_SIZE:
        _query(show, data, at, length)
    elif data[at] == 130 and length != _OLD_SIZE:
        show.put(f" unknown-version (len {length}) ")
    elif len(data) >= at + _OLD_SIZE:
        (delay,) = struct.unpack_from(">H", data, at + 4)
        show.put(f"max resp delay: {delay} addr: {show.names.host(address_at(data, at + 8))}")


def _query(show: Show, data: bytes, at: int, length: int) -> None:
    put, verbose = show.put, show.style.verbose
    put(" v2")
    (code,) = struct.unpack_from(">H", data, at + 4)
    if verbose:
        # RFC 3810, 5.1.3: the highest bit makes a floating-point number of it.
        delay = code if code < 0x8000 else (code & 0x0FFF | 0x1000) << ((code >> 12 & 7) + 3)
        put(f" [max resp delay={delay}]")
    put(f" [gaddr {show.names.host(address_at(data, at + 8))}")
    if verbose:
        flags = data[at + 24]
        put(" sflag" if flags & 8 else "")
        put(f" robustness={flags & 7}" if flags & 7 else "")
        interval = data[at + 25]
        seconds = interval if interval < 128 else (interval & 15 | 16) << ((interval >> 4 & 7) + 3)
        put(f" qqi={seconds}")
    (count,) = struct.unpack_from(">H", data, at + 26)
    if count:
        if length < _QUERY_SIZE + 16 * count:
            put(" [invalid number of sources]")
        elif verbose > 1:
            _sources(show, data, at + _QUERY_SIZE, count)
        else:
            put(f", {count} source(s)")
    put("]")


def _report(show: Show, data: bytes, at: int, length: int) -> None:
    put, verbose = show.put, show.style.verbose
    if length < _REPORT_MIN:
        put(f" [invalid len {length}]")
        return
    (count,) = struct.unpack_from(">H", data, at + 6)
    put(f", {count} group record(s)")
    if not verbose:
        return
    place, end = at + 8, at + length
    for _ in range(count):
        if place + 20 > end:
            put(" [invalid number of groups]")
            return
        kind, _, sources = struct.unpack_from(">BBH", data, place)
        group = show.names.host(address_at(data, place + 4))
        name = _RECORDS[kind] if 0 < kind < len(_RECORDS) else f" [v2-report-#{kind}]"
        put(f" [gaddr {group} {name}")
        if place + 20 + 16 * sources > end:
            put(f" [invalid number of sources {sources}]")
            return
        if verbose > 1:
            _sources(show, data, place + 20, sources)
        else:
            put(f", {sources} source(s)")
        put("]")
        place += 20 + 16 * sources


def _sources(show: Show, data: bytes, at: int, count: int) -> None:
    show.put(" {")
    for place in range(at, at + 16 * count, 16):
        show.put(f" {show.names.host(address_at(data, place))}")
    show.put(" }")
