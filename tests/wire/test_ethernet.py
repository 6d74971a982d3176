"""`hythe.wire.ethernet` against scapy, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Dot1Q, Ether

from hythe.errors import ParseError, UsageError
from hythe.wire import ethernet
from tests.wire.strategies import damaged, parse_or_refuse

macs = st.binary(min_size=5, max_size=5).map(lambda tail: b"\x02" + tail)
types = st.integers(ethernet.ETHERTYPE_MIN, 0xFFFF).filter(lambda each: each != ethernet.VLAN)
tags = st.one_of(st.none(), st.tuples(st.integers(0, ethernet.VLAN_MAX), st.integers(0, 7), st.booleans()))
A, B = bytes.fromhex("0200000000a1"), bytes.fromhex("0200000000b2")


@given(macs, macs, types, tags)
def test_headers_both_ways(destination: bytes, source: bytes, kind: int, tag: tuple[int, int, bool] | None) -> None:
    scapy = Ether(dst=destination.hex(":"), src=source.hex(":"), type=kind if tag is None else ethernet.VLAN)
    vlan, priority, drop = tag or (None, 0, False)
    if vlan is not None:
        scapy /= Dot1Q(vlan=vlan, prio=priority, dei=int(drop), type=kind)
    ours = ethernet.build(destination, source, kind, vlan=vlan, priority=priority, drop_eligible=drop)
    assert ours == bytes(scapy)
    header = ethernet.parse(ours + b"payload", len(ours) + 7)
    assert header == ethernet.Header(destination, source, kind, vlan, priority, drop)
    assert header.size == len(ours)


def test_a_second_tag_is_the_payloads() -> None:
    frame = ethernet.build(A, B, ethernet.VLAN, vlan=5) + bytes.fromhex("00060800")
    assert ethernet.parse(frame, len(frame)).ethertype == ethernet.VLAN


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (A + B + b"\x08", "needs 14 bytes, 13"),
        (A + B + b"\x00\x26" + bytes(38), "LLC"),
        (A + b"\x01" + B[1:] + b"\x08\x00", "group address"),
        (A + B + b"\x81\x00\x00\x01", "tag needs 4 bytes, 2"),
        (A + B + b"\x81\x00\x0f\xff\x08\x00", "4095"),
    ],
)
def test_what_is_refused(frame: bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        ethernet.parse(frame, len(frame))


def test_what_cannot_be_built() -> None:
    for vlan, priority in ((4095, 0), (-1, 0), (1, 8)):
        with pytest.raises(ValueError, match="fits no"):
            ethernet.build(A, B, ethernet.IPV4, vlan=vlan, priority=priority)
    with pytest.raises(ValueError, match="6 bytes"):
        ethernet.build(A[:5], B, ethernet.IPV4)


def test_group_addresses() -> None:
    assert ethernet.group_of(bytes((224, 129, 2, 3))).hex(":") == "01:00:5e:01:02:03"
    assert ethernet.group_of(b"\xff\x02" + bytes(10) + b"\xff\x01\x02\x03").hex(":") == "33:33:ff:01:02:03"
    assert ethernet.is_group(ethernet.BROADCAST)
    assert not ethernet.is_group(A)


def test_text() -> None:
    assert ethernet.parse_mac("02:00:00:00:00:A1") == ethernet.parse_mac("02-00-00-00-00-a1") == A
    assert ethernet.format_mac(A) == "02:00:00:00:00:a1"
    for text in ("", "02:00:00:00:00", "02:00:00:00:00:zz", "02:00-00:00:00:01", "2:0:0:0:0:1"):
        with pytest.raises(UsageError, match="is not a MAC address"):
            ethernet.parse_mac(text)
    for text in ("01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
        with pytest.raises(UsageError, match="not one interface's"):
            ethernet.parse_mac(text)


@given(damaged(ethernet.build(A, B, ethernet.IPV4, vlan=9, priority=3) + bytes(30)))
def test_damaged_frames_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(ethernet.parse, data)
