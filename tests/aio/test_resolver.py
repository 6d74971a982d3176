"""`hythe.Resolver` with a real name server on loopback: through the kernel's sockets and through our own stack."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

import hythe
from hythe.aio.resolver import parse_server
from hythe.errors import UsageError
from hythe.gateway.guest import guest
from hythe.gateway.options import RunOptions
from hythe.host.hostsfile import HostsFile
from hythe.host.lookup import Status
from hythe.units import MILLISECOND
from hythe.wire import dns
from hythe.wire.dnstext import data_text
from tests.aio.nameservers import PLAIN, Peculiar
from tests.gateway.nameserver import BIG
from tests.gateway.servers import closed_port

Scenario = Callable[[hythe.Resolver], Awaitable[None]]
#: A silent server is given up soon; no test waits for it longer.
IMPATIENT = hythe.ResolverConfig(timeout=300 * MILLISECOND)


@pytest.fixture
def server() -> Iterator[Peculiar]:
    """Return a running name server."""
    with Peculiar() as running:
        yield running


@contextlib.asynccontextmanager
async def resolver(stack: str, server: Peculiar, **settings: Any) -> AsyncIterator[hythe.Resolver]:
    """One that asks `server` by its very port, through `stack`."""
    settings = {"config": IMPATIENT, **settings}
    if stack == "kernel":
        yield hythe.Resolver(f"127.0.0.1:{server.port}", **settings)
        return
    # 10.83.x.2 stands for this machine's loopback; the gateway's own name service is not involved.
    async with guest(RunOptions((), host_loopback=True, families=frozenset({4}))) as (host, gateways):
        machine = str(ipaddress.ip_address(gateways[0]) + 1)
        yield hythe.Resolver(f"{machine}:{server.port}", via=host, **settings)


@pytest.fixture(params=["kernel", "hythe"])
def play(request: pytest.FixtureRequest, server: Peculiar) -> Callable[..., None]:
    """Return what runs a scenario with a resolver, over both stacks; nothing may be left behind."""

    def run(scenario: Scenario, **settings: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(30), resolver(request.param, server, **settings) as made:
                await scenario(made)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main(), debug=True)
        gc.collect()  # a socket that was left open warns when it is collected, which fails the test

    return run


def asked(server: Peculiar, name: str) -> list[str]:
    """By which protocol it was asked for an address of `name`, in order."""
    return [protocol for protocol, _, each in server.asked if each == name]


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("plain.test", ["udp"]),
        ("forged.test", ["udp"]),
        ("spoofed.test", ["udp"]),
        ("guessed.test", ["udp", "tcp"]),
        ("alias.test", ["udp"]),
        ("away.test", ["udp"]),
        ("deaf.test", ["udp", "udp"]),
        ("noedns.test", ["udp", "udp"]),
    ],
)
def test_names_that_are_found(play: Callable[..., None], server: Peculiar, name: str, protocols: list[str]) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        found = await resolver.lookup(name, dns.A)
        assert (found.status, found.source) == (Status.FOUND, "dns")
        assert [str(ipaddress.ip_address(each)) for each in found.addresses()] == [PLAIN]

    play(scenario)
    assert asked(server, name) == protocols
    assert [size for each, size in server.edns if each == name][-1] == (0 if name == "noedns.test" else 1232)


def test_what_is_too_long_for_udp_comes_over_tcp(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        assert (await resolver.lookup("big.test", dns.A)).addresses() == BIG

    play(scenario)
    assert asked(server, "big.test") == ["udp", "tcp"]


def test_tcp_alone(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        assert await resolver.resolve("plain.test") == [PLAIN]
        # The first time: asked for both kinds of addresses the server would hang up on either, as they happen to arrive.
        found = await resolver.lookup("hangup.test", dns.A)
        assert (found.status, "closed the connection" in found.reason) == (Status.UNREACHABLE, True)

    play(scenario, config=hythe.ResolverConfig(use_tcp=True))
    assert {protocol for protocol, _, _ in server.asked} == {"tcp"}


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("nobody.test", Status.NO_SUCH_NAME, ""),
        ("6.ip6.test", Status.NO_SUCH_NAME, ""),
        ("failing.test", Status.SERVER_FAILED, "answered SERVFAIL"),
        ("ring.test", Status.SERVER_FAILED, "its aliases lead back to ring.test"),
        ("loop.test", Status.SERVER_FAILED, "its aliases lead back to loop.test"),
        ("silent.test", Status.UNREACHABLE, "did not answer"),
        ("lame.test", Status.UNREACHABLE, "neither knows the answer nor asks others"),
        ("garbage.test", Status.UNREACHABLE, "has 2 bytes, not 4"),
    ],
)
def test_names_that_are_not(play: Callable[..., None], name: str, status: Status, reason: str) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        found = await resolver.lookup(name, dns.A)
        assert found.status is status
        assert reason in found.reason
        assert (found.records, reason == "") == ([], found.reason == "")

    play(scenario)


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("plain.test", 15, "10 mail.test."),
        ("plain.test", 731, "\\# 2 0AFF"),
        ("plain.test", 16, '"a b" "\\027[31m"'),
        ("6.ip6.test", dns.AAAA, "2001:db8::1"),
        ("alias.test", 1, "192.0.2.1"),
    ],
)
def test_records_of_any_type(play: Callable[..., None], name: str, kind: int, text: str) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        assert [data_text(record) for record in (await resolver.lookup(name, kind)).records] == [text]

    play(scenario)


def test_addresses_to_names(play: Callable[..., None]) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        assert await resolver.reverse("192.0.2.1") == ["plain.test"]
        assert await resolver.reverse("2001:db8::1") == ["6.ip6.test"]
        with pytest.raises(socket.gaierror, match=r"'9\.2\.0\.192\.in-addr\.arpa\.' cannot be resolved: no such name"):
            await resolver.reverse("192.0.2.9")
        with pytest.raises(UsageError, match="not an address"):
            await resolver.reverse("plain.test")

    play(scenario)


def test_the_search_list(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        found = await resolver.lookup("www", dns.A)
        assert (found.status, found.canonical) == (Status.FOUND, "www.domain.test")

    play(scenario, search=["nowhere.test", "domain.test"])
    assert [name for _, _, name in server.asked] == ["www.nowhere.test", "www.domain.test"]


def test_answers_are_kept(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        for _ in range(3):
            assert await resolver.resolve("plain.test") == [PLAIN]

    play(scenario)
    assert len(asked(server, "plain.test")) <= 4  # A once; NODATA without SOA is not kept


def test_many_at_once(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        names = [f"n{number}.test" for number in range(50)]
        found = await asyncio.gather(*(resolver.lookup(name, dns.A) for name in [*names, *["plain.test"] * 10]))
        assert [each.status for each in found] == [Status.NO_SUCH_NAME] * 50 + [Status.FOUND] * 10

    play(scenario, config=None)
    assert asked(server, "plain.test") == ["udp"]  # RFC 5452, 5
    identifiers = [identifier for _, identifier, _ in server.asked]
    assert len(set(identifiers)) > 45  # of 51; two may be equal by chance, one time in fifty


def test_the_hosts_file_comes_first(play: Callable[..., None], server: Peculiar) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        assert await resolver.resolve("Plain.test") == ["192.0.2.200"]
        found = await resolver.lookup("plain.test", dns.AAAA)
        assert (found.status, found.source) == (Status.NO_DATA, "/etc/hosts")
        assert await resolver.reverse("192.0.2.200") == ["plain.test", "other"]
        assert (await resolver.lookup("localhost")).source == "RFC 6761"
        assert await resolver.resolve("192.0.2.77") == ["192.0.2.77"]

    play(scenario, hosts=HostsFile("192.0.2.200 plain.test other"))
    assert server.asked == []


def test_cancelling_leaves_nothing(play: Callable[..., None]) -> None:
    async def scenario(resolver: hythe.Resolver) -> None:
        for use_tcp in (False, True):
            resolver.config = hythe.ResolverConfig(servers=resolver.config.servers, use_tcp=use_tcp)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await resolver.resolve("silent.test")

    play(scenario)


def test_the_next_server_is_asked_where_one_is_out_of_reach(server: Peculiar) -> None:
    async def main() -> None:
        port = closed_port()
        resolver = hythe.Resolver(f"127.0.0.1:{port}", f"127.0.0.1:{server.port}")
        found = await resolver.lookup("plain.test", dns.A)
        assert found.outcomes[0][1].failures == {0: "connection refused"}
        assert found.outcomes[0][1].server == 1

    asyncio.run(main())


def test_servers_are_rotated(server: Peculiar) -> None:
    async def main() -> None:
        with Peculiar() as other:
            words = (f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}")
            resolver = hythe.Resolver(*words, config=hythe.ResolverConfig(rotate=True))
            for number in range(4):
                await resolver.lookup(f"n{number}.test", dns.A)
            assert [name for _, _, name in server.asked] == ["n0.test", "n2.test"]
            assert [name for _, _, name in other.asked] == ["n1.test", "n3.test"]

    asyncio.run(main())


def test_a_silent_connection_is_closed_before_the_next(server: Peculiar) -> None:
    async def main() -> None:
        writers: list[asyncio.StreamWriter] = []

        class Watching:
            async def open_connection(self, host: str, port: int) -> Any:
                assert all(writer.is_closing() for writer in writers)
                reader, writer = await asyncio.open_connection(host, port)
                writers.append(writer)
                return reader, writer

            async def create_datagram_endpoint(self, factory: Any, *, remote_addr: Any) -> Any:
                raise AssertionError("nothing was to go over UDP")

        config = hythe.ResolverConfig(use_tcp=True, timeout=100 * MILLISECOND, attempts=3)
        found = await hythe.Resolver(f"127.0.0.1:{server.port}", config=config, via=Watching()).lookup("silent.test", dns.A)
        assert (found.reason, len(writers)) == (f"127.0.0.1#{server.port} did not answer", 3)

    asyncio.run(main())


def test_questions_leave_from_ports_that_are_hard_to_guess(server: Peculiar) -> None:
    async def main() -> None:
        ports: list[int] = []

        class Watching:
            async def open_connection(self, host: str, port: int) -> Any:
                raise AssertionError("UDP was enough")

            async def create_datagram_endpoint(self, factory: Any, *, remote_addr: Any) -> Any:
                loop = asyncio.get_running_loop()
                transport, protocol = await loop.create_datagram_endpoint(factory, remote_addr=remote_addr)
                ports.append(transport.get_extra_info("sockname")[1])
                return transport, protocol

        resolver = hythe.Resolver(f"127.0.0.1:{server.port}", via=Watching())
        for number in range(20):
            await resolver.lookup(f"n{number}.test", dns.A)
        assert len(set(ports)) > 15
        steps = {later - earlier for earlier, later in itertools.pairwise(ports)}
        assert len(steps) > 10

    asyncio.run(main())


# --- A host that knows names


def test_a_host_with_nameservers_connects_by_name(server: Peculiar) -> None:
    """Everything, the query included, goes through the host's own stack: client, server and DNS relay are hythe's."""

    async def main() -> None:
        left, right = hythe.pair()
        far = hythe.Host("192.0.2.1/24", link=right, allow_privileged_ports=True)
        near = hythe.Host("192.0.2.9/24", "2001:db8::9/64", link=left, nameservers=["192.0.2.1"])
        async with asyncio.timeout(20), far, near:
            await far.create_datagram_endpoint(lambda: _Relay(server.port), local_addr=("192.0.2.1", 53))
            echo = await far.start_server(_echo, port=7)
            reader, writer = await near.open_connection("plain.test", 7)
            writer.write(b"by name\n")
            assert await reader.readline() == b"by name\n"
            assert writer.get_extra_info("peername") == ("192.0.2.1", 7)
            writer.close()
            transport, _ = await near.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("plain.test", 9))
            assert transport.get_extra_info("peername") == ("192.0.2.1", 9)
            transport.close()
            with pytest.raises(socket.gaierror, match=r"'nobody\.test' cannot be resolved: no such name"):
                await near.open_connection("nobody.test", 7)
            echo.close()

    asyncio.run(main())


class _Relay(asyncio.DatagramProtocol):
    """Passes queries on to the kernel's loopback, and answers back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.socket.send(data)
        self.transport.sendto(self.socket.recv(65_535), addr)

    def connection_lost(self, exc: Exception | None) -> None:
        self.socket.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    writer.close()


def test_a_servers_port_can_be_a_service() -> None:
    assert parse_server("127.0.0.1:mdns") == ("127.0.0.1", 5353)
    assert parse_server("[::1]:domain") == ("::1", 53)


def test_what_is_no_server_and_no_name() -> None:
    for word in (
        "nonsense",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "[::1]:",
        "[::1]x",
        "[x]:53",
        "",
        "127.0.0.1:x",
        "127.0.0.1:²",
    ):
        with pytest.raises(UsageError, match="is no name server"):
            hythe.Resolver(word)
    with pytest.raises(UsageError, match="needs a name server"):
        hythe.Resolver()

    async def main() -> None:
        with pytest.raises(UsageError, match="is not a name"):
            await hythe.Resolver("192.0.2.1").lookup("a..b")
        with pytest.raises(socket.gaierror, match="is not a name"):
            await hythe.Resolver("192.0.2.1").resolve("a..b")

    asyncio.run(main())


def test_names_in_other_letters(server: Peculiar) -> None:
    async def main() -> None:
        found = await hythe.Resolver(f"127.0.0.1:{server.port}").lookup("bücher.test", dns.A)
        assert found.canonical == "xn--bcher-kva.test"

    asyncio.run(main())


def test_of_machine_reads_this_machines_files() -> None:
    resolver = hythe.Resolver.of_machine()
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        named = [line.split()[1] for line in file if line.startswith("nameserver")]
    assert [address for address, _ in resolver.config.servers] == (named[:3] or ["127.0.0.1"])
    assert resolver.hosts.addresses("localhost")
