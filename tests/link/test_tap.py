"""`hythe.link.tap` on a real device in a network of its own: frames and super-datagrams, in and out."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

import pytest

from hythe.errors import UsageError
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.frames import Frame
from hythe.link.tap import Tap
from hythe.wire import arp, ethernet, udp
from hythe.wire.packet import VNET, VNET_PLAIN
from tests import needs

HERE, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 9))
MAC = bytes.fromhex("0200000000a1")
UDP_SEGMENT = 103


def in_a_network(test: Callable[[Tap, socket.socket, bytes], None]) -> None:
    """Run `test` with a device, a kernel socket at 192.0.2.1 port 7 and that end's MAC address, in a child."""
    needs.root()
    needs.tun()

    def child() -> int:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        link = Tap("test%d", poison=True)
        assert (link.name, link.mtu) == ("test0", 1500)
        with RouteSocket() as routes:
            index = socket.if_nametoindex(link.name)
            routes.without_link_local(index)  # no IPv6 greetings
            routes.add_address(index, HERE, 24)
            routes.bring_up(index)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
            kernel.bind(("192.0.2.1", 7))
            kernel.settimeout(5)
            kernel.sendto(b"hello", ("192.0.2.9", 9))
            (asked,) = frames(link, ethernet.ARP)
            question = arp.parse(asked.view, asked.length)
            assert (question.operation, question.sender, question.target) == (arp.REQUEST, HERE, THERE)
            assert bytes(asked.header) == ethernet.build(ethernet.BROADCAST, question.sender_mac, ethernet.ARP)
            answer = ethernet.build(question.sender_mac, MAC, ethernet.ARP)
            link.send_frame(0, answer, VNET_PLAIN + arp.reply(MAC, THERE, question))
            (greeting,) = frames(link, ethernet.IPV4)
            assert greeting.keep()[-5:] == b"hello"
            test(link, kernel, question.sender_mac)
        assert link.dropped == 0
        link.close()
        return 0

    assert needs.in_child(child) == 0


def frames(link: Tap, kind: int) -> Sequence[Frame]:
    """What waits, which is all of one kind: the kernel sends while it is in our system call, or its caller's."""
    found = link.receive(0, 8)
    assert [ethernet.parse(frame.header, 14).ethertype for frame in found] == [kind] * len(found)
    return found


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_super_datagram_is_one_write_or_is_cut(spoilt: bool) -> None:
    """An impossible header length has any kernel refuse it, as those before Linux 6.2 refuse all of them."""

    def test(link: Tap, kernel: socket.socket, mac: bytes) -> None:
        head = udp.Envelope4(THERE, HERE, 9, 7).head(250, 100)
        if spoilt:
            flags, kind, _, gso_size, start, offset = VNET.unpack_from(head)
            head = VNET.pack(flags, kind, 0xFFF0, gso_size, start, offset) + head[VNET.size :]
        link.send_frame(0, ethernet.build(mac, MAC, ethernet.IPV4), head, (b"a" * 100, b"b" * 150))
        assert [kernel.recv(1000) for _ in range(3)] == [b"a" * 100, b"b" * 100, b"b" * 50]

    in_a_network(test)


def test_the_kernels_super_datagrams_come_whole() -> None:
    def test(link: Tap, kernel: socket.socket, mac: bytes) -> None:
        segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 100))]
        kernel.sendmsg([b"c" * 250], segment, 0, ("192.0.2.9", 9))
        pieces = []
        for frame in frames(link, ethernet.IPV4):
            assert bytes(frame.header) == ethernet.build(MAC, mac, ethernet.IPV4)
            datagram = udp.read4(frame)
            assert datagram is not None
            pieces += [bytes(piece) for piece in datagram.pieces()]
        assert pieces == [b"c" * 100, b"c" * 100, b"c" * 50]

    in_a_network(test)


def test_a_device_that_cannot_be_had_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="for example tap0"):
        Tap("")
    with pytest.raises(UsageError, match="TAP descriptor's device cannot be told: give mtu="):
        Tap(0)
