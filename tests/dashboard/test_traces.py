"""Packets of connections: the first and the last ones, told apart by socket pair, numbered from 1."""

from __future__ import annotations

import ipaddress
import struct
from typing import Final

import pytest

from hythe.dashboard.traces import FIRST, LAST, PAIRS, Pair, Traces, pair_of
from hythe.session.model import Connection, End
from hythe.view.analysis.words import report
from hythe.wire.pcapng import INBOUND, LINKTYPE_RAW, OUTBOUND, CapturedPacket, Interface
from hythe.wire.segment import ACK, FIN, PSH, SYN

RAW: Final = Interface("", LINKTYPE_RAW, 0, 1_000_000_000)
INSIDE, REMOTE = ("10.0.0.2", 40_000), ("192.0.2.1", 80)


def packet(
    at: int, flags: int, seq: int, ack: int, size: int = 0, *, back: bool = False, port: int = 40_000, protocol: int = 6
) -> CapturedPacket:
    """Make one of the connection; `at` in ms."""
    source, destination = (INSIDE[0], port), REMOTE
    if back:
        source, destination = destination, source
    if protocol == 6:
        text = struct.pack(">HHIIBBHHH", source[1], destination[1], seq, ack, 5 << 4, flags, 60_000, 0, 0) + bytes(size)
    else:
        text = struct.pack(">HHHH", source[1], destination[1], 8 + size, 0) + bytes(size)
    ends = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(destination[0]).packed
    data = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(text), 0, 0, 64, protocol, 0) + ends + text
    return CapturedPacket(RAW, at * 1_000_000, data, len(data), INBOUND if back else OUTBOUND)


def connection(port: int = 40_000, protocol: str = "tcp", remote: str = REMOTE[0]) -> Connection:
    ends = (End(INSIDE[0], port), End(remote, REMOTE[1]), None, None)
    return Connection(1, protocol, False, *ends, None, None, "", None, 0.0, None, 0, 0, 0, 0, None, 0, None)


def handshake(seq: int = 100, port: int = 40_000, at: int = 0) -> list[CapturedPacket]:
    return [
        packet(at, SYN, seq, 0, port=port),
        packet(at + 10, SYN | ACK, 900, seq + 1, back=True, port=port),
        packet(at + 11, ACK, seq + 1, 901, port=port),
    ]


def test_arrows_are_told_from_the_commands_end() -> None:
    traces = Traces()
    traces.open(connection())
    traces.take([*handshake(), packet(12, PSH | ACK, 101, 901, 5), packet(30, FIN | ACK, 901, 106, back=True)])
    trace = traces.of(connection())
    assert trace is not None
    assert [each.row(trace.start)[:5] for each in trace.since(0)] == [
        [1, 0.0, 0, "SYN", 0],
        [2, 0.01, 1, "SYN ACK 1", 0],
        [3, 0.011, 0, "ACK 1", 0],
        [4, 0.012, 0, "PSH ACK 1, data 1-5", 5],
        [5, 0.03, 1, "FIN ACK 6", 0],
    ]
    assert [each.number for each in trace.since(3)] == [4, 5]
    assert trace.conversation is not None
    assert trace.conversation.handshake
    assert any("5 packets" in line for line in report(trace.conversation))
    shown = trace.shown(3)
    assert shown is not None
    assert (shown.number, shown.title) == (3, "ACK")
    assert any("3-way handshake (ACK)" in row.info for row in shown.tables[0].rows)
    assert trace.shown(6) is None


def test_an_inbound_connection_is_the_commands_too() -> None:
    traces = Traces()
    traces.open(connection())
    traces.take([packet(0, SYN, 1, 0, back=True), packet(1, SYN | ACK, 5, 2)])
    trace = traces.of(connection())
    assert trace is not None
    assert [each.back for each in trace.since(0)] == [True, False]


def test_the_first_ones_are_kept_and_the_last_of_what_is_open() -> None:
    traces = Traces()
    many = [packet(20 + number, ACK, 101 + number, 901, 1) for number in range(LAST + 100)]
    traces.take([*handshake(), *many[:100]])
    trace = traces.of(connection())
    assert trace is not None
    assert (trace.count, trace.let_go) == (103, 103 - FIRST)
    assert list(trace.since(0)) == []  # nobody looks
    traces.open(connection())
    assert [each.number for each in trace.since(0)] == list(range(1, FIRST + 1))
    traces.take(many)
    numbers = [each.number for each in trace.since(0)]
    assert numbers[:FIRST] == list(range(1, FIRST + 1))
    assert numbers[FIRST:] == list(range(104 + 100, 104 + 100 + LAST))
    traces.close(connection())
    traces.take(many[:1])
    assert list(trace.since(numbers[-1])) == []


def test_a_connection_that_is_open_before_it_begins_is_kept() -> None:
    traces = Traces()
    traces.open(connection())
    traces.take([*handshake(), *(packet(20, ACK, 101 + each, 901, 1) for each in range(100))])
    trace = traces.of(connection())
    assert trace is not None
    assert trace.let_go == 0


def test_a_socket_pair_that_is_used_again_begins_anew() -> None:
    traces = Traces()
    traces.take([*handshake(), packet(40, SYN, 100, 0)])  # the same SYN, sent again
    first = traces.of(connection())
    assert first is not None
    assert first.count == 4
    traces.take(handshake(seq=70_000, at=5_000))
    second = traces.of(connection())
    assert second is not None
    assert second is not first
    assert second.count == 3


def test_datagrams_and_names() -> None:
    traces = Traces()
    traces.open(connection(protocol="udp"))
    traces.take([packet(0, 0, 0, 0, 33, protocol=17), packet(1, 0, 0, 0, 44, back=True, protocol=17)])
    trace = traces.of(connection(protocol="udp"))
    assert trace is not None
    assert [(each.text, each.back) for each in trace.since(0)] == [("33 bytes", False), ("44 bytes", True)]
    assert traces.of(connection(protocol="icmp")) is None
    # A name instead of an address: the inner end alone tells.
    assert traces.of(connection(protocol="udp", remote="example.com")) is trace


def test_socket_pairs_are_bounded_and_open_ones_stay() -> None:
    traces = Traces()
    traces.open(connection(port=1))
    for port in range(1, PAIRS + 10):
        traces.take([packet(0, SYN, 5, 0, port=port)])
    assert traces.of(connection(port=1)) is not None
    assert traces.of(connection(port=2)) is None
    assert traces.of(connection(port=PAIRS + 9)) is not None


@pytest.mark.parametrize("length", range(0, 44, 3))
def test_what_is_cut_off_has_no_pair_or_the_right_one(length: int) -> None:
    whole = packet(0, SYN, 1, 0)
    pair = pair_of(whole.data[:length])
    assert pair in (None, pair_of(whole.data))
    assert pair_of(b"\x45" + bytes(5) + b"\x20\x10" + bytes(40)) is None  # a fragment that is not the first
    traces = Traces()
    traces.take([CapturedPacket(RAW, 0, whole.data[:length], len(whole.data), OUTBOUND)])


def test_ipv6() -> None:
    source, destination = ipaddress.ip_address("fd00::2").packed, ipaddress.ip_address("fd00::1").packed
    data = b"\x60\0\0\0\0\x08\x11\x40" + source + destination + struct.pack(">HHHH", 5, 53, 8, 0)
    assert pair_of(data) == Pair(17, source + b"\0\x05", destination + b"\0\x35")
