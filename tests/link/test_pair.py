"""The in-process pair of links."""

from __future__ import annotations

import select

from hythe.link.inbox import QUEUE
from hythe.link.pair import PairEnd, pair
from hythe.wire import ipv4
from hythe.wire.checksum import pseudo_sum, verify
from hythe.wire.packet import ABSENT, PARTIAL
from hythe.wire.segment import ACK, Envelope4, read4

HEAD = Envelope4(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), 1, 2).head


def payloads(end: PairEnd, limit: int = 100) -> list[bytes]:
    found = []
    for packet in end.receive(0, limit):
        segment = read4(packet)
        assert segment is not None
        found.append(bytes(segment.payload))
    return found


def readable(end: PairEnd) -> bool:
    return bool(select.select([end.fileno()], [], [], 0)[0])


def test_what_is_sent_here_arrives_there_in_order() -> None:
    left, right = pair()
    for text in (b"one", b"two", b"three"):
        left.send(0, HEAD(1, 2, ACK, 3, len(text)), (text,))
    assert payloads(left) == []
    assert payloads(right, 2) == [b"one", b"two"]
    assert payloads(right) == [b"three"]
    assert payloads(right) == []


def test_super_segments_pass_whole_with_offload() -> None:
    left, right = pair()
    left.send(0, HEAD(1, 2, ACK, 3, 3_000, 1_000), (bytes(1_000), memoryview(bytes(2_000))))
    (packet,) = right.receive(0, 8)
    assert (packet.length, packet.gso_size, packet.checksum) == (3_040, 1_000, PARTIAL)


def test_without_offload_they_are_cut_and_complete() -> None:
    left, right = pair(offload=False)
    left.send(0, HEAD(1, 2, ACK, 3, 2_500, 1_000), (bytes(range(250)) * 10,))
    left.send(0, HEAD(2_501, 2, ACK, 3))
    packets = right.receive(0, 8)
    assert [packet.length for packet in packets] == [1_040, 1_040, 540, 40]
    for packet in packets:
        head = ipv4.parse(packet.view, packet.length)
        assert packet.checksum == ABSENT
        assert verify(packet.view[20 : packet.length], pseudo_sum(head.source, head.destination, 6, packet.length - 20))


def test_as_many_as_asked_for_while_there_are_more() -> None:
    left, right = pair()
    for _ in range(50):
        left.send(0, HEAD(1, 2, ACK, 3))
    assert [len(right.receive(0, limit)) for limit in (1, 20, 100, 1)] == [1, 20, 29, 0]


def test_the_queue_is_bounded() -> None:
    left, right = pair()
    for _ in range(QUEUE + 5):
        left.send(0, HEAD(1, 2, ACK, 3))
    assert right.dropped == 5
    assert len(right.receive(0, 10_000)) == QUEUE


def test_poison_spoils_views_of_the_last_turn() -> None:
    left, right = pair(poison=True)
    left.send(0, HEAD(1, 2, ACK, 3, 5), (b"hello",))
    (packet,) = right.receive(0, 8)
    kept, view = packet.keep(), packet.view[40:45]
    right.receive(0, 8)
    assert kept[40:] == b"hello"
    assert bytes(view) != b"hello"


def test_descriptor_polls_readable_while_packets_wait() -> None:
    left, right = pair()
    left.send(0, HEAD(1, 2, ACK, 3))
    assert readable(right)
    left.send(0, HEAD(1, 2, ACK, 3))
    right.receive(0, 1)
    assert readable(right)
    right.receive(0, 1)
    assert not readable(right)
    left.send(0, HEAD(1, 2, ACK, 3))
    assert readable(right)
    right.close()
    right.close()
    left.close()
