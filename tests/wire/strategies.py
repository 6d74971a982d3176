"""What the tests of `hythe.wire` share: addresses, damaged packets, and the rule that garbage obeys."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from hythe.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hythe.wire.checksum import Octets

T = TypeVar("T")

ports = st.integers(0, 65535)
words = st.integers(0, 65535)
longs = st.integers(0, 0xFFFFFFFF)
octet = st.integers(0, 255)
addresses4 = st.binary(min_size=4, max_size=4)
# No multicast or unspecified: scapy looks up a link-layer address for those.
addresses6 = st.binary(min_size=15, max_size=15).map(lambda tail: b"\x20" + tail)


def text4(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET, address)


def text6(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, address)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """`whole` with a few bytes changed, cut short, or grown."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        if data:
            # The first bytes hold the lengths and kinds that parsers trip over.
            at = draw(st.one_of(st.integers(0, min(63, len(data) - 1)), st.integers(0, len(data) - 1)))
            data[at] = draw(octet)
    cut = draw(st.one_of(st.none(), st.integers(0, len(data))))
    return bytes(data[:cut]) + draw(st.sampled_from([b"", b"\0", b"\xff" * 9]))


def parse_or_refuse(parse: Callable[[Octets, int], T], data: bytes) -> T | None:
    """Run `parse` on `data`; None where it raised ParseError. Any other exception is the test's failure.

    Reads beyond the length are found by parsing again with other bytes behind: the outcome must be the same.
    """
    results = [_attempt(parse, view, len(data)) for view in (data, data + bytes(64), data + b"\xff" * 64)]
    assert results[0] == results[1] == results[2]
    if results[0] is not None:
        parse(memoryview(bytearray(data)), len(data))
    return results[0]


def _attempt(parse: Callable[[Octets, int], T], view: bytes, length: int) -> T | None:
    try:
        return parse(view, length)
    except ParseError:
        return None
