"""A full backlog, and the Linux kernel as the client who is served nevertheless (RFC 4987)."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from hythe.wire.packet import PARTIAL, Packet
from hythe.wire.segment import SYN, envelope, make_key
from tests.aio.kernel import HOST, Kernel
from tests.aio.sides import port_of, tun_host

PAGE = bytes(range(256)) * 2_000
#: An address on the kernel's network that nobody has: its handshake never ends.
NOBODY = {4: "10.77.0.99", 6: "fd77::99"}


def packed(version: int, address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, address)


@pytest.mark.parametrize("version", [4, 6])
def test_the_kernel_returns_our_cookies(kernel: Kernel, version: int) -> None:
    async def main() -> None:
        recalled: list[tuple[bool, bool, bool]] = []
        async with asyncio.timeout(30), tun_host(kernel) as host:

            async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tcb = writer.transport._connection  # type: ignore[attr-defined]
                recalled.append((tcb.ts_on, tcb.sack_on, tcb.snd_scale > 0))
                writer.write(PAGE + await reader.readexactly(4))
                writer.close()
                await writer.wait_closed()

            server = await host.start_server(page, HOST[version], backlog=1)
            port = port_of(server)
            key = make_key(packed(version, HOST[version]), port, packed(version, NOBODY[version]), 5)
            syn = envelope(key).head(7, 0, SYN, 1_000)[10:]
            host.core.receive(Packet().fill(syn, 0, PARTIAL), time.monotonic_ns(), host.core.interfaces[0])
            counters = host.core.counters
            for _ in range(3):
                sock = kernel.make_socket(version, socket.SOCK_STREAM)
                await asyncio.get_running_loop().sock_connect(sock, (HOST[version], port))
                reader, writer = await asyncio.open_connection(sock=sock)
                writer.write(b"more")
                assert await reader.read(-1) == PAGE + b"more"
                writer.close()
                await writer.wait_closed()
            assert (counters.syn_cookies_sent, counters.syn_cookies_returned) == (3, 3)
            assert recalled == [(True, True, True)] * 3

    asyncio.run(main(), debug=True)
