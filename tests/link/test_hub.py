"""The in-process Ethernet segment."""

from __future__ import annotations

import select

from hythe.link.hub import Hub, HubPort
from hythe.link.inbox import QUEUE
from hythe.wire import ethernet, ipv4
from hythe.wire.packet import ABSENT, PARTIAL, VNET_PLAIN
from hythe.wire.segment import ACK, Envelope4

A, B = bytes.fromhex("0200000000a1"), bytes.fromhex("0200000000b2")
HEADER = ethernet.build(B, A, ethernet.IPV4)
HEAD = Envelope4(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), 1, 2).head


def readable(port: HubPort) -> bool:
    return bool(select.select([port.fileno()], [], [], 0)[0])


def test_a_frame_reaches_every_other_port_whole() -> None:
    hub = Hub(poison=True)
    first, second, third = hub.port(), hub.port(), hub.port()
    first.send_frame(0, HEADER, HEAD(1, 2, ACK, 3, 4000, 1460), (bytes(4000),))
    assert not first.receive(0, 8)
    for port in (second, third):
        (frame,) = port.receive(0, 8)
        assert (bytes(frame.header), frame.length, frame.gso_size, frame.checksum) == (HEADER, 4040, 1460, PARTIAL)
        port.receive(0, 8)
        assert bytes(frame.header) == b"\xdb" * 14


def test_without_offload_it_is_cut_as_on_a_wire() -> None:
    hub = Hub(offload=False)
    first, second = hub.port(), hub.port()
    first.send_frame(0, HEADER, HEAD(1, 2, ACK, 3, 4000, 1460), (bytes(4000),))
    frames = second.receive(0, 8)
    assert [(frame.length, frame.gso_size, frame.checksum) for frame in frames] == [
        (1500, 0, ABSENT),
        (1500, 0, ABSENT),
        (1120, 0, ABSENT),
    ]
    for frame in frames:
        assert ipv4.parse(frame.view, frame.length).total_length == frame.length
    first.send_frame(0, HEADER, VNET_PLAIN + b"no IP at all")
    assert second.receive(0, 8)[0].keep() == b"no IP at all"


def test_polling_bounds_and_leaving() -> None:
    hub = Hub()
    first, second = hub.port(), hub.port()
    assert not readable(second)
    for _ in range(QUEUE + 3):
        first.send_frame(0, HEADER, VNET_PLAIN + b"x")
    assert readable(second)
    assert second.dropped == 3
    assert len(second.receive(0, QUEUE + 9)) == QUEUE
    assert not readable(second)
    second.close()
    second.close()
    assert hub.ports == [first]
    first.send_frame(0, HEADER, VNET_PLAIN + b"to nobody")
