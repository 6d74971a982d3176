"""Fast Open with the Linux kernel, each as client and as server (RFC 7413)."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from random import Random

import hythe
from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.tcp.connection import Connection
from tests.aio.kernel import HOST, KERNEL, Kernel
from tests.aio.sides import port_of, tun_host

#: linux/tcp.h: of tcp_info's sixth byte, that the SYN's data was acknowledged with it.
TCPI_OPT_SYN_DATA = 32
TCP_FASTOPEN = 23


def ask(sock: socket.socket, address: tuple[str, int]) -> tuple[bytes, bool]:
    """Send a line with the SYN; the answer, and whether the line went with it."""
    with sock:
        sock.setblocking(True)  # or the kernel would ask us to come again
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", 10, 0))
        sock.sendto(b"ping", socket.MSG_FASTOPEN, address)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := sock.recv(100):
            answer += part
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return answer, bool(info[5] & TCPI_OPT_SYN_DATA)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()
    await writer.wait_closed()


def test_the_kernel_opens_fast_to_us(kernel: Kernel) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), tun_host(kernel) as host:
            for version in (4, 6):
                server = await host.start_server(echo, HOST[version], fast_open=4)
                seen = []
                for _ in range(3):
                    sock = kernel.make_socket(version, socket.SOCK_STREAM)
                    seen.append(await asyncio.to_thread(ask, sock, (HOST[version], port_of(server))))
                assert seen == [(b"ping", False), (b"ping", True), (b"ping", True)]  # the first fetches the cookie

    asyncio.run(main(), debug=True)


class Client:
    """A core host on the TUN device, driven by hand: `until` turns it until something holds."""

    def __init__(self, kernel: Kernel, rng: Random) -> None:
        self.link = hythe.Tun(os.dup(kernel.tun_fd), 1_500, poison=True)
        config = HostConfig(tcp=TcpConfig(fast_open=True, nagle=False))
        self.host = Host(config, rng, rng.randbytes(16))
        self.interface = self.host.attach("tun0", self.link, (Prefix.parse(f"{HOST[4]}/24"), Prefix.parse(f"{HOST[6]}/64")))

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "nothing happens"
            select.select([self.link.fileno()], [], [], 0.01)
            now = time.monotonic_ns()
            for packet in self.link.receive(now, 8):
                self.host.receive(packet, now, self.interface)
            self.host.fire(now)
            for item in self.host.take_ready():
                item.queued = False
                self.host.attend(item, now)
            self.host.settle(now)

    def ask(self, version: int, port: int) -> Connection:
        remote = socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, KERNEL[version])
        connection = self.host.connect(remote, port, time.monotonic_ns())
        connection.write(b"ping")
        connection.shutdown()
        self.until(lambda: connection.fin_received)
        return connection


def serve(listening: socket.socket, count: int) -> list[bool]:
    """Answer so many connections; of each, whether its SYN brought data."""
    fast = []
    for _ in range(count):
        connected, _ = listening.accept()
        with connected:
            connected.settimeout(10)
            data = b""
            while part := connected.recv(100):
                data += part
            info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
            connected.sendall(data[::-1])
            fast.append(bool(info[5] & TCPI_OPT_SYN_DATA))
    return fast


def test_we_open_fast_to_the_kernel(kernel: Kernel, rng: Random) -> None:
    status, _, complaints = kernel.run("sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen")
    assert (status, complaints) == (0, "")
    client = Client(kernel, rng)
    try:
        for version in (4, 6):
            with kernel.make_socket(version, socket.SOCK_STREAM) as listening:
                listening.bind((KERNEL[version], 0))
                listening.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
                listening.listen()
                listening.settimeout(10)
                with_threads = asyncio.run(_both(client, listening, version, listening.getsockname()[1]))
                assert with_threads == [False, True, True]
    finally:
        client.link.close()
        kernel.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_fastopen")


async def _both(client: Client, listening: socket.socket, version: int, port: int) -> list[bool]:
    serving = asyncio.create_task(asyncio.to_thread(serve, listening, 3))
    for _ in range(3):
        connection = await asyncio.to_thread(client.ask, version, port)
        assert b"".join(map(bytes, connection.views())) == b"gnip"
        connection.consume(4)
        connection.close(time.monotonic_ns())
        await asyncio.to_thread(client.until, lambda made=connection: made.state in (0, 10))  # type: ignore[misc]
    return await serving
