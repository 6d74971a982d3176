"""A host behind a gateway, in one process: what it reaches, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress

import pytest

from hythe.gateway.guest import guest
from hythe.gateway.options import RunOptions


@pytest.mark.parametrize("family", [4, 6])
def test_it_reaches_this_machine_and_leaves_no_socket_open(family: int) -> None:
    async def main() -> None:
        loopback = "127.0.0.1" if family == 4 else "::1"
        ended = asyncio.Event()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            with contextlib.suppress(ConnectionResetError):  # or an end, where the guest's was passed on before it went
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
            ended.set()

        server = await asyncio.start_server(echo, loopback, 0)
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(20), server:
            async with guest(RunOptions((), host_loopback=True, families=frozenset({family}))) as (host, gateways):
                machine = str(ipaddress.ip_address(gateways[0]) + 1)
                reader, writer = await host.open_connection(machine, port)
                writer.write(b"out and back\n")
                assert await reader.readline() == b"out and back\n"
                # Left open: it ends with the guest.
            await ended.wait()

    asyncio.run(main())
    gc.collect()  # a socket that was left open warns when it is collected, which fails the test
