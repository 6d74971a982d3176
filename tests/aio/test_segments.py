"""Hosts with MAC addresses through asyncio: on a hub in this process, and the Linux kernel on the other end of a TAP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import subprocess
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import hythe
from hythe.units import MILLISECOND, SECOND
from tests import needs
from tests.aio.sides import port_of, until

MAC = "02:00:00:00:00:02"
#: Waits as short as the real clock makes worth while.
ETHERNET = hythe.EthernetConfig(
    dad_delay=20 * MILLISECOND, router_solicit_delay=20 * MILLISECOND, dhcp_delay=0, dhcp_renew_min=SECOND
)
CONFIG = hythe.HostConfig(tcp=hythe.TcpConfig(nagle=False), ethernet=ETHERNET)
DATA = bytes(range(251)) * 20_000  # 5 MB


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(streams: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> bytes:
    reader, writer = await streams

    async def send() -> None:
        writer.write(DATA)
        await writer.drain()
        writer.write_eof()

    answer, _ = await asyncio.gather(reader.read(-1), send())
    writer.close()
    await writer.wait_closed()
    return answer


# --- In this process


def on_a_hub(main: Callable[[hythe.Hub], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await main(hythe.Hub())

    asyncio.run(limited(), debug=True)


def test_three_hosts_on_a_hub() -> None:
    async def main(hub: hythe.Hub) -> None:
        hosts = [
            hythe.Host(f"10.0.0.{number}/24", f"fd00::{number}/64", link=hub.port(), config=CONFIG) for number in (1, 2, 3)
        ]
        async with hosts[0] as first, hosts[1] as second, hosts[2] as third:
            for server, address in ((first, "10.0.0.1"), (second, "fd00::2")):
                listening = await server.start_server(echo)
                assert await ask(third.open_connection(address, port_of(listening))) == DATA
            with pytest.raises(OSError) as refused:
                await third.open_connection("10.0.0.1", 9)
            assert refused.value.errno == errno.ECONNREFUSED
            own = await third.start_server(echo)  # what is sent to oneself needs no neighbor
            assert await ask(third.open_connection("10.0.0.3", port_of(own))) == DATA

    on_a_hub(main)


@pytest.mark.rfc("4007", "11")
def test_a_zone_tells_which_of_two_segments_is_meant() -> None:
    """The same link-local address is somebody else's on each."""

    async def main(hub: hythe.Hub) -> None:
        other = hythe.Hub()
        here = hythe.Host("10.0.0.1/24", link=hub.port(), config=CONFIG)
        here.attach("10.1.0.1/24", link=other.port(), name="lan")
        hosts = [hythe.Host("fe80::a/64", link=each.port(), config=CONFIG) for each in (hub, other)]
        async with here, hosts[0] as one, hosts[1] as two:
            for number, server in enumerate((one, two)):

                async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int = number) -> None:
                    writer.write(bytes([number]))
                    writer.close()

                await server.start_server(tell, port=8_000)
            for zone, number in (("link0", 0), ("1", 0), ("lan", 1), ("2", 1)):
                reader, writer = await here.open_connection(f"fe80::a%{zone}", 8_000)
                assert await reader.read() == bytes([number]), zone
                writer.close()
                await writer.wait_closed()
            with pytest.raises(OSError, match=r"fe80::a%eth0 is on no link of this host, which has link0, lan") as wrong:
                await here.open_connection("fe80::a%eth0", 8_000)
            assert wrong.value.errno == errno.ENODEV

    on_a_hub(main)


def test_an_address_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    async def main(hub: hythe.Hub) -> None:
        async with hythe.Host("10.0.0.1/24", "fd00::1/64", link=hub.port(), mac=MAC, config=CONFIG):
            for address in ("10.0.0.1/24", "fd00::1/64"):
                with pytest.raises(OSError, match=f"{address} is used by another station of the segment, {MAC}") as taken:
                    async with hythe.Host(address, link=hub.port(), config=CONFIG):
                        pass
                assert taken.value.errno == errno.EADDRINUSE
            assert len(hub.ports) == 1

    before = set(os.listdir("/proc/self/fd"))
    on_a_hub(main)
    assert set(os.listdir("/proc/self/fd")) == before


def test_nobody_home_is_no_route_to_host() -> None:
    async def main(hub: hythe.Hub) -> None:
        config = hythe.HostConfig(ethernet=hythe.EthernetConfig(retransmit_time=20 * MILLISECOND, arp_probes=0))
        async with hythe.Host("10.0.0.1/24", link=hub.port(), config=config) as host:
            with pytest.raises(OSError) as lost:
                await host.open_connection("10.0.0.77", 80)
            assert lost.value.errno == errno.EHOSTUNREACH

    on_a_hub(main)


def test_a_lease_that_never_comes_is_the_callers_time_out() -> None:
    async def main(hub: hythe.Hub) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), hythe.Host("dhcp", link=hub.port(), config=CONFIG):
                pass
        assert hub.ports == []

    on_a_hub(main)


def test_closing_a_host_ends_the_wait_for_its_addresses() -> None:
    async def main(hub: hythe.Hub) -> None:
        host = hythe.Host("dhcp", link=hub.port(), config=CONFIG)
        starting = asyncio.create_task(host.start())
        await asyncio.sleep(0.05)
        await host.close()
        with pytest.raises(ConnectionAbortedError, match="the host was closed"):
            await starting

    on_a_hub(main)


def test_bad_words_are_one_sentence() -> None:
    link, _ = hythe.pair()
    for options in ({"mac": MAC}, {"routes": ["10.0.0.0/8 via ::1"]}, {"routes": ["10.0.0.0/8 via 10.0.0.1/8"]}):
        with pytest.raises(hythe.UsageError, match=r"Ethernet segment|one address of the same family"):
            hythe.Host(link=link, **options)
    for word in ("dhcp", "auto"):
        with pytest.raises(hythe.UsageError, match="need an Ethernet segment"):
            hythe.Host(word, link=link)
    with pytest.raises(hythe.UsageError, match="not a MAC address"):
        hythe.Host("10.0.0.1/24", link=hythe.Hub().port(), mac="tap0")
    with pytest.raises(hythe.UsageError, match="need a link"):
        hythe.Host(mac=MAC)


# --- With the kernel


def run(*command: str) -> str:
    """A program of the kernel's side; its output."""
    path = needs.program(command[0])
    done = subprocess.run([path, *command[1:]], capture_output=True, timeout=30, check=False, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def with_the_kernel(main: Callable[[hythe.Tap], Coroutine[Any, Any, None]], *programs: str) -> None:
    """Run `main` in a fork with a network of its own: tap0, the kernel being 10.0.0.1 and fd00::1 there.

    `programs`: what it runs there, looked for before the fork, which cannot skip.
    """
    needs.root()
    needs.tun()
    for each in ("ip", *programs):
        needs.program(each)

    def inside() -> int:
        if needs.libc_unshare(needs.CLONE_NEWNET):
            return 1
        try:
            link = hythe.Tap("tap0", poison=True)
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "set", "tap0", "up")
            run("ip", "address", "add", "10.0.0.1/24", "dev", "tap0")
            run("ip", "address", "add", "fd00::1/64", "dev", "tap0", "nodad")

            async def limited() -> None:
                async with asyncio.timeout(60):
                    await main(link)

            asyncio.run(limited(), debug=True)
            assert link.dropped == 0
        except BaseException:  # noqa: BLE001  # it must not return into a second pytest
            os.write(2, traceback.format_exc().encode())
            return 1
        return 0

    assert needs.in_child(inside) == 0


def neighbor(address: str) -> str:
    return run("ip", "neighbor", "show", "to", address)


def test_the_kernel_finds_us_pings_us_and_both_serve_5_mb() -> None:
    async def main(link: hythe.Tap) -> None:
        async with hythe.Host("10.0.0.2/24", "fd00::2/64", link=link, mac=MAC, config=CONFIG) as host:
            ours = await host.start_server(echo)
            for here, there in (("10.0.0.2", "10.0.0.1"), ("fd00::2", "fd00::1")):
                await asyncio.to_thread(run, "ping", "-c", "3", "-i", "0.05", "-W", "2", here)
                await asyncio.to_thread(run, "ping", "-c", "1", "-s", "4000", "-W", "2", here)
                assert "REACHABLE" in neighbor(here)
                assert MAC in neighbor(here)
                theirs = await asyncio.start_server(echo, there)
                assert await ask(asyncio.open_connection(here, port_of(ours))) == DATA
                assert await ask(host.open_connection(there, port_of(theirs))) == DATA
                theirs.close()
                await theirs.wait_closed()

    with_the_kernel(main, "ping")


def test_duplicates_are_seen_on_both_sides() -> None:
    async def main(link: hythe.Tap) -> None:
        for address in ("10.0.0.1/24", "fd00::1/64"):
            with pytest.raises(OSError, match="is used by another station of the segment"):
                async with hythe.Host(address, link=hythe.Tap(os.dup(link.fileno()), 1500), config=CONFIG):
                    pass
        async with hythe.Host("fd00::2/64", link=link, mac=MAC, config=CONFIG):
            run("ip", "address", "add", "fd00::2/64", "dev", "tap0")
            await until(lambda: "dadfailed" in run("ip", "-6", "address", "show", "dev", "tap0"))

    with_the_kernel(main)


@contextlib.asynccontextmanager
async def process(*command: str, ready: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that runs meanwhile; it is there when it has said `ready`."""
    child = await asyncio.create_subprocess_exec(
        needs.program(command[0]), *command[1:], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert child.stderr is not None
    try:
        heard = b""
        while ready.encode() not in heard:
            line = await child.stderr.readline()
            assert line, heard
            heard += line
        drain = asyncio.create_task(child.stderr.read())
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
    await drain


def malformed(capture: Path) -> str:
    """What tshark thinks is wrong with the packets of a capture."""
    wrong = "_ws.malformed || _ws.expert.severity == error || icmpv6.checksum.status == 0 || arp.duplicate-address-detected"
    return run("tshark", "-r", str(capture), "-Y", wrong)


def test_dnsmasq_lends_renews_advertises_and_names(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    capture = tmp_path / "segment.pcap"
    dnsmasq = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--conf-file=/dev/null", "--user=root"]
    dnsmasq += ["--group=root", "--pid-file=", "--no-resolv", "--no-hosts", "--interface=tap0", "--bind-interfaces"]
    dnsmasq += ["--address=/server.test/10.0.0.1", f"--dhcp-leasefile={tmp_path}/leases", "--no-ping"]
    dnsmasq += ["--dhcp-range=10.0.0.50,10.0.0.60,2m", "--dhcp-option=option:T1,3", "--dhcp-option=option:T2,90"]
    dnsmasq += ["--dhcp-range=fd00::,ra-only,64,2h", "--enable-ra"]

    async def main(link: hythe.Tap) -> None:
        dump = ("tcpdump", "--immediate-mode", "-i", "tap0", "-s", "0", "-U", "-Z", "root", "-w", str(capture))
        async with process(*dump, ready="listening on"), process(*dnsmasq, ready="DHCP, sockets bound"):
            again = hythe.Tap(os.dup(link.fileno()), 1500)  # the device stays while the kernel reads the last packet
            async with hythe.Host("dhcp", "auto", link=again, mac=MAC, config=CONFIG) as host:
                addresses = [str(each) for each in host.core.interfaces[0].prefixes]
                four = ipaddress.ip_interface(next(each for each in addresses if "." in each))
                six = ipaddress.ip_interface(next(each for each in addresses if each.startswith("fd00:")))
                assert four.network == ipaddress.ip_network("10.0.0.0/24")
                assert 50 <= int(four.ip) & 0xFF <= 60
                leases = (tmp_path / "leases").read_text()
                assert f" {MAC} {four.ip} " in leases
                station = host._attachments[0].station
                assert station.dhcp is not None
                first = station.dhcp.lease
                assert first is not None
                ours = await host.start_server(echo)
                for address in (str(four.ip), str(six.ip)):
                    assert await ask(asyncio.open_connection(address, port_of(ours))) == DATA
                theirs = await asyncio.start_server(echo, "10.0.0.1")
                assert await ask(host.open_connection("server.test", port_of(theirs))) == DATA
                route = host.core.routes.find(ipaddress.ip_address("2001:db8::1").packed)
                assert route is not None
                assert route.gateway is not None
                await until(lambda: station.dhcp.lease.ends_at > first.ends_at)  # type: ignore[union-attr]
                theirs.close()
                await theirs.wait_closed()
            await until(lambda: str(four.ip) not in (tmp_path / "leases").read_text())  # given back

    with_the_kernel(main, "dnsmasq", "tcpdump", "tshark")
    assert malformed(capture) == ""
    kinds = run("tshark", "-r", str(capture), "-Y", "dhcp", "-T", "fields", "-e", "dhcp.option.dhcp").split()
    # DISCOVER, OFFER, REQUEST, ACK, one renewal at least, RELEASE.
    assert kinds[:6] == ["1", "2", "3", "5", "3", "5"]
    assert kinds[-1] == "7"
