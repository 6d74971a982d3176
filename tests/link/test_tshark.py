"""tshark reads our captures: hosts of ours and the kernel talk, and nothing that was written down is wrong.

The captures are made by hythe itself, of all that a host says: TCP in super-segments, batches of datagrams, fragments,
ICMP, and on Ethernet ARP, neighbor discovery and DHCP. Checksums are verified and connections followed. That the same
reading does find what is wrong is shown by a wire that spoils and loses packets.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import struct
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import hythe
from hythe.aio.host import DEFAULTS
from hythe.link.capture import Capture, FrameCapture
from hythe.link.faults import FaultLink, NthLoss, Plan
from hythe.units import MILLISECOND, SECOND
from tests import needs
from tests.aio.sides import Ours, Side, Theirs, port_of
from tests.aio.test_segments import echo, process, run
from tests.link import tshark

KERNEL = {4: "10.0.0.1", 6: "fd00::1"}
HOST = {4: "10.0.0.2", 6: "fd00::2"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
UDP_SEGMENT = 103
BULK = bytes(range(251)) * 4_000  # 1 MB
#: One packet, fragments, and a size that leaves a last fragment of one byte of data.
SIZES = (1, 100, 1400, 4_000, 20_000, 1480 * 2 - 7)
#: No TCP here takes a busy machine for a loss: a probe after some milliseconds' silence is a retransmission, too.
PATIENT = hythe.TcpConfig(nagle=False, tail_probes=False, rto_min=5 * SECOND)
CONFIG = hythe.HostConfig(tcp=PATIENT, ethernet=hythe.EthernetConfig(dad_delay=20 * MILLISECOND, dhcp_delay=0))


# --- What they say to each other


class Datagrams(asyncio.DatagramProtocol):
    """`answers`: send back what comes. `seen`: what came, and errors."""

    def __init__(self, *, answers: bool = False) -> None:
        self.answers = answers
        self.seen: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.seen.put_nowait(data)
        if self.answers:
            self.transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        self.seen.put_nowait(exc)


async def bulk(client: Side, server: Side) -> None:
    """So many bytes both ways at once."""
    listening = await server.start_server(echo)
    reader, writer = await client.open_connection(server.address, port_of(listening))

    async def send() -> None:
        writer.write(BULK)
        await writer.drain()
        writer.write_eof()

    answer, _ = await asyncio.gather(reader.read(-1), send())
    assert answer == BULK
    writer.close()
    await writer.wait_closed()
    listening.close()
    await listening.wait_closed()


async def datagrams(client: Side, server: Side) -> None:
    """Whole ones, fragments, and to a port where nobody is."""
    listening, _ = await server.create_datagram_endpoint(lambda: Datagrams(answers=True), local_addr=(server.address, 0))
    address = listening.get_extra_info("sockname")[:2]
    transport, mine = await client.create_datagram_endpoint(Datagrams, remote_addr=address)
    for size in SIZES:
        transport.sendto(b"h" * size)  # nothing that could be taken for some protocol
        assert len(await mine.seen.get()) == size
    listening.close()
    await asyncio.sleep(0.01)
    transport.sendto(b"anybody?")
    assert (await mine.seen.get()).errno == errno.ECONNREFUSED
    transport.close()
    with pytest.raises(ConnectionRefusedError):
        await client.open_connection(server.address, address[1])


async def converse(left: Side, right: Side) -> None:
    """Everything, each being client and server in turn."""
    for client, server in ((left, right), (right, left)):
        await bulk(client, server)
        await datagrams(client, server)


def theirs(version: int) -> Theirs:
    """The kernel of this process's network."""

    def make(kind: int) -> socket.socket:
        made = socket.socket(FAMILIES[version], kind)
        made.setblocking(False)
        return made

    return Theirs(make, KERNEL[version])


async def batches(host: hythe.Host, version: int) -> None:
    """Super-datagrams both ways."""
    transport, mine = await host.create_datagram_endpoint(Datagrams, local_addr=(HOST[version], 0))
    pieces = [bytes([each]) * 500 for each in range(40)]
    with socket.socket(FAMILIES[version], socket.SOCK_DGRAM) as kernel:
        kernel.settimeout(5)
        kernel.bind((KERNEL[version], 0))
        segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 500))]
        kernel.sendmsg(pieces, segment, 0, transport.get_extra_info("sockname")[:2])
        assert [await mine.seen.get() for _ in pieces] == pieces
        sender = host.core.bind(None, 0)
        there = ipaddress.ip_address(KERNEL[version]).packed
        sender.send(time.monotonic_ns(), b"".join(pieces), there, kernel.getsockname()[1], gso_size=500)
        assert [kernel.recv(2_000) for _ in pieces] == pieces
        sender.close()
    transport.close()


# --- Where


def in_own_network(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in a fork with a network of its own."""
    needs.root()
    needs.tun()
    for each in ("ip", "ping", "dnsmasq", "tshark"):
        needs.program(each)

    async def limited() -> None:
        async with asyncio.timeout(30):
            await main()

    def inside() -> int:
        if needs.libc_unshare(needs.CLONE_NEWNET):
            return 1
        try:
            asyncio.run(limited())
        except BaseException:  # noqa: BLE001  # it must not return into a second pytest
            os.write(2, traceback.format_exc().encode())
            return 1
        return 0

    assert needs.in_child(inside) == 0


def configure(name: str) -> None:
    """The kernel's end of the device `name`, silent until it is asked."""
    Path("/proc/sys/net/ipv4/tcp_early_retrans").write_text("0")  # as tail_probes in CONFIG
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "set", name, "addrgenmode", "none", "mtu", "1500", "up")
    run("ip", "address", "add", "10.0.0.1/24", "dev", name, "noprefixroute")
    run("ip", "address", "add", "fd00::1/64", "dev", name, "nodad", "noprefixroute")
    for network in ("10.0.0.0/24", "fd00::/64"):
        run("ip", "route", "add", network, "dev", name, "rto_min", "5s")


def epoch() -> int:
    return time.time_ns() - time.monotonic_ns()


async def with_the_kernel(link: Capture | FrameCapture) -> None:
    """All of it, over the device that `link` captures, closing which ends the capture."""
    async with hythe.Host("10.0.0.2/24", "fd00::2/64", link=link, config=CONFIG) as host:
        for version in (4, 6):
            await asyncio.to_thread(run, "ping", "-c", "3", "-i", "0.05", "-W", "2", HOST[version])
            await asyncio.to_thread(run, "ping", "-c", "1", "-s", "4000", "-W", "2", HOST[version])
            await converse(Ours(host, HOST[version]), theirs(version))
            await batches(host, version)


def test_a_host_and_the_kernel_on_tun(tmp_path: Path) -> None:
    file = tmp_path / "tun.pcapng"

    async def main() -> None:
        link = Capture(hythe.Tun("tun0", poison=True), file.open("wb"), "tun0", epoch())
        configure("tun0")
        await with_the_kernel(link)

    in_own_network(main)
    found = tshark.read(file, kernels=KERNEL.values())
    assert found.complaints == []
    assert found.protocols >= {"ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "ipv6.fraghdr"}
    assert found.verified["tcp"] > 4 * 2 * len(BULK) // 1_460  # every piece of what was sent whole
    assert found.verified["udp"] > 2 * 2 * 40
    assert min(found.verified.values()) > 8


def test_a_station_and_the_kernel_on_tap(tmp_path: Path) -> None:
    """With ARP, neighbor discovery, and from dnsmasq an address, a router and names."""
    file = tmp_path / "tap.pcapng"
    dnsmasq = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--user=root"]
    dnsmasq += ["--group=root", "--pid-file=", "--no-resolv", "--no-hosts", "--interface=tap0", "--bind-interfaces"]
    dnsmasq += ["--address=/server.test/10.0.0.1", f"--dhcp-leasefile={tmp_path}/leases", "--no-ping"]
    dnsmasq += ["--dhcp-range=10.0.0.50,10.0.0.60,2m", "--dhcp-range=fd00::,ra-only,64,2h", "--enable-ra"]

    async def main() -> None:
        tap = hythe.Tap("tap0", poison=True)
        configure("tap0")
        file_object = file.open("wb")
        await with_the_kernel(FrameCapture(hythe.Tap(os.dup(tap.fileno()), 1500), file_object, "tap0", epoch()))

    async def lent() -> None:
        tap = hythe.Tap("tap0", poison=True)
        configure("tap0")
        async with process(*dnsmasq, ready="DHCP, sockets bound"):
            link = FrameCapture(tap, (tmp_path / "lent.pcapng").open("wb"), "tap0", epoch())
            async with hythe.Host("dhcp", "auto", link=link, config=CONFIG) as host:
                server = await theirs(4).start_server(echo)
                _, writer = await host.open_connection("server.test", port_of(server))
                writer.close()
                await writer.wait_closed()
                server.close()

    in_own_network(main)
    in_own_network(lent)
    found = tshark.read(file, kernels=KERNEL.values())
    assert found.complaints == []
    assert found.protocols >= {"eth", "arp", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "ipv6.fraghdr"}
    assert found.verified["tcp"] > 4 * 2 * len(BULK) // 1_460
    assert min(found.verified.values()) > 8
    found = tshark.read(tmp_path / "lent.pcapng")
    assert found.complaints == []
    assert found.protocols >= {"eth", "arp", "dhcp", "dns", "icmpv6", "tcp"}


@pytest.mark.parametrize("offload", [True, False])
def test_two_hosts_on_a_pair(tmp_path: Path, offload: bool) -> None:
    file = tmp_path / "pair.pcapng"
    found = asyncio.run(two_hosts(file, lambda link: link, offload=offload))
    assert found.complaints == []
    assert found.protocols >= {"ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "ipv6.fraghdr"}
    assert found.verified["tcp"] > 4 * 2 * len(BULK) // 1_460


async def two_hosts(
    file: Path,
    spoil: Callable[[Capture], Any],
    talk: Callable[[Side, Side], Coroutine[Any, Any, None]] = converse,
    *,
    offload: bool = True,
    config: hythe.HostConfig = CONFIG,
) -> tshark.Reading:
    """What there is to read when two of our hosts talk, one behind a capture and above that what `spoil` makes of it."""
    near, far = hythe.pair(offload=offload, poison=True)
    link = spoil(Capture(near, file.open("wb"), "pair0", epoch()))
    async with (
        asyncio.timeout(30),
        hythe.Host("10.0.0.2/24", "fd00::2/64", link=link, config=config) as host,
        hythe.Host("10.0.0.1/24", "fd00::1/64", link=far, config=config) as other,
    ):
        for version in (4, 6):
            await talk(Ours(host, HOST[version]), Ours(other, KERNEL[version]))
    return await asyncio.to_thread(tshark.read, file)


# --- That it would be found


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (Plan(corrupt=0.02), "checksum status 0"),
        (Plan(loss=NthLoss(frozenset({40}), 6)), "retransmission"),
        (Plan(duplicate=0.01), "retransmission"),
        (Plan(reorder=0.01), "Previous segment"),
    ],
    ids=["corrupt", "lost", "twice", "late"],
)
def test_what_is_wrong_is_found(tmp_path: Path, plan: Plan, sentence: str) -> None:
    file = tmp_path / "wrong.pcapng"
    found = asyncio.run(two_hosts(file, lambda link: FaultLink(link, plan, seed=1), bulk, config=DEFAULTS))
    assert any(sentence in each for each in found.complaints), found.complaints
