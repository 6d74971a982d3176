"""Two Linux kernels and a wire of ours: each end in a network namespace of its own, with a TUN device; captured at both.

The programs are those of `tests/gateway/test_run_why.py`; so are the situations, whose faults are options of `hythe run`.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from hythe.aio.alarm import Alarm
from hythe.gateway.faults import parse
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.capture import Capture
from hythe.link.device import open_device
from hythe.link.faults import FaultLink, Plan
from hythe.link.tun import Tun
from hythe.pkt.kernel import enter_namespace
from hythe.units import MILLISECOND, SECOND
from hythe.view.analysis.conversation import Conversation, Conversations
from hythe.wire import icmp
from hythe.wire.packet import GSO_TCPV4, NEEDS_CSUM, PARTIAL, VNET, VNET_PLAIN, Packet
from scoreboard.trial import hurry
from tests.gateway.test_run_why import CLIENT
from tests.view.analysis.stage import Kept, packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hythe.link.base import Link

MTU: Final = 1_500
ADDRESSES: Final = ("192.0.2.1", "192.0.2.2")
PORT: Final = 8_000
ROUTER: Final = bytes([198, 51, 100, 7])
#: IPv4, TCP, and its timestamps.
_HEADERS: Final = 52
_DEVICE: Final = "tun0"
_FORK: Final = get_context("fork")
#: A situation ends of itself; one that does not, by this.
_LIMIT: Final = 60 * SECOND
_BATCH: Final = 32
_SEED: Final = 5
#: Packets that a device holds for us; linux/sockios.h.
_QUEUE: Final = 10_000
_SIOCSIFTXQLEN: Final = 0x8943


def _enter(address: str, congestion: str) -> int:
    """Leave for a namespace with a TUN device that has `address`; its descriptor."""
    enter_namespace()
    fd, _ = open_device(_DEVICE)
    hurry(1)
    settings = {f"ipv6/conf/{_DEVICE}/disable_ipv6": "1"}
    if congestion:
        settings["ipv4/tcp_congestion_control"] = congestion
    for name, text in settings.items():
        with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
            file.write(text)
    with socket.socket() as sock:  # or what the wire has no time for would get lost on its way to it
        fcntl.ioctl(sock, _SIOCSIFTXQLEN, struct.pack("16si20x", _DEVICE.encode(), _QUEUE))
    with RouteSocket() as routes:
        index = socket.if_nametoindex(_DEVICE)
        routes.set_mtu(index, MTU)
        routes.bring_up(index)
        routes.add_address(index, socket.inet_aton(address), 24)
    return fd


def _client(control: socket.socket, congestion: str, words: list[str]) -> None:
    fd = _enter(ADDRESSES[0], congestion)
    socket.send_fds(control, [b"!"], [fd])
    os.close(fd)
    control.recv(1)
    ran = subprocess.run([sys.executable, "-I", "-c", CLIENT, *words], capture_output=True, text=True, check=False)
    control.sendall(json.dumps([ran.returncode, ran.stdout + ran.stderr]).encode())


def _server(control: socket.socket, congestion: str, serve: Callable[[socket.socket], None] | None) -> None:
    fd = _enter(ADDRESSES[1], congestion)
    if serve is None:
        socket.send_fds(control, [b"!"], [fd])
        os.close(fd)
        control.recv(1)
        return
    with socket.create_server(("", PORT)) as listener:
        socket.send_fds(control, [b"!"], [fd])
        os.close(fd)
        with listener.accept()[0] as connection:
            serve(connection)
        control.recv(1)


@contextmanager
def _end(target: Callable[..., None], *arguments: object) -> Iterator[tuple[Tun, socket.socket]]:
    """A process that is one end: its device, and what it can be told by."""
    control, theirs = socket.socketpair()
    control.settimeout(20)
    process = _FORK.Process(target=target, args=(theirs, *arguments))
    process.start()
    theirs.close()
    try:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        assert descriptors, "an end did not begin"
        device = Tun(descriptors[0], MTU)
        yield device, control
        device.close()
    finally:
        control.close()
        process.join(1)
        process.kill()
        process.join()


def run(
    serve: Callable[[socket.socket], None] | None,
    client: str,
    fault: str = "",
    *,
    buffer: int = 0,
    congestion: str = "",
    path_mtu: int = 0,
) -> tuple[Conversation, Conversation]:
    """What the client's and the server's capture tell of the one connection that there was. `congestion`: as in sysctl.

    `path_mtu`: of what the client sends no longer packet gets through, and a router says so.
    """
    up, down = _plans(fault)
    files = Kept(), Kept()
    with ExitStack() as cleanup:
        cleanup.callback(os.sched_setscheduler, 0, os.sched_getscheduler(0), os.sched_getparam(0))
        hurry(2)  # what the wire has no time for is delay, or loss, that nobody has asked for
        near, asking = cleanup.enter_context(
            _end(_client, congestion, [str(PORT), str(buffer), ADDRESSES[1], *client.split()])
        )
        far, serving = cleanup.enter_context(_end(_server, congestion, serve))
        epoch = time.time_ns() - time.monotonic_ns()
        ends = [Capture(link, file, _DEVICE, epoch) for link, file in ((near, files[0]), (far, files[1]))]
        asking.send(b"!")
        _carry(ends[0], ends[1], (up, down), asking, path_mtu)
        status, said = json.loads(asking.recv(65_536))
        assert status == 0, said
        with suppress(BrokenPipeError):
            serving.send(b"!")
    found = [Conversations().read(packets(file.getvalue())).all for file in files]
    assert [len(each) for each in found] == [1, 1]
    return found[0][0], found[1][0]


def _plans(fault: str) -> tuple[Plan, Plan]:
    """Ten milliseconds each way, and the options of `hythe run`."""
    given = fault.split()
    words = {name.removeprefix("--").replace("-", "_"): text for name, text in zip(given[::2], given[1::2], strict=True)}
    faults = parse({"delay": "10ms", **words}, _SEED)
    assert faults is not None
    return faults.up, faults.down


def _carry(client: Link, server: Link, plans: tuple[Plan, Plan], done: socket.socket, path_mtu: int) -> None:
    """Until the client has told how it went, and what was on its way then has arrived."""
    ways = (
        (client, FaultLink(server, plans[0], seed=_SEED)),
        (server, FaultLink(client, down=plans[1], seed=_SEED, far_above=True)),
    )
    alarm, poller = Alarm(), select.epoll()
    for each in (client, server, done):
        poller.register(each.fileno(), select.EPOLLIN)
    poller.register(alarm.fd, select.EPOLLIN | select.EPOLLET)
    now = time.monotonic_ns()
    end = now + _LIMIT
    over = False
    while now < end:
        due = min(end, *(way.next_deadline() for _, way in ways))
        alarm.set(max(due, now))
        if not over and any(fd == done.fileno() for fd, _ in poller.poll()):
            over, end = True, time.monotonic_ns() + 500 * MILLISECOND
            poller.unregister(done)
        elif over:
            poller.poll(0.01)
        now = time.monotonic_ns()
        for source, way in ways:
            while batch := source.receive(now, _BATCH):
                for packet in batch:
                    if path_mtu and source is client and _longest(packet) > path_mtu:
                        source.send(now, VNET_PLAIN, (_refusal(packet, path_mtu),))
                        continue
                    way.send(now, _header(packet), (packet.view[: packet.length],))
            way.release(now)
    alarm.close()
    poller.close()
    assert over, "the client is not done"


def _refusal(packet: Packet, mtu: int) -> bytes:
    """A router's word on it."""
    data = bytes(packet.view[: packet.length])
    return icmp.error_packet(ROUTER, data[12:16], icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED, data, mtu=mtu)


def _longest(packet: Packet) -> int:
    """Of the packets that it is cut into."""
    return packet.gso_size + _HEADERS if packet.gso_size else packet.length


def _header(packet: Packet) -> bytes:
    """The virtio-net header with what the fault link asks of it."""
    if packet.checksum != PARTIAL and not packet.gso_size:
        return VNET_PLAIN
    return VNET.pack(NEEDS_CSUM, GSO_TCPV4 if packet.gso_size else 0, 0, packet.gso_size, 0, 0)
