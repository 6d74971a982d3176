"""The parent's handle: descriptors from inside, the end of the command, and what closing means at every stage."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.errors import MachineError, UsageError
from hythe.gateway.namespace import NetworkPlan, Room
from hythe.gateway.namespace.limits import check
from tests import needs
from tests.gateway.namespace import driver

if TYPE_CHECKING:
    from collections.abc import Iterator

SIOCGSKNS = 0x894C
VNET_HEADER = 10


def children() -> set[str]:
    """The children of this process, dead ones that nobody has waited for among them (other tests have some, too)."""
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Require that this process can make rooms; afterwards it has the descriptors and children it had."""
    reason = check()
    if reason is not None:
        needs.lack(reason)
    descriptors, processes = sorted(os.listdir("/proc/self/fd")), children()
    yield
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    assert children() == processes


def readable(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


def test_the_descriptors_belong_to_the_rooms_network() -> None:
    with Room.begin(driver.plan(), ["true"]) as room:
        room.ready()
        names = set()
        for fd in (room.netlink_fd, room.diag_fd):
            namespace = fcntl.ioctl(fd, SIOCGSKNS)
            names.add(os.fstat(namespace).st_ino)
            os.close(namespace)
        assert len(names) == 1
        assert os.stat("/proc/self/ns/net").st_ino not in names
        with socket.socket(fileno=os.dup(room.netlink_fd)) as routes:
            assert (routes.family, routes.proto) == (socket.AF_NETLINK, socket.NETLINK_ROUTE)
        with socket.socket(fileno=os.dup(room.diag_fd)) as sockets:
            assert (sockets.family, sockets.proto) == (socket.AF_NETLINK, 4)
        for fd in (room.tun_fd, room.netlink_fd, room.diag_fd, room.pidfd):
            assert not os.get_inheritable(fd)
        assert not os.get_blocking(room.tun_fd)
        assert room.offloads & 7 == 7
        assert room.warnings == []


def test_packets_come_out_of_the_device() -> None:
    """An echo request, whole, behind its virtio_net_hdr; and nothing else but what was asked for."""
    ping = needs.program("ping")
    plan = driver.plan()
    assert plan.ipv4 is not None
    gateway = socket.inet_ntoa(plan.ipv4.gateway)
    with Room.begin(plan, ["bash", "-c", f"exec {ping} -c1 -W1 -s 20 {gateway} >/dev/null"]) as room:
        room.ready()
        assert not readable(room.tun_fd, 0), "no router solicitations, no multicast reports"
        room.go()
        assert readable(room.tun_fd, 10)
        packet = os.read(room.tun_fd, 65_536 + VNET_HEADER)
    version, protocol = packet[VNET_HEADER] >> 4, packet[VNET_HEADER + 9]
    source, destination = packet[VNET_HEADER + 12 : VNET_HEADER + 16], packet[VNET_HEADER + 16 : VNET_HEADER + 20]
    assert (version, protocol) == (4, socket.IPPROTO_ICMP)
    assert (source, destination) == (plan.ipv4.address, plan.ipv4.gateway)
    assert struct.unpack_from("!H", packet, VNET_HEADER + 2)[0] == len(packet) - VNET_HEADER == 48


def test_the_end_of_the_command() -> None:
    with Room.begin(driver.plan(), ["sh", "-c", "read -r line; exit 5"]) as room:
        room.ready()
        assert not readable(room.pidfd, 0)
        room.go()
        assert readable(room.pidfd, 10), "standard input of the tests is empty"
        assert room.wait() == 5
        assert room.wait() == 5
        room.signal(signal.SIGTERM)


def test_the_command_waits_for_go() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with Room.begin(driver.plan(), ["bash", "-c", f"echo started >&{writer}"]) as room:
        os.close(writer)
        room.ready()
        assert not readable(reader, 0.1)
        room.go()
        assert os.read(reader, 64) == b"started\n"
        assert room.wait() == 0
    os.close(reader)


def test_a_signal_before_go() -> None:
    with Room.begin(driver.plan(), ["sleep", "60"]) as room:
        room.ready()
        room.signal(signal.SIGTERM)
        room.go()
        assert room.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("stage", ["begin", "ready", "go", "wait", "twice"])
def test_closing_at_every_stage(stage: str) -> None:
    room = Room.begin(driver.plan(), ["sleep", "60"])
    if stage != "begin":
        room.ready()
    if stage in ("go", "wait", "twice"):
        room.go()
    if stage == "wait":
        room.signal(signal.SIGKILL)
        assert room.wait() == 128 + signal.SIGKILL
    if stage == "twice":
        room.close()
    room.close()
    with pytest.raises(ProcessLookupError):
        os.kill(room.pid, 0)


def test_no_command() -> None:
    with pytest.raises(UsageError, match="there is no command to run"):
        Room.begin(driver.plan(), [])


def test_a_failed_setup_closes_the_room() -> None:
    room = Room.begin(driver.plan(hidden=(__file__,)), ["true"])  # no directory
    with pytest.raises(MachineError, match=r"test_room\.py cannot be hidden"):
        room.ready()
    with pytest.raises(ProcessLookupError):
        os.kill(room.pid, 0)


def test_a_keeper_that_is_killed_takes_everything_along() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    with Room.begin(driver.plan(), ["sh", "-c", "sleep 60 & sleep 60"]) as room:
        os.close(writer)
        room.ready()
        room.go()
        os.kill(room.pid, signal.SIGKILL)
        assert room.wait() == 128 + signal.SIGKILL
        assert readable(reader, 10), "the last process has closed the pipe"
        assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_keeper_that_is_killed_during_the_setup_is_one_sentence() -> None:
    room = Room.begin(driver.plan(), ["true"])
    signal.pidfd_send_signal(room.pidfd, signal.SIGKILL)
    with pytest.raises(MachineError, match="ended too early"):
        room.ready()


def test_a_parent_that_ignores_sigchld() -> None:
    """As a service manager or a careless shell may start us: exit statuses must not get lost."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Room.begin(driver.plan(), ["sh", "-c", "exit 3"]) as room:
            room.ready()
            room.go()
            assert room.wait() == 3
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_plan_without_addresses() -> None:
    with Room.begin(NetworkPlan(mtu=576), ["sh", "-c", 'test -z "$(ip route)"']) as room:
        room.ready()
        room.go()
        assert room.wait() == 0


def test_the_parents_signal_mask_is_restored() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Room.begin(driver.plan(), ["true"]):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
