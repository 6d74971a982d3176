"""What is said of packets: whose flow it is, and what was sent again."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from hythe.gateway.capture import ring
from hythe.gateway.capture.flows import Flow, Flows, announcement
from hythe.gateway.capture.owners import Owners
from hythe.wire.packet import VNET_SIZE
from hythe.wire.segment import ACK, SYN, Envelope4, Envelope6, make_key

NETLINK_SOCK_DIAG = 4
COMMAND, FAR = bytes((10, 0, 0, 100)), bytes((10, 0, 0, 2))
KEY = make_key(COMMAND, 5000, FAR, 80)


class Nobody(Owners):
    """Knows of no socket."""

    def __init__(self) -> None:
        pass

    def inode(self, pair: object) -> int:
        return 0


def packet(kind: int, seq: int, size: int, flags: int = ACK) -> memoryview:
    ends = (COMMAND, FAR, 5000, 80) if kind == ring.FROM_COMMAND else (FAR, COMMAND, 80, 5000)
    return memoryview(Envelope4(*ends).head(seq, 1, flags, 500, size, 0)[VNET_SIZE:] + bytes(size))


def again(flows: Flows, kind: int, seq: int, size: int, flags: int = ACK, now: int = 100) -> list[tuple[int, int, str]]:
    flow = flows.of(packet(kind, seq, size, flags), kind)
    assert isinstance(flow, Flow)
    return flows.again(flow, kind, now)


@pytest.mark.parametrize("first", [1_000, (1 << 32) - 150])
def test_the_commands_kernel_sends_again(first: int) -> None:
    flows = Flows(Nobody())
    assert again(flows, ring.FROM_COMMAND, first - 1 & 0xFFFFFFFF, 0, SYN) == []
    for at in (0, 100, 200):
        assert again(flows, ring.FROM_COMMAND, first + at & 0xFFFFFFFF, 100) == []
    assert again(flows, ring.FROM_COMMAND, first + 300 & 0xFFFFFFFF, 0) == []  # an ACK
    ((start, end, why),) = again(flows, ring.FROM_COMMAND, first + 200 & 0xFFFFFFFF, 250)
    assert (start, end) == (0, 100)
    assert "again" in why
    assert again(flows, ring.FROM_COMMAND, first + 450 & 0xFFFFFFFF, 10) == []


def test_a_syn_sent_again_and_a_new_connection_on_the_same_ports() -> None:
    flows = Flows(Nobody())
    assert again(flows, ring.FROM_COMMAND, 5_000, 0, SYN) == []
    assert len(again(flows, ring.FROM_COMMAND, 5_000, 0, SYN)) == 1
    assert again(flows, ring.FROM_COMMAND, 4_000, 0, SYN) == []
    assert again(flows, ring.FROM_COMMAND, 4_001, 10) == []


def test_hythes_retransmission_is_told_with_its_reason_once_it_can_have_come() -> None:
    flows = Flows(Nobody())
    assert again(flows, ring.TO_COMMAND, 700, 1_000) == []
    flows.announce(memoryview(announcement(KEY, (1 << 32) + 900, (1 << 32) + 1_300, 150, "lost")))
    assert again(flows, ring.TO_COMMAND, 900, 400, now=149) == []  # the first sending, late
    assert again(flows, ring.TO_COMMAND, 1_700, 100, now=150) == []  # others
    assert again(flows, ring.TO_COMMAND, 800, 300, now=150) == [(100, 300, "lost")]
    assert again(flows, ring.TO_COMMAND, 1_100, 400, now=160) == [(0, 200, "lost")]
    assert again(flows, ring.TO_COMMAND, 1_100, 400, now=170) == []


@pytest.mark.parametrize("broken", [b"", b"\x45", b"\x45" + bytes(25), b"\x60" + bytes(39), b"\xff" * 60])
def test_what_has_no_ports_is_no_flow(broken: bytes) -> None:
    assert Flows(Nobody()).of(memoryview(broken), ring.FROM_COMMAND) is None


def test_the_kernel_tells_whose_a_socket_is() -> None:
    """Of the first packet of each kind of flow, both families."""
    with ExitStack() as stack:
        diag = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
        owners = Owners(diag, os.getppid())  # its descendants are looked at
        with open("/proc/self/comm", encoding="utf-8") as file:
            ours = f"{file.read().strip()}[{os.getpid()}]"
        for family, loopback in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            address = socket.inet_pton(family, loopback)
            server = stack.enter_context(socket.create_server((loopback, 0), family=family))
            client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
            ends = (address, client.getsockname()[1], address, server.getsockname()[1])
            assert owners.inode((6, *ends)) == os.fstat(client.fileno()).st_ino
            assert owners.inode((6, address, ends[3], address, 1)) == os.fstat(server.fileno()).st_ino
            datagrams = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            datagrams.bind((loopback, 0))
            port = datagrams.getsockname()[1]
            assert owners.inode((17, address, port, address, 9)) == os.fstat(datagrams.fileno()).st_ino
            assert owners.inode((17, address, 1, address, 9)) == 0
            told = None
            while told is None:
                told = owners.process(os.fstat(client.fileno()).st_ino, hurried=True)
            assert told == ours


def test_ipv6_packets_are_flows() -> None:
    ends = bytes(15) + b"\1", bytes(15) + b"\2"
    head = Envelope6(*ends, 5000, 80).head(1, 1, ACK, 500, 0, 0)[VNET_SIZE:]
    flow = Flows(Nobody()).of(memoryview(head), ring.TO_COMMAND)
    assert flow is not None
    assert flow.key == (6, ends[1], 80, ends[0], 5000)
