"""`hythe.link.tun` on a real device in a network of its own: super-datagrams go in and come out whole, or in pieces."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.tun import Tun
from hythe.wire import udp
from hythe.wire.packet import VNET
from tests import needs

HERE, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 9))
UDP_SEGMENT = 103


def in_a_network(test: Callable[[Tun, socket.socket], None]) -> None:
    """Run `test` with a device and a kernel socket at 192.0.2.1 port 7, in a child."""
    needs.root()
    needs.tun()

    def child() -> int:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        link = Tun("test%d", 1500, poison=True)
        with RouteSocket() as routes:
            index = socket.if_nametoindex(link.name)
            routes.without_link_local(index)  # no IPv6 greetings
            routes.add_address(index, HERE, 24)
            routes.bring_up(index)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
            kernel.bind(("192.0.2.1", 7))
            kernel.settimeout(5)
            test(link, kernel)
        assert link.dropped == 0
        link.close()
        return 0

    assert needs.in_child(child) == 0


def test_a_super_datagram_is_one_write() -> None:
    def test(link: Tun, kernel: socket.socket) -> None:
        head = udp.Envelope4(THERE, HERE, 9, 7).head(250, 100)
        link.send(0, head, (b"a" * 100, b"b" * 150))
        assert [kernel.recv(1000) for _ in range(3)] == [b"a" * 100, b"b" * 100, b"b" * 50]

    in_a_network(test)


def test_where_the_kernel_takes_none_it_is_cut() -> None:
    """An impossible header length has any kernel refuse it, as those before Linux 6.2 refuse all of them."""

    def test(link: Tun, kernel: socket.socket) -> None:
        head = udp.Envelope4(THERE, HERE, 9, 7).head(250, 100)
        flags, kind, _, gso_size, start, offset = VNET.unpack_from(head)
        head = VNET.pack(flags, kind, 0xFFFF, gso_size, start, offset) + head[VNET.size :]
        link.send(0, head, (b"a" * 100, b"b" * 150))
        assert [kernel.recv(1000) for _ in range(3)] == [b"a" * 100, b"b" * 100, b"b" * 50]

    in_a_network(test)


def test_the_kernels_super_datagrams_come_whole() -> None:
    def test(link: Tun, kernel: socket.socket) -> None:
        segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 100))]
        kernel.sendmsg([b"c" * 250], segment, 0, ("192.0.2.9", 9))
        (packet,) = link.receive(0, 8)
        datagram = udp.read4(packet)
        assert datagram is not None
        pieces = [bytes(piece) for piece in datagram.pieces()]
        if packet.gso_size:  # Linux 6.2 and later
            assert pieces == [b"c" * 100, b"c" * 100, b"c" * 50]
        else:
            assert pieces == [b"c" * 100]

    in_a_network(test)
