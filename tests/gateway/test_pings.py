"""Pings through the gateway: `ping` inside `hythe run`, and the sockets that ping outside."""

from __future__ import annotations

import errno
import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw

from hythe.config import RelayConfig
from hythe.gateway.egress.base import Destination, EchoLost, EchoReply
from hythe.gateway.egress.echo import KernelEcho
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.device import open_device
from hythe.units import SECOND
from hythe.wire import icmp, icmpv6
from hythe.wire.packet import VNET_PLAIN, VNET_SIZE
from tests import needs
from tests.gateway.relay import HOST4, HOST6, Relay, within

if TYPE_CHECKING:
    import subprocess

    from tests.gateway.conftest import Person

RANGE = Path("/proc/sys/net/ipv4/ping_group_range")


def allowed(group: int) -> bool:
    """May somebody of this group open ping sockets on this machine?"""
    first, last = map(int, RANGE.read_text().split())
    return first <= group <= last


def ping(person: Person, options: str, *words: str) -> subprocess.CompletedProcess[str]:
    return person.run(options, needs.program("ping"), "-c", "2", "-i", "0.2", "-W", "5", *words)


def answered(person: Person, options: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Until both are: without -w it waits for the last twice as long as the first took, and no longer."""
    return ping(person, options, "-w", "20", *words)


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_the_gateway_answers_for_itself(person: Person, family: str) -> None:
    """Whatever the machine allows."""
    result = answered(person, "", family, "gateway.hythe.internal")
    assert "2 received" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("family", ["-4", "-6"])
@pytest.mark.parametrize("size", ["0", "56", "1472", "60000"])
def test_root_pings_this_machine(root: Person, family: str, size: str) -> None:
    result = answered(root, "--host-loopback --summary", family, "-s", size, "host.hythe.internal")
    assert "2 received" in result.stdout, result.stdout + result.stderr
    (row,) = [line for line in result.stderr.splitlines() if " icmp " in line]
    assert row.split()[-1] == "ASSURED"


@pytest.mark.parametrize("mtu", [1280, 1500])
def test_long_pings_come_in_fragments(root: Person, mtu: int) -> None:
    result = answered(root, f"--host-loopback --mtu {mtu}", "-4", "-s", "20000", "host.hythe.internal")
    assert "2 received" in result.stdout, result.stdout + result.stderr


def test_a_user_pings_or_is_told_once_why_not(nobody: Person) -> None:
    result = ping(nobody, "--host-loopback", "-4", "host.hythe.internal")
    if allowed(needs.NOBODY):
        assert "2 received" in result.stdout, result.stdout + result.stderr
    else:
        assert result.stdout.count("Packet filtered") == 2, result.stdout
        assert result.stderr.count("ping_group_range") == 1
        assert len(result.stderr.splitlines()) == 1


def test_what_is_not_there_is_unreachable(nobody: Person) -> None:
    result = ping(nobody, "", "-4", "10.83.64.77")
    assert result.stdout.count("Host Unreachable") == 2, result.stdout + result.stderr


# --- Flows, on real sockets with a clock of our own


def pinger(relay: Relay, address: bytes, identifier: int, sequence: int = 1) -> None:
    """Have the command send one echo request."""
    command = relay.command
    us = command.interface.source_for(address)
    assert us is not None
    build = icmp.echo_packet if len(address) == 4 else icmpv6.echo_packet
    message = build(us, address, False, identifier, sequence, b"data")
    command.link.send(relay.now, VNET_PLAIN + message)
    relay.turn()


def needs_ping() -> None:
    if os.geteuid() != 0 and not allowed(os.getegid()):
        needs.root()


def test_flows_end_and_make_room() -> None:
    needs_ping()

    def test(relay: Relay) -> None:
        for identifier in (1, 2, 3):
            pinger(relay, HOST4, identifier)
        assert [key[1] for key in relay.pings.flows] == [2, 3]
        assert [record.bytes_down for record in relay.session.records()] == [4, 4, 4]
        pinger(relay, HOST6, 2)
        assert [key[1] for key in relay.pings.flows] == [3, 2]
        relay.turn(after=40 * SECOND)
        pinger(relay, HOST6, 2, 2)
        relay.turn(after=40 * SECOND)
        assert [key[1] for key in relay.pings.flows] == [2]
        relay.turn(after=40 * SECOND)
        assert len(relay.pings.flows) == 0
        assert relay.session.live == {}

    within(test, RelayConfig(ping_mappings=2))


# --- The sockets, in a network of their own


def up(name: str) -> None:
    """Switch an interface on."""
    with RouteSocket() as routes:
        routes.bring_up(socket.if_nametoindex(name))


def readable(fd: int) -> None:
    assert select.select([fd], [], [], 5)[0], "nothing came"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("raw", [False, True], ids=["ping-socket", "raw"])
def test_both_kinds_of_sockets_ping(host: str, raw: bool) -> None:
    needs.root()

    def child() -> int:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        up("lo")
        RANGE.write_text("1 0" if raw else "0 0")
        echo = KernelEcho(Destination(host, 0), 77)
        assert echo.is_raw == raw
        for sequence in (1, 65_535):
            echo.send(sequence, b"hello")
            readable(echo.fileno())
            assert echo.receive() == [EchoReply(sequence, b"hello")]
        assert echo.errors() == echo.receive() == []
        echo.close()
        return 0

    assert needs.in_child(child) == 0


@pytest.mark.parametrize("raw", [False, True], ids=["ping-socket", "raw"])
def test_errors_come_back_with_their_number(raw: bool) -> None:
    """A router of our own, behind a TUN device, says that the time is up."""
    needs.root()
    needs.tun()

    def child() -> int:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        RANGE.write_text("1 0" if raw else "0 0")
        router, name = open_device("test%d")
        with RouteSocket() as routes:
            routes.add_address(socket.if_nametoindex(name), bytes((192, 0, 2, 1)), 24)
        up(name)
        echo = KernelEcho(Destination("192.0.2.9", 0), 77)
        echo.send(5, b"hello")
        while True:
            readable(router)
            request = os.read(router, 2000)[VNET_SIZE:]
            if request[0] >> 4 == 4:  # the kernel greets its IPv6 neighbours
                break
        error = IP(src="192.0.2.254", dst="192.0.2.1") / ICMP(type=11, code=0) / Raw(request)
        os.write(router, VNET_PLAIN + bytes(error))
        readable(echo.fileno())
        assert echo.errors() == [EchoLost(5, (11, 0), "192.0.2.254")]
        assert echo.receive() == []
        return 0

    assert needs.in_child(child) == 0


def test_no_route_is_an_error_at_once() -> None:
    needs.root()

    def child() -> int:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        try:
            KernelEcho(Destination("192.0.2.9", 0), 77)
        except OSError as error:
            return 0 if error.errno == errno.ENETUNREACH else 1
        return 2

    assert needs.in_child(child) == 0
