"""`hythe.host.udp`: who gets a datagram, what becomes of long ones, and what an endpoint holds."""

from __future__ import annotations

import errno
from random import Random
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from hythe.host.udp import COMPLAINTS_LIMIT, OVERHEAD, Complaint, Endpoint
from hythe.units import SECOND
from hythe.wire.segment import make_key, split_key
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone, Pair, packed

FAMILIES = pytest.mark.parametrize(("left", "right"), [(LEFT4, RIGHT4), (LEFT6, RIGHT6)], ids=["IPv4", "IPv6"])


def payload(size: int) -> bytes:
    return Random(size).randbytes(size)


def received(endpoint: Endpoint) -> list[bytes]:
    return [bytes(piece) for datagram in endpoint.take() for piece in datagram.pieces()]


@FAMILIES
@pytest.mark.parametrize("offload", [True, False], ids=["offload", "wire"])
@pytest.mark.parametrize("mtu", [1280, 1500, 65520])
def test_datagrams_of_every_size_there_and_back(left: str, right: str, offload: bool, mtu: int) -> None:
    world = Pair(mtu, offload=offload)
    server = world.right.host.bind(None, 5000)
    client = world.left.host.bind(packed(left), 0, (packed(right), 5000))
    for size in (0, 1, 1231, 1232, 1233, 1472, 1473, 9000, 65487, 65507):
        client.send(world.now, payload(size))
        world.run()
        (datagram,) = server.take()
        remote, port, local, _ = split_key(datagram.key)
        assert (bytes(datagram.payload), datagram.size, local) == (payload(size), size, packed(right))
        server.send(world.now, bytes(datagram.payload), remote, port, source=local)
        world.run()
        assert received(client) == [payload(size)]


@FAMILIES
@pytest.mark.parametrize("offload", [True, False], ids=["offload", "wire"])
@pytest.mark.parametrize("size", [5000, 5001, 5999], ids=str)
def test_a_super_datagram_is_as_many_as_it_has_pieces(left: str, right: str, offload: bool, size: int) -> None:
    world = Pair(offload=offload)
    server = world.right.host.bind(None, 5000)
    client = world.left.host.bind(None, 0, (packed(right), 5000))
    client.send(world.now, payload(size), gso_size=1000)
    world.run()
    datagrams = server.take()
    assert len(datagrams) == (1 if offload else -(-size // 1000))
    pieces = [bytes(piece) for datagram in datagrams for piece in datagram.pieces()]
    assert pieces == [payload(size)[at : at + 1000] for at in range(0, size, 1000)]


def test_pieces_longer_than_the_link_leave_in_fragments() -> None:
    world = Pair()
    server = world.right.host.bind(None, 5000)
    client = world.left.host.bind(None, 0, (packed(RIGHT4), 5000))
    client.send(world.now, payload(7000), gso_size=3000)
    world.run()
    assert received(server) == [payload(7000)[:3000], payload(7000)[3000:6000], payload(7000)[6000:]]
    assert world.right.host.counters.reassembled == 2  # the third fits a packet


def test_the_most_specific_endpoint_is_the_one() -> None:
    world = Pair(right={"any_destination": True})
    host = world.right.host
    ends = {
        "any": host.bind(None, 0),
        "wildcard": host.bind(None, 5000),
        "address": host.bind(packed(RIGHT4), 5000),
        "connected": host.bind(packed(RIGHT4), 5000, (packed(LEFT4), 7000)),
    }
    left = world.left.host
    other, same = left.bind(None, 6000), left.bind(None, 7000)

    def goes_to() -> list[str]:
        world.run()
        return [name for name, end in ends.items() if end.take()]

    same.send(0, b"x", packed(RIGHT4), 5000)
    assert goes_to() == ["connected"]
    other.send(0, b"x", packed(RIGHT4), 5000)
    assert goes_to() == ["address"]
    other.send(0, b"x", packed("192.0.2.77"), 5000)
    assert goes_to() == ["wildcard"]
    other.send(0, b"x", packed("192.0.2.77"), 5001)
    assert goes_to() == ["any"]
    ends["connected"].close()
    same.send(0, b"x", packed(RIGHT4), 5000)
    assert goes_to() == ["address"]
    ends["address"].close()
    same.send(0, b"x", packed(RIGHT4), 5000)
    assert goes_to() == ["wildcard"]


def test_a_gateways_own_closed_ports_are_closed() -> None:
    world = Pair(right={"any_destination": True})
    everything = world.right.host.bind(None, 0)
    client = world.left.host.bind(None, 0, (packed(RIGHT4), 9))
    client.send(0, b"x")
    world.run()
    assert everything.take() == []
    assert client.take_complaints() == [Complaint(errno.ECONNREFUSED, packed(RIGHT4), 9)]


def test_a_host_takes_nothing_for_others() -> None:
    lone = Lone()
    end = lone.host.bind(None, 5000)
    assert lone.send(IP(src=RIGHT4, dst="192.0.2.99") / UDP(sport=1, dport=5000) / b"x") == []
    assert lone.send(IP(src=RIGHT4, dst="192.0.2.99") / UDP(sport=1, dport=5001) / b"x") == []
    assert (end.take(), lone.host.counters.not_ours) == ([], 2)


@FAMILIES
def test_a_closed_port_refuses_whoever_asked_and_nobody_else(left: str, right: str) -> None:
    world = Pair()
    asking, bystander = world.left.host.bind(None, 0), world.left.host.bind(None, 0)
    asking.send(0, b"x", packed(right), 5000)
    world.run()
    assert asking.take_complaints() == [Complaint(errno.ECONNREFUSED, packed(right), 5000)]
    assert asking.take_complaints() == bystander.take_complaints() == []


def test_ports_are_bound_once() -> None:
    host = Lone(allow_privileged_ports=False).host
    first = host.bind(None, 5000)
    host.bind(packed(LEFT4), 5000)
    for address in (None, packed(LEFT4)):
        with pytest.raises(OSError, match="5000") as caught:
            host.bind(address, 5000)
        assert caught.value.errno == errno.EADDRINUSE
    first.close()
    first.close()
    assert host.bind(None, 5000).port == 5000
    host.bind(packed(LEFT4), 6000, (packed(RIGHT4), 1))
    host.bind(packed(LEFT4), 6000, (packed(RIGHT4), 2))
    with pytest.raises(OSError, match="socket pair") as caught:
        host.bind(packed(LEFT4), 6000, (packed(RIGHT4), 1))
    assert caught.value.errno == errno.EADDRINUSE


def test_what_cannot_be_bound() -> None:
    host = Lone().host
    with pytest.raises(PermissionError, match="privileged"):
        host.bind(None, 53)
    assert Lone(allow_privileged_ports=True).host.bind(None, 53).port == 53
    for address, remote, number in [
        (RIGHT4, None, errno.EADDRNOTAVAIL),
        (LEFT4, (RIGHT6, 1), errno.EADDRNOTAVAIL),
        (None, ("203.0.113.1", 1), errno.ENETUNREACH),
    ]:
        with pytest.raises(OSError) as caught:
            host.bind(packed(address) if address else None, 0, (packed(remote[0]), remote[1]) if remote else None)
        assert caught.value.errno == number


def test_ephemeral_ports_are_drawn_until_none_is_left() -> None:
    host = Lone(ephemeral_ports=(50_000, 50_009)).host
    ports = [host.bind(None, 0).port for _ in range(10)]
    assert sorted(ports) == list(range(50_000, 50_010))
    assert ports != sorted(ports)
    with pytest.raises(OSError, match="ephemeral") as caught:
        host.bind(None, 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_what_cannot_be_sent() -> None:
    host = Lone().host
    end = host.bind(packed(LEFT4), 5000)
    cases: list[tuple[tuple[Any, ...], int]] = [
        ((b"x",), errno.EDESTADDRREQ),
        ((bytes(65508), packed(RIGHT4), 1), errno.EMSGSIZE),
        ((b"x", packed("203.0.113.1"), 1), errno.ENETUNREACH),
        ((b"x", packed(RIGHT6), 1), errno.EADDRNOTAVAIL),
    ]
    for arguments, number in cases:
        with pytest.raises(OSError) as caught:
            end.send(0, *arguments)
        assert caught.value.errno == number


def test_waiting_datagrams_are_copied_out_of_the_ring_and_bounded() -> None:
    lone = Lone(datagram_buffer=3 * (1000 + OVERHEAD))
    end = lone.host.bind(None, 5000)
    for size in (1000, 999, 998, 997):
        lone.send(IP(src=RIGHT4, dst=LEFT4) / UDP(sport=1, dport=5000) / Raw(payload(size)))
    assert [bytes(datagram.payload) for datagram in end.take()] == [payload(1000), payload(999), payload(998)]
    assert (end.dropped, lone.host.counters.datagrams_dropped) == (1, 1)
    lone.send(IP(src=RIGHT4, dst=LEFT4) / UDP(sport=1, dport=5000) / Raw(payload(1000)))
    assert received(end) == [payload(1000)]  # there is room again


def test_empty_datagrams_cost_something_too() -> None:
    lone = Lone(datagram_buffer=10 * OVERHEAD)
    end = lone.host.bind(None, 5000)
    lone.send(*[IP(src=RIGHT4, dst=LEFT4) / UDP(sport=1, dport=5000)] * 20)
    assert len(end.take()) == 10


def test_complaints_are_bounded() -> None:
    world = Pair()
    client = world.left.host.bind(None, 0, (packed(RIGHT4), 9))
    for _ in range(2 * COMPLAINTS_LIMIT):
        client.send(world.now, b"x")
        world.run(after=SECOND)
    assert len(client.take_complaints()) == COMPLAINTS_LIMIT


def test_a_wrong_checksum_is_dropped_and_zero_means_none() -> None:
    lone = Lone()
    end = lone.host.bind(None, 5000)
    assert lone.send(IP(src=RIGHT4, dst=LEFT4) / UDP(sport=1, dport=5000, chksum=0x1234) / b"wrong") == []
    lone.send(IP(src=RIGHT4, dst=LEFT4) / UDP(sport=1, dport=5000, chksum=0) / b"none")
    lone.send(IP(src=RIGHT4, dst=LEFT4, chksum=1) / UDP(sport=1, dport=5000) / b"header")
    assert received(end) == [b"none"]
    assert lone.host.counters.malformed == 2


def test_a_sender_needs_no_endpoint_behind_it() -> None:
    """A gateway answers in the name of whoever was asked."""
    lone = Lone(any_destination=True)
    key = make_key(packed(RIGHT4), 4000, packed("203.0.113.5"), 53)
    lone.host.endpoints.sender(key).send(0, b"answer")
    (answer,) = lone.run()
    assert (answer[IP].src, answer[IP].dst, answer[UDP].sport, answer[UDP].dport, answer[Raw].load) == (
        "203.0.113.5",
        RIGHT4,
        53,
        4000,
        b"answer",
    )
