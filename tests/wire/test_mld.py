"""`hythe.wire.mld` against scapy, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6MLDMultAddrRec,
    ICMPv6MLQuery,
    ICMPv6MLQuery2,
    ICMPv6MLReport2,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)

from hythe.errors import ParseError
from hythe.units import MILLISECOND
from hythe.wire import ipv6, mld
from tests.wire.strategies import damaged, parse_or_refuse, text6

A = b"\xfe\x80" + bytes(13) + b"\x01"
ALL = b"\xff\x02" + bytes(13) + b"\x01"
ALERT = IPv6ExtHdrHopByHop(options=[RouterAlert()])
groups = st.binary(min_size=14, max_size=14).map(lambda tail: b"\xff\x02" + tail)


def read(packet: bytes) -> mld.Query:
    header = ipv6.parse(packet, len(packet))
    body = packet[header.payload_offset : header.end]
    return mld.parse_query(body, len(body), header.source, header.destination)


@given(st.lists(st.tuples(st.sampled_from([mld.LISTENING, mld.JOINED, mld.LEFT]), groups), max_size=5))
def test_reports(records: list[tuple[int, bytes]]) -> None:
    listed = [ICMPv6MLDMultAddrRec(rtype=kind, dst=text6(group)) for kind, group in records]
    scapy = IPv6(src=text6(A), dst="ff02::16", hlim=1) / ALERT / ICMPv6MLReport2(records=listed)
    assert mld.report(A, records) == bytes(scapy)


@given(groups, st.integers(0, 65535))
def test_queries_of_both_versions(group: bytes, code: int) -> None:
    over = IPv6(src=text6(A), dst="ff02::1", hlim=1) / ALERT
    assert read(bytes(over / ICMPv6MLQuery(mladdr=text6(group), mrd=code))) == mld.Query(group, code * MILLISECOND)
    told = read(bytes(over / ICMPv6MLQuery2(mladdr=text6(group), mrd=code)))
    expected = code if code < 32768 else (code % 4096 + 4096) * 2 ** (code // 4096 % 8 + 3)
    assert told == mld.Query(group, expected * MILLISECOND)


def test_what_is_refused() -> None:
    query = bytes((mld.QUERY,)) + bytes(23)
    assert mld.parse_query(query, 24, A, ALL, verify=False) == mld.Query(bytes(16), 0)
    for message, why in (
        (query[:23], "needs 24 bytes, 23"),
        (b"\x83" + query[1:], "type 131"),
        (query[:8] + A, "no group"),
    ):
        with pytest.raises(ParseError, match=why):
            mld.parse_query(message, len(message), A, ALL, verify=False)
    with pytest.raises(ParseError, match="ICMPv6 checksum"):
        mld.parse_query(query, 24, A, ALL)


@given(damaged(bytes((mld.QUERY,)) + bytes(27)))
def test_damaged_queries_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(lambda view, length: mld.parse_query(view, length, A, ALL, verify=False), data)
