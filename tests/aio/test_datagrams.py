"""The datagram contract: asyncio's own over the kernel's loopback, ours over pairs and TUN."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any

import pytest

from hythe.errors import UsageError
from hythe.gateway.egress.kernel import mark_of, tell_marks
from tests.aio.kernel import KERNEL, Kernel
from tests.aio.sides import Network, Ours, Table, pair_of_hosts, tun_host, until

LARGEST = {4: 65_507, 6: 65_487}


class Recorder(asyncio.DatagramProtocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received: list[tuple[bytes, tuple[Any, ...]]] = []
        self.errors: list[Exception] = []
        self.lost: list[BaseException | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        assert type(data) is bytes
        self.received.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


class Echo(Recorder):
    """Sends everything back."""

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


def test_datagrams_there_and_back(network: Network, rng: random.Random) -> None:
    sizes = [1, 100, 1400, 5000, LARGEST[network.version]]
    sent = [rng.randbytes(size) for size in sizes]

    async def scenario(table: Table) -> None:
        server, there = await table.server.create_datagram_endpoint(Echo, local_addr=(table.server.address, 0))
        place = server.get_extra_info("sockname")
        client, here = await table.client.create_datagram_endpoint(Recorder, local_addr=(table.client.address, 0))
        assert client.get_extra_info("peername") is None
        for count, data in enumerate(sent, 1):
            client.sendto(data, place)
            await until(lambda count=count: len(here.received) == count)  # type: ignore[misc]
        assert here.received == [(data, place) for data in sent]
        assert [addr for _, addr in there.received] == [client.get_extra_info("sockname")] * len(sent)
        for transport, protocol in ((client, here), (server, there)):
            transport.close()
            transport.close()
            assert transport.is_closing()
            assert protocol.lost == []
            await until(lambda protocol=protocol: protocol.lost)  # type: ignore[misc]
            assert (protocol.lost, protocol.errors) == ([None], [])

    network.play(scenario)


def test_a_connected_endpoint_hears_its_peer_only(network: Network) -> None:
    async def scenario(table: Table) -> None:
        server, there = await table.server.create_datagram_endpoint(Echo, local_addr=(table.server.address, 0))
        stranger, _ = await table.server.create_datagram_endpoint(Recorder, local_addr=(table.server.address, 0))
        place = server.get_extra_info("sockname")
        client, here = await table.client.create_datagram_endpoint(Recorder, remote_addr=place[:2])
        assert client.get_extra_info("peername") == place
        assert client.get_extra_info("sockname")[0] == table.client.address
        stranger.sendto(b"psst", client.get_extra_info("sockname"))
        client.sendto(b"hello")
        client.sendto(b"again", place)
        await until(lambda: len(here.received) == 2)
        assert here.received == [(b"hello", place), (b"again", place)]
        with pytest.raises(TypeError, match="bytes-like"):
            client.sendto("text")
        for transport in (client, server, stranger):
            transport.abort()
        await until(lambda: here.lost and there.lost)

    network.play(scenario)


def test_a_closed_port_is_an_error_received(network: Network) -> None:
    async def scenario(table: Table) -> None:
        server, there = await table.server.create_datagram_endpoint(Recorder, local_addr=(table.server.address, 0))
        place = server.get_extra_info("sockname")
        client, here = await table.client.create_datagram_endpoint(Recorder, remote_addr=place[:2])
        server.close()
        await until(lambda: there.lost)
        client.sendto(b"anybody?")
        await until(lambda: here.errors)
        assert [type(each) for each in here.errors] == [ConnectionRefusedError]
        assert not client.is_closing()
        client.close()
        await until(lambda: here.lost)

    network.play(scenario)


def test_a_datagram_too_long_is_an_error_received(network: Network) -> None:
    async def scenario(table: Table) -> None:
        client, here = await table.client.create_datagram_endpoint(Recorder, remote_addr=(table.server.address, 9))
        client.sendto(bytes(70_000))
        await until(lambda: here.errors)
        assert isinstance(here.errors[0], OSError)
        client.close()
        await until(lambda: here.lost)

    network.play(scenario)


def test_what_a_datagram_protocol_raises_is_reported(network: Network) -> None:
    class Raising(Recorder):
        def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
            super().datagram_received(data, addr)
            raise ZeroDivisionError("on purpose")

    async def scenario(table: Table) -> None:
        server, there = await table.server.create_datagram_endpoint(Raising, local_addr=(table.server.address, 0))
        client, here = await table.client.create_datagram_endpoint(
            Recorder, remote_addr=server.get_extra_info("sockname")[:2]
        )
        client.sendto(b"one")
        client.sendto(b"two")
        await until(lambda: len(there.received) == 2)
        assert [type(each["exception"]) for each in table.reported] == [ZeroDivisionError] * 2
        assert not server.is_closing()
        server.close()
        client.close()
        await until(lambda: here.lost and there.lost)

    network.play(scenario, expect_reports=True)


def test_all_addresses_of_a_family() -> None:
    async def scenario() -> None:
        async with pair_of_hosts() as (left, right):
            server, there = await right.create_datagram_endpoint(Recorder, local_addr=("0.0.0.0", 0))
            name = server.get_extra_info("sockname")
            client, _ = await left.create_datagram_endpoint(Recorder)
            client.sendto(b"six", ("fd00::2", name[1]))
            client.sendto(b"four", ("10.0.0.2", name[1]))
            await until(lambda: there.received)
            assert name[0] == "0.0.0.0"
            assert [data for data, _ in there.received] == [b"four"]

    asyncio.run(scenario(), debug=True)


def test_a_connected_endpoint_sends_nowhere_else_and_an_empty_datagram_is_one() -> None:
    async def scenario() -> None:
        async with pair_of_hosts() as (left, right):
            server, there = await right.create_datagram_endpoint(Recorder, local_addr=("10.0.0.2", 0))
            client, _ = await left.create_datagram_endpoint(
                Recorder, remote_addr=("10.0.0.2", server.get_extra_info("sockname")[1])
            )
            with pytest.raises(ValueError, match="Invalid address"):
                client.sendto(b"x", ("10.0.0.2", 1))
            client.sendto(b"")
            await until(lambda: there.received)
            assert there.received == [(b"", client.get_extra_info("sockname"))]

    asyncio.run(scenario(), debug=True)


@pytest.mark.rfc("8085", "3.1.7")
@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"], ids=["ipv4", "ipv6"])
def test_each_datagram_has_its_congestion_mark(address: str) -> None:
    class Marks(Recorder):
        def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
            super().datagram_received(data + bytes([self.transport.ecn]), addr)

    async def scenario() -> None:
        async with pair_of_hosts() as (left, right):
            server, there = await right.create_datagram_endpoint(Marks, local_addr=(address, 0))
            client, _ = await left.create_datagram_endpoint(Recorder, remote_addr=server.get_extra_info("sockname")[:2])
            for ecn in (2, 3, 0, 1):
                client.sendto(b"x", ecn=ecn)
            client.sendto(bytes(3_000), ecn=2)  # in fragments
            await until(lambda: len(there.received) == 5)
            assert [data[-1] for data, _ in there.received] == [2, 3, 0, 1, 2]
            with pytest.raises(ValueError, match="codepoint"):
                client.sendto(b"x", ecn=4)

    asyncio.run(scenario(), debug=True)


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_sees_our_marks_and_we_its(kernel: Kernel, version: int) -> None:
    class Marks(Recorder):
        def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
            super().datagram_received(bytes([self.transport.ecn]), addr)

    async def scenario() -> None:
        with kernel.make_socket(version, socket.SOCK_DGRAM) as theirs:
            theirs.bind((KERNEL[version], 0))
            theirs.settimeout(10)
            tell_marks(theirs)
            level, kind = [(socket.IPPROTO_IP, socket.IP_TOS), (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)][version == 6]
            async with asyncio.timeout(30), tun_host(kernel) as host:
                ours, here = await host.create_datagram_endpoint(Marks, remote_addr=theirs.getsockname()[:2])
                for ecn in range(4):
                    ours.sendto(b"x", ecn=ecn)
                    _, ancillary, _, peer = await asyncio.to_thread(theirs.recvmsg, 100, 100)
                    assert [mark_of(value) for _, _, value in ancillary] == [ecn]
                    theirs.setsockopt(level, kind, ecn)
                    theirs.sendto(b"x", peer)
                await until(lambda: len(here.received) == 4)
                assert [data[0] for data, _ in here.received] == [0, 1, 2, 3]

    asyncio.run(scenario(), debug=True)


def test_what_cannot_be_bound_or_reached() -> None:
    async def scenario() -> None:
        async with pair_of_hosts() as (left, _):
            create = left.create_datagram_endpoint
            transport, protocol = await create(Recorder, local_addr=("10.0.0.1", 5000))
            with pytest.raises(OSError, match="5000 is in use"):
                await create(Recorder, local_addr=("10.0.0.1", 5000))
            with pytest.raises(PermissionError, match="allow_privileged_ports"):
                await create(Recorder, local_addr=(None, 53))
            with pytest.raises(OSError, match=r"10\.9\.9\.9 is not an address of this host"):
                await create(Recorder, local_addr=("10.9.9.9", 0))
            with pytest.raises(UsageError, match="numeric"):
                transport.sendto(b"x", ("name", 5))
            transport.sendto(b"x", ("192.0.2.1", 5))
            transport.sendto(b"x")
            assert ["unreachable" in str(each) for each in protocol.errors] == [True, False]
            assert "not connected" in str(protocol.errors[1])

    asyncio.run(scenario(), debug=True)


def test_the_host_closes_what_is_open() -> None:
    async def scenario() -> None:
        async with pair_of_hosts() as (left, _):
            _, protocol = await left.create_datagram_endpoint(Recorder)
        assert [type(each) for each in protocol.lost] == [ConnectionAbortedError]

    asyncio.run(scenario(), debug=True)


def test_ours_is_ours(network: Network) -> None:
    """The suite above would prove little if both ends were the standard library's everywhere."""

    async def scenario(table: Table) -> None:
        ours = [isinstance(each, Ours) for each in (table.client, table.server)]
        expected = {"loopback": [False, False], "tun-client": [True, False], "tun-server": [False, True]}
        assert ours == expected.get(network.kind, [True, True])

    network.play(scenario)
