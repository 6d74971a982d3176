"""One end of the wire on the Linux kernel: a TUN device in a network namespace of its own, and plain sockets.

What leaves the device are super-segments with partial checksums, as from hythe, and the fault link cuts them alike. There
is no qdisc but the machine's default (`machine` in the results tells it).
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from hythe.errors import MachineError
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.device import open_device
from hythe.pkt.kernel import enter_namespace
from hythe.units import SECOND
from scoreboard.cells import MTU
from scoreboard.settings import AHEAD, BLOCK, CONGESTION, PORT, SERVER, SYSCTLS

if TYPE_CHECKING:
    from scoreboard.cells import Cell

_DEVICE: Final = "tun0"
_ROOM: Final = 1 << 20
#: Orphans would go on trying for minutes, and the kernel clamps the windows of others when all buffers together are large.
_ABORT: Final = struct.pack("ii", 1, 0)
#: linux/tcp.h: tcp_info.tcpi_total_retrans; asm-generic/socket.h: SO_MAX_PACING_RATE.
_TOTAL_RETRANS: Final = 100
_SO_MAX_PACING_RATE: Final = 47
#: Any rate but "none given" has the kernel pace a socket without the fq qdisc (net/core/sock.c); this one limits nothing.
_NO_LIMIT: Final = (1 << 32) - 2


def set_up(address: str) -> int:
    """Leave for a namespace with a TUN device that has `address`: its descriptor. Raises `MachineError`."""
    check_memory()
    enter_namespace()
    fd, _ = open_device(_DEVICE)
    try:
        for name, text in SYSCTLS.items():
            with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
                file.write(text)
        with open(f"/proc/sys/net/ipv6/conf/{_DEVICE}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
        with RouteSocket() as routes:
            index = socket.if_nametoindex(_DEVICE)
            routes.set_mtu(index, MTU)
            routes.bring_up(index)
            routes.add_address(index, socket.inet_aton(address), 24)
    except OSError as error:
        raise MachineError(f"the kernel's end of the wire cannot be set up: {error}") from error
    return fd


def check_memory() -> None:
    """`MachineError` when all sockets of this machine hold so much that the kernel clamps windows (tcp(7), tcp_mem)."""
    with open("/proc/net/sockstat", encoding="ascii") as file:
        words = next(line for line in file if line.startswith("TCP:")).split()
    with open("/proc/sys/net/ipv4/tcp_mem", encoding="ascii") as file:
        least = int(file.read().split()[0])
    held = int(words[words.index("mem") + 1])
    if held >= least:
        raise MachineError(f"the sockets of this machine hold {held} pages, and from {least} on Linux clamps windows: wait")


def send(cell: Cell, start: int, end: int, paced: bool) -> int:
    """Connect all flows at `start` and write to them until `end` (monotonic ns); how many segments were resent."""
    flows = [socket.socket() for _ in range(cell.flows)]
    poller, block = select.epoll(), memoryview(bytes(BLOCK))
    _sleep(poller, start)
    for flow in flows:
        flow.setblocking(False)
        flow.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION.encode())
        flow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, AHEAD)
        flow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        if paced:
            flow.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, struct.pack("I", _NO_LIMIT))
        number = flow.connect_ex((SERVER, PORT))
        if number != errno.EINPROGRESS:
            raise OSError(number, "no flow could be begun")
        poller.register(flow, select.EPOLLOUT)
    known = {flow.fileno(): flow for flow in flows}
    while (left := end - monotonic_ns()) > 0:
        for descriptor, _ in poller.poll(left / SECOND):
            with contextlib.suppress(BlockingIOError):  # woken for room that somebody else has taken
                known[descriptor].send(block)
    return sum(_resent(flow) for flow in flows)


def receive(cell: Cell, end: int, listener: socket.socket) -> list[int]:
    """Take what comes until `end` (monotonic ns); the bytes of each flow."""
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    flows: dict[int, socket.socket] = {}
    received: dict[int, int] = {}
    buffer = memoryview(bytearray(_ROOM))
    while (left := end - monotonic_ns()) > 0:
        for descriptor, _ in poller.poll(left / SECOND):
            if descriptor == listener.fileno():
                flow, _ = listener.accept()
                flow.setblocking(False)
                poller.register(flow, select.EPOLLIN)
                flows[flow.fileno()] = flow
                received[flow.fileno()] = 0
            else:
                received[descriptor] += flows[descriptor].recv_into(buffer)
    return [*received.values(), *[0] * (cell.flows - len(received))]


def listen() -> socket.socket:
    """The server's socket."""
    return socket.create_server(("", PORT), backlog=1_024)


def _sleep(poller: select.epoll, until: int) -> None:
    while (left := until - monotonic_ns()) > 0:
        poller.poll(left / SECOND)


def _resent(flow: socket.socket) -> int:
    info = flow.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("I", info, _TOTAL_RETRANS)[0])
