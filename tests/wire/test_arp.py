"""`hythe.wire.arp` against scapy, and garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP

from hythe.errors import ParseError
from hythe.wire import arp
from tests.wire.strategies import addresses4, damaged, parse_or_refuse, text4
from tests.wire.test_ethernet import macs

A, B = bytes.fromhex("0200000000a1"), bytes.fromhex("0200000000b2")
ONE, TWO = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


@given(st.sampled_from([arp.REQUEST, arp.REPLY]), macs, addresses4, macs, addresses4)
def test_both_ways(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes) -> None:
    scapy = bytes(ARP(op=operation, hwsrc=mac.hex(":"), psrc=text4(sender), hwdst=target_mac.hex(":"), pdst=text4(target)))
    message = arp.Arp(operation, mac, sender, target_mac, target)
    assert arp.build(message) == scapy
    assert arp.parse(scapy + bytes(18), 46) == message


def test_the_kinds_of_request() -> None:
    probe = arp.parse(arp.probe(A, ONE), arp.SIZE)
    assert probe.is_probe
    assert (probe.sender, probe.target, probe.target_mac) == (bytes(4), ONE, bytes(6))
    announced = arp.parse(arp.announcement(A, ONE), arp.SIZE)
    assert not announced.is_probe
    assert announced.sender == announced.target == ONE
    answer = arp.parse(arp.reply(B, TWO, arp.parse(arp.request(A, ONE, TWO), arp.SIZE)), arp.SIZE)
    assert answer == arp.Arp(arp.REPLY, B, TWO, A, ONE)


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (1, 6, "hardware 6"),
        (2, 0x86, "protocol 0x8600"),
        (4, 8, "not IPv4 over"),
        (5, 16, "not IPv4 over"),
        (7, 3, "operation is 3"),
        (8, 1, "group"),
    ],
)
def test_what_is_refused(at: int, value: int, why: str) -> None:
    data = bytearray(arp.request(A, ONE, TWO))
    data[at] = value
    with pytest.raises(ParseError, match=why):
        arp.parse(data, len(data))


@given(damaged(arp.request(A, ONE, TWO)))
def test_damaged_messages_give_parse_error_only(data: bytes) -> None:
    parse_or_refuse(arp.parse, data)
