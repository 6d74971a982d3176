"""Real programs of the kernel's side against a host on a TUN device, and the example of the documentation."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import hythe
from hythe.gateway.namespace.netlink import RouteSocket
from tests import needs
from tests.aio.conftest import Certificate
from tests.aio.kernel import HOST, KERNEL, MTU, Kernel, configure
from tests.aio.sides import port_of, tun_host, until

if TYPE_CHECKING:
    from collections.abc import Callable

RTM_DELLINK = 17
PAGE = b"0123456789abcdef" * 100_000


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_curl_fetches_over_http_and_https(kernel: Kernel, certificate: Certificate) -> None:
    curl = needs.program("curl")

    async def main() -> None:
        async with asyncio.timeout(30), tun_host(kernel) as host:
            plain = await host.start_server(web)
            secure = await host.start_server(web, ssl=certificate.server())
            for address in (HOST[4], f"[{HOST[6]}]"):
                for url in (f"http://{address}:{port_of(plain)}/", f"https://{address}:{port_of(secure)}/"):
                    command = [curl, "-sS", "--max-time", "20", "--noproxy", "*", "--cacert", str(certificate.certificate)]
                    status, page, complaints = await asyncio.to_thread(kernel.run, *command, url)
                    assert (status, complaints) == (0, "")
                    assert page == PAGE

    asyncio.run(main(), debug=True)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(-1))
    writer.close()
    await writer.wait_closed()


async def example() -> None:
    """One host and the kernel's sockets, each the other's server."""
    async with hythe.Host(f"{HOST[4]}/24", link=hythe.Tun("hythe0")) as host:

        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
            writer.write(b"hello")
            writer.write_eof()
            answer = await reader.read(-1)
            writer.close()
            await writer.wait_closed()
            return answer

        configure("hythe0")
        ours = await host.start_server(echo)
        theirs = await asyncio.start_server(echo, KERNEL[4])
        assert await ask(*await asyncio.open_connection(HOST[4], port_of(ours))) == b"hello"
        assert await ask(*await host.open_connection(KERNEL[4], port_of(theirs))) == b"hello"
        theirs.close()


def in_own_network(action: Callable[[], None]) -> None:
    """Run `action` in a fork with a network of its own: a device appears in the namespace of whoever opens it."""
    needs.network()

    def inside() -> int:
        if needs.libc_unshare(needs.CLONE_NEWUSER | needs.CLONE_NEWNET):
            return 1
        try:
            action()
        except BaseException:  # noqa: BLE001  # it must not return into a second pytest
            os.write(2, traceback.format_exc().encode())
            return 1
        return 0

    assert needs.in_child(inside) == 0


def test_a_device_by_its_name() -> None:
    def inside() -> None:
        link = hythe.Tun("tun%d")
        assert link.name == "tun0"
        assert link.mtu == MTU
        assert "tun0" in [name for _, name in socket.if_nameindex()]
        link.close()
        assert "tun0" not in [name for _, name in socket.if_nameindex()]
        asyncio.run(example(), debug=True)

    in_own_network(inside)


def test_a_device_that_cannot_be_had_is_one_sentence() -> None:
    for name in ("", "x" * 16):
        with pytest.raises(hythe.UsageError, match="cannot name a device: give 1 to 15 bytes"):
            hythe.Tun(name)
    with pytest.raises(hythe.UsageError, match="give mtu="):
        hythe.Tun(0)
    needs.tun()

    def inside() -> None:
        with pytest.raises(hythe.MachineError, match="'lo' cannot be set up"):
            hythe.Tun("lo")

    in_own_network(inside)


def test_a_device_that_vanishes_is_reported_once() -> None:
    async def vanish() -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reported.append(report))
        async with hythe.Host(f"{HOST[4]}/24", link=hythe.Tun("hythe0")) as host:
            configure("hythe0")
            with RouteSocket() as routes:
                body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex("hythe0"), 0, 0)
                routes._request(RTM_DELLINK, 0, body)
            await until(lambda: reported)
            await asyncio.sleep(0.05)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await host.open_connection(KERNEL[4], 80)
        assert ["hythe0 has failed" in each["message"] for each in reported] == [True]

    in_own_network(lambda: asyncio.run(vanish(), debug=True))
