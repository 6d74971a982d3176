"""UDP through the gateway: mappings and flows on real sockets."""

from __future__ import annotations

import errno
import resource
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from hythe.config import RelayConfig
from hythe.gateway.destinations import Destinations
from hythe.gateway.egress.base import Destination
from hythe.gateway.egress.kernel import mark_of, tell_marks
from hythe.gateway.machine import Machine
from hythe.host.udp import Complaint
from hythe.units import SECOND
from hythe.wire.segment import split_key
from tests import needs
from tests.gateway.relay import FAMILIES, HOST4, HOST6, UDP_GRO, UDP_SEGMENT, Relay, outside, port_of, within
from tests.host.hosts import packed

if TYPE_CHECKING:
    from hythe.host.udp import Endpoint

SO_NO_CHECK = 11


def received(endpoint: Endpoint) -> list[tuple[bytes, bytes, int]]:
    """Return (payload, address, port) of every datagram that waits."""
    return [(bytes(piece), *split_key(datagram.key)[:2]) for datagram in endpoint.take() for piece in datagram.pieces()]


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", HOST4), ("::1", HOST6)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("size", [0, 1, 1400, 65_507], ids=str)
def test_there_and_back(host: str, address: bytes, size: int) -> None:
    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (address, port_of(server)))
        client.send(0, bytes(size))
        relay.turn()
        data, peer = server.recvfrom(70_000)
        assert data == bytes(size)
        server.sendto(b"b" * size, peer)
        relay.turn()
        assert received(client) == [(b"b" * size, address, port_of(server))]
        (record,) = relay.session.records()
        assert (record.protocol, record.bytes_up, record.bytes_down, record.state, record.error, record.outside) == (
            "udp",
            size,
            size,
            "ASSURED",
            0,
            (host, port_of(server)),
        )

    with outside(host) as server:
        within(test)


def test_one_socket_for_all_destinations() -> None:
    """RFC 4787, REQ-1: endpoint-independent mapping."""

    def test(relay: Relay) -> None:
        client, other = relay.command.host.bind(None, 0), relay.command.host.bind(None, 0)
        for server in (first, second):
            client.send(0, b"x", HOST4, port_of(server))
        other.send(0, b"y", HOST4, port_of(first))
        relay.turn()
        peers = [first.recvfrom(10)[1], second.recvfrom(10)[1], first.recvfrom(10)[1]]
        assert peers[0] == peers[1] != peers[2]
        assert (len(relay.datagrams.mappings), len(relay.datagrams.flows)) == (2, 3)

    with outside() as first, outside() as second:
        within(test)


def test_a_stranger_is_heard_under_its_own_address() -> None:
    """RFC 4787, REQ-8: endpoint-independent filtering."""

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0)
        client.send(0, b"x", HOST4, port_of(server))
        relay.turn()
        stranger.sendto(b"hello", server.recvfrom(10)[1])
        relay.turn()
        assert received(client) == [(b"hello", HOST4, port_of(stranger))]
        client.send(0, b"who?", HOST4, port_of(stranger))
        relay.turn()
        assert stranger.recv(10) == b"who?"

    with outside() as server, outside() as stranger:
        within(test)


def test_equal_datagrams_leave_as_one_send() -> None:
    """A receiver with UDP_GRO on loopback sees them as they were sent: joined."""

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (HOST4, port_of(server)))
        for number, size in enumerate((100, 100, 100, 60, 100, 300)):
            client.send(0, bytes((number,)) * size)
        relay.warm()
        relay.turn()
        got: list[bytes] = []
        while len(b"".join(got)) < 760:
            data, ancillary, _, _ = server.recvmsg(70_000, 100)
            got.append(data)
            assert [struct.unpack("=i", value)[0] for _, _, value in ancillary] == [100] * (len(data) == 360)
        assert got == [b"\0" * 100 + b"\1" * 100 + b"\2" * 100 + b"\3" * 60, b"\4" * 100, b"\5" * 300]

    with outside() as server:
        server.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        within(test)


@pytest.mark.parametrize("offload", [True, False], ids=["one-by-one", "joined"])
def test_equal_datagrams_come_in_as_one_write(offload: bool) -> None:
    """Whether they were joined already or are read one by one."""

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (HOST4, port_of(server)))
        client.send(0, b"x")
        relay.turn()
        peer = server.recvfrom(10)[1]
        relay.warm()
        if offload:
            for size in (100, 100, 100, 60, 100):
                server.sendto(b"z" * size, peer)
        else:
            server.sendmsg([b"z" * 360], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 100))], 0, peer)
            server.sendto(b"z" * 100, peer)
        relay.turn()
        assert [(datagram.size, datagram.gso_size) for datagram in client.take()] == [(360, 100), (100, 0)]

    with outside() as server:
        within(test)


@pytest.mark.rfc("8085", "3.1.7")
@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", HOST4), ("::1", HOST6)], ids=["IPv4", "IPv6"])
def test_congestion_marks_pass_both_ways_and_part_the_runs(host: str, address: bytes) -> None:
    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (address, port_of(server)))
        for ecn in (0, 2, 2, 1, 3):
            client.send(0, bytes(100), ecn=ecn)
        relay.warm()
        relay.turn()
        seen: list[tuple[int, int]] = []
        peer: Any = None
        while sum(size for size, _ in seen) < 500:
            data, ancillary, _, peer = server.recvmsg(70_000, 100)
            seen.append((len(data), mark_of(next(value for _, kind, value in ancillary if kind != UDP_GRO))))
        assert seen == [(100, 0), (200, 2), (100, 1), (100, 3)]
        level, kind = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if ":" in host else (socket.IPPROTO_IP, socket.IP_TOS)
        for ecn in (2, 2, 3, 0, 1):
            server.sendmsg([bytes(100)], [(level, kind, struct.pack("=i", 0xB8 | ecn))], 0, peer)
        joined = [(level, kind, struct.pack("=i", 3)), (socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 100))]
        server.sendmsg([bytes(300)], joined, 0, peer)
        relay.warm()
        relay.turn()
        assert [(each.size, each.gso_size, each.tos) for each in client.take()] == [
            (200, 100, 2),
            (100, 0, 3),
            (100, 0, 0),
            (100, 0, 1),
            (300, 100, 3),
        ]

    with outside(host) as server:
        server.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        tell_marks(server)
        within(test)


def test_what_the_kernel_does_not_segment_is_sent_one_by_one() -> None:
    """A socket that sends no checksums is such a case: EINVAL."""

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (HOST4, port_of(server)))
        client.send(0, b"x")
        relay.turn()
        (mapping,) = relay.datagrams.mappings.values()
        with socket.socket(fileno=socket.dup(mapping.fd)) as same:
            same.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        for _ in range(2):
            client.send(0, b"y" * 250, gso_size=100)
            for _ in range(3):
                client.send(0, b"z" * 100)
        relay.warm()
        relay.turn()
        assert [len(server.recv(1000)) for _ in range(13)] == [1, *[100, 100, 50, 100, 100, 100] * 2]
        assert client.take_complaints() == []

    with outside() as server:
        within(test)


def test_a_closed_port_outside_is_a_closed_port_inside() -> None:
    def test(relay: Relay) -> None:
        for address in (HOST4, HOST6):
            client = relay.command.host.bind(None, 0, (address, port))
            for _ in range(2):  # the socket is none the worse for it
                client.send(0, b"x" * 2000)
                relay.turn()
                assert client.take_complaints() == [Complaint(errno.ECONNREFUSED, address, port)]
        assert [record.error for record in relay.session.records()] == [errno.ECONNREFUSED] * 2

    with outside() as server, outside("::1", port_of(server)):
        port = port_of(server)
    within(test)


def test_a_refused_destination_is_told() -> None:
    def test(relay: Relay) -> None:
        told: list[tuple[str, int]] = []
        relay.session.observers.append(lambda kind, record: told.append((kind, record.error)))  # type: ignore[attr-defined]
        cases = [
            ("10.83.64.77", errno.EHOSTUNREACH),
            ("fd68:7974:6865::77", errno.EHOSTUNREACH),
            ("10.83.64.1", errno.ECONNREFUSED),
            ("0.0.0.9", errno.EHOSTUNREACH),
            ("::ffff:127.0.0.1", errno.EACCES),
        ]
        for address, number in cases:
            client = relay.command.host.bind(None, 0, (packed(address), 9))
            for _ in range(2):
                client.send(0, b"x")
                relay.turn()
            assert client.take_complaints() == [Complaint(number, packed(address), 9)] * 2
        assert len(relay.datagrams.mappings) == 0
        numbers = [errno.EHOSTUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EACCES]  # the third: the host answers itself
        assert told == [("refused", number) for number in numbers]
        assert (relay.session.refused, relay.session.ended, relay.session.live) == (4, 4, {})
        assert len(relay.datagrams.flows) == 4
        relay.turn(after=RelayConfig().udp_idle + 20 * SECOND)
        assert (len(relay.datagrams.flows), relay.session.ended) == (0, 4)
        silent = relay.command.host.bind(None, 0, (packed("224.0.0.251"), 5353))
        silent.send(0, b"x")
        relay.turn()
        assert silent.take_complaints() == []

    within(test)


def test_whoever_the_command_says_it_is_gets_the_answer() -> None:
    """A root command may send from any address."""

    def test(relay: Relay) -> None:
        for source, address in (("198.51.100.7", HOST4), ("2001:db8::7", HOST6)):
            relay.command.host.addresses.add(packed(source))
            client = relay.command.host.bind(packed(source), 0, (address, port_of(server)))
            client.send(0, b"x")
            relay.turn()
            server.sendto(b"y", server.recvfrom(10)[1])
            relay.turn()
            assert received(client) == [(b"y", address, port_of(server))]

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.settimeout(2)
        within(test)


def test_idle_flows_end() -> None:
    """RFC 4787, REQ-5: not before two minutes, and what is used lasts."""

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (HOST4, port_of(server)))
        client.send(0, b"x")
        relay.turn()
        peer = server.recvfrom(10)[1]
        for _ in range(4):
            server.sendto(b"y", peer)
            relay.turn(after=200 * SECOND)
        assert len(received(client)) == 4
        relay.turn(after=120 * SECOND)
        assert len(relay.datagrams.mappings) == 1
        relay.turn(after=200 * SECOND)
        assert (len(relay.datagrams.mappings), len(relay.datagrams.flows), relay.session.live) == (0, 0, {})
        (record,) = relay.session.past
        assert (record.bytes_up, record.bytes_down) == (1, 4)
        assert relay.datagrams.deadline > relay.now

    with outside() as server:
        within(test)


def test_an_answered_dns_query_ends_sooner() -> None:
    needs.root()

    class Leads(Destinations):
        def datagram(self, address: bytes, port: int) -> Destination | None:
            return Destination("127.0.0.77", 53)

    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0, (HOST4, 53))
        client.send(0, b"x")
        relay.turn(after=40 * SECOND)
        assert len(relay.datagrams.flows) == 1
        server.sendto(b"y", server.recvfrom(10)[1])
        relay.turn(after=40 * SECOND)
        assert received(client) == [(b"y", HOST4, 53)]
        relay.turn(after=40 * SECOND)
        assert len(relay.datagrams.flows) == 0

    with outside("127.0.0.77", 53) as server:
        within(test, destinations=lambda machine: Leads(machine, FAMILIES, host_loopback=True))


def test_the_least_recently_used_makes_room() -> None:
    def test(relay: Relay) -> None:
        client = relay.command.host.bind(None, 0)

        def ports() -> list[int]:
            return sorted(record.destination[1] for record in (flow.record for flow in relay.datagrams.flows.values()))

        for port in (1, 2, 3, 1, 4):
            client.send(0, b"x", HOST4, port)
            relay.turn()
        assert ports() == [1, 3, 4]
        ends = [relay.command.host.bind(None, 0, (HOST4, 9)) for _ in range(3)]
        for end in ends:
            end.send(0, b"x")
            relay.turn()
        assert len(relay.datagrams.mappings) == 2
        assert [inside[1] for inside in relay.datagrams.mappings] == [ends[1].port, ends[2].port]

    within(test, RelayConfig(udp_flows=3, udp_mappings=2))


def test_who_makes_room_in_the_turn_that_brings_it_an_answer() -> None:
    def test(relay: Relay) -> None:
        client, other = relay.command.host.bind(None, 0), relay.command.host.bind(None, 0)
        client.send(0, b"x", HOST4, port_of(server))
        relay.turn()
        server.sendto(b"late", server.recvfrom(10)[1])
        other.send(0, b"y", HOST4, port_of(server))
        relay.turn()
        assert server.recvfrom(10)[0] == b"y"
        assert received(client) == []
        assert [mapping.inside[1] for mapping in relay.datagrams.mappings.values()] == [other.port]

    with outside() as server:
        within(test, RelayConfig(udp_mappings=1))


def test_no_more_descriptors_is_one_sentence() -> None:
    def test(relay: Relay) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as probe:
            lowest = probe.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            for _ in range(3):
                relay.command.host.bind(None, 0, (HOST4, 9)).send(0, b"x")
                relay.turn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert len(relay.session.notices) == 1
        assert "ulimit -Hn" in relay.session.notices[0]
        assert relay.datagrams.dropped == 3

    within(test)


@pytest.mark.parametrize(
    ("host", "loopback", "expected"),
    [
        ("127.0.0.1", True, HOST4),
        ("::1", True, HOST6),
        ("127.0.0.1", False, None),
        ("::1", False, None),
        ("203.0.113.9", False, packed("203.0.113.9")),
        ("2001:db8::9", False, packed("2001:db8::9")),
        ("fe80::1%lo", True, None),
    ],
)
def test_how_the_command_knows_what_is_outside(host: str, loopback: bool, expected: bytes | None) -> None:
    assert Destinations(Machine(), FAMILIES, host_loopback=loopback).inside(host) == expected
