"""Which addresses the command may go to, and how the machine's own are known."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from random import Random
from typing import TYPE_CHECKING

import pytest

from hythe.aio.driver import Driver
from hythe.config import HostConfig
from hythe.gateway.destinations import Destinations
from hythe.gateway.egress.base import Destination
from hythe.gateway.layout import Family
from hythe.gateway.machine import Machine
from hythe.gateway.namespace import machine_networks, pick_subnet4
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.host.host import Host
from tests import needs

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

FAMILIES = [Family(bytes((10, 83, 64, 0)), 24), Family(bytes.fromhex("fd68797468650000") + bytes(8), 64)]
HOST4, HOST6 = "10.83.64.2", "fd68:7974:6865::2"

#: Addresses of a machine in these networks, as its kernel has them.
OWN = [("192.0.2.7", 32, 2), ("2001:db8::7", 128, 2), ("198.51.100.0", 24, 2), ("192.0.2.255", 32, 3)]


class Known(Machine):
    """A machine whose addresses are given."""

    def read(self) -> None:
        """As the kernel would have it."""
        self.changed = False
        self.take([(packed(address), bits, kind) for address, bits, kind in OWN])


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def destinations(*, host_loopback: bool = False) -> Destinations:
    return Destinations(Known(), FAMILIES, host_loopback=host_loopback)


@pytest.mark.parametrize(
    "address",
    [
        "203.0.113.1",
        "8.8.8.8",
        "240.0.0.1",
        "2001:db8::8",
        "::ffff:203.0.113.1",
        "64:ff9b::cb00:7101",
        "2002:cb00:7101::1",
        "192.0.2.8",
        "126.255.255.255",
    ],
)
def test_elsewhere_is_open(address: str) -> None:
    assert destinations().stream(packed(address), 80) == Destination(address, 80)
    assert destinations().datagram(packed(address), 53) == Destination(address, 53)
    assert destinations().reason(packed(address)) == 0


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "255.255.255.255",
        "224.0.0.251",
        "239.255.255.255",
        "192.0.2.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "::ffff:255.255.255.255",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::1",
        "2002::1",
        "2002:e000:1::",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_loopback_broadcast_and_multicast_are_refused_in_every_spelling(address: str, *, loopback: bool) -> None:
    found = destinations(host_loopback=loopback)
    assert found.stream(packed(address), 80) is None
    assert found.datagram(packed(address), 80) is None
    assert found.reason(packed(address)) == errno.EACCES


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "2001:db8::7", "198.51.100.9", "::ffff:192.0.2.7", "64:ff9b::c000:207", "2002:c000:207::1"]
)
def test_own_addresses_need_host_loopback(address: str) -> None:
    assert destinations().stream(packed(address), 80) is None
    assert destinations().reason(packed(address)) == errno.EACCES
    assert destinations(host_loopback=True).stream(packed(address), 80) == Destination(address, 80)


def test_the_host_address_is_this_machine_with_host_loopback_alone() -> None:
    found = destinations(host_loopback=True)
    assert found.stream(packed(HOST4), 80) == Destination("127.0.0.1", 80)
    assert found.datagram(packed(HOST6), 80) == Destination("::1", 80)
    assert destinations().stream(packed(HOST4), 80) is None
    assert destinations().reason(packed(HOST6)) == errno.EHOSTUNREACH


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.83.64.1", errno.ECONNREFUSED),
        ("fd68:7974:6865::1", errno.ECONNREFUSED),
        ("10.83.64.7", errno.EHOSTUNREACH),
        ("10.83.64.255", errno.EHOSTUNREACH),
        ("fd68:7974:6865::7", errno.EHOSTUNREACH),
    ],
)
def test_nobody_else_is_in_the_network_inside(address: str, reason: int) -> None:
    assert destinations(host_loopback=True).stream(packed(address), 80) is None
    assert destinations(host_loopback=True).reason(packed(address)) == reason


def test_own_addresses_come_and_go() -> None:
    """In a network of its own: what the kernel announces is known at the next question."""
    needs.userns()
    assert needs.in_child(_come_and_go) == 0


def _come_and_go() -> int:
    if needs.libc_unshare(needs.CLONE_NEWUSER | needs.CLONE_NEWNET):
        return 1
    return asyncio.run(_watch_addresses())


async def _watch_addresses() -> int:
    driver = Driver(Host(HostConfig(), Random(1), bytes(16)))
    machine = Machine()
    machine.watch(driver)
    found = Destinations(machine, [], host_loopback=False)
    mine, broadcast, neighbour, mine6 = map(packed, ("192.0.2.7", "192.0.2.255", "192.0.2.8", "2001:db8::7"))
    with RouteSocket() as routes:
        index = socket.if_nametoindex("lo")
        routes.bring_up(index)
        if any(found.reason(each) for each in (mine, broadcast, neighbour, mine6)):
            return 2
        routes.add_address(index, mine, 24)
        routes.add_address(index, mine6, 64)
        # An address on lo makes its whole network local, so the neighbour is one of ours. IPv6 ones take a moment.
        deadline = asyncio.get_running_loop().time() + 5
        while not all(found.reason(each) == errno.EACCES for each in (mine, broadcast, neighbour, mine6)):
            if asyncio.get_running_loop().time() > deadline:
                return 3
            await asyncio.sleep(0.001)
    machine.close()
    driver.close()
    return 0


@pytest.mark.parametrize("host_loopback", [True, False])
def test_the_command_sees_a_refusal_at_once(nobody: Person, *, host_loopback: bool) -> None:
    """A server on this machine's loopback, and what else an address may be."""
    program = (
        "import socket, sys, time; began = time.monotonic()\n"
        "for host in sys.argv[2:]:\n"
        "    try: socket.create_connection((host, sys.argv[1]), 5).close(); print('open')\n"
        "    except OSError as error: print(type(error).__name__)\n"
        "assert time.monotonic() - began < 2"
    )
    inside = Family(*pick_subnet4(machine_networks()))
    host, gateway = (str(ipaddress.ip_address(each)) for each in (inside.host, inside.gateway))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = nobody.run(
            "--host-loopback" if host_loopback else "", *nobody.script(program, port, host, gateway, "64:ff9b::7f00:1")
        )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["open" if host_loopback else "OSError", "ConnectionRefusedError", "PermissionError"]
