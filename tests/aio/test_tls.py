"""TLS by `ssl=` and by `start_tls`: asyncio's own and ours, to one text."""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from typing import Any

import pytest

from hythe.aio.tls import Tls
from hythe.errors import UsageError
from tests.aio.conftest import Certificate
from tests.aio.sides import Network, Recorder, Table, close, port_of, until

PIECE = 65_536


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("size", [1_000_000, pytest.param(5_000_000, marks=pytest.mark.slow)])
def test_megabytes_there_and_back(network: Network, certificate: Certificate, rng: random.Random, size: int) -> None:
    data = rng.randbytes(size)

    async def send(writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(data), PIECE):
            writer.write(data[at : at + PIECE])
            await writer.drain()

    async def scenario(table: Table) -> None:
        server = await table.server.start_server(echo, ssl=certificate.server())
        reader, writer = await table.client.open_connection(table.server.address, port_of(server), ssl=certificate.client())
        sending = asyncio.create_task(send(writer))
        received = await reader.readexactly(len(data))
        await sending
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        assert not writer.can_write_eof()
        writer.close()
        await writer.wait_closed()
        await close(server)

    network.play(scenario)


def test_a_server_that_speaks_first_is_heard_after_connection_made(network: Network, certificate: Certificate) -> None:
    class Greeter(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"220 hello")

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Greeter()
        server = await table.server.create_server(lambda: there, ssl=certificate.server())
        transport, protocol = await table.client.create_connection(
            lambda: here, table.server.address, port_of(server), ssl=certificate.client()
        )
        assert protocol is here
        await until(lambda: here.data == b"220 hello")
        assert here.calls == ["made", "data"]
        assert here.transport is transport
        transport.close()
        await until(lambda: here.lost and there.lost)
        await close(server)

    network.play(scenario)


def test_extra_info_tells_of_the_session(network: Network, certificate: Certificate) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        context = certificate.client()
        server = await table.server.create_server(lambda: there, ssl=certificate.server())
        transport, _ = await table.client.create_connection(
            lambda: here, table.server.address, port_of(server), ssl=context, server_hostname="hythe.test"
        )
        assert transport.get_extra_info("sslcontext") is context
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert transport.get_extra_info("peercert")["subject"] == ((("commonName", "hythe.test"),),)
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
        assert transport.get_extra_info("peername")[:2] == (table.server.address, port_of(server))
        transport.close()
        await until(lambda: here.lost and there.lost)
        await close(server)

    network.play(scenario)


def test_a_certificate_for_somebody_else_is_refused(network: Network, certificate: Certificate) -> None:
    async def scenario(table: Table) -> None:
        server = await table.server.start_server(echo, ssl=certificate.server())
        for options in ({"server_hostname": "elsewhere.test"}, {"ssl": ssl.create_default_context()}):
            with pytest.raises(ssl.SSLCertVerificationError):
                await table.client.open_connection(
                    table.server.address, port_of(server), **{"ssl": certificate.client(), **options}
                )
        await close(server)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    network.play(scenario, expect_reports=True)  # in debug mode asyncio reports a client that hangs up


def test_a_peer_without_tls_times_out(network: Network, certificate: Certificate) -> None:
    async def scenario(table: Table) -> None:
        there = Recorder()
        server = await table.server.create_server(lambda: there)
        with pytest.raises(ConnectionAbortedError, match="handshake"):
            await table.client.open_connection(
                table.server.address, port_of(server), ssl=certificate.client(), ssl_handshake_timeout=0.05
            )
        await until(lambda: there.lost)
        await close(server)

    network.play(scenario)


def test_a_handshake_that_is_cancelled_leaves_no_connection(network: Network, certificate: Certificate) -> None:
    async def scenario(table: Table) -> None:
        there = Recorder()
        server = await table.server.create_server(lambda: there)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await table.client.open_connection(table.server.address, port_of(server), ssl=certificate.client())
        await until(lambda: there.lost)
        await close(server)

    network.play(scenario)


def test_start_tls_on_both_ends_of_a_stream(network: Network, certificate: Certificate) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go ahead\n")
        await writer.start_tls(certificate.server())
        writer.write(b"secret " + await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def scenario(table: Table) -> None:
        server = await table.server.start_server(serve)
        reader, writer = await table.client.open_connection(table.server.address, port_of(server))
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go ahead\n"
        await writer.start_tls(certificate.client(), server_hostname="hythe.test")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.write(b"word\n")
        assert await reader.read(-1) == b"secret word\n"
        writer.close()
        await writer.wait_closed()
        await close(server)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    network.play(scenario)


def test_a_reset_below_is_told_above(network: Network, certificate: Certificate) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        server = await table.server.create_server(lambda: there, ssl=certificate.server())
        transport, _ = await table.client.create_connection(
            lambda: here, table.server.address, port_of(server), ssl=certificate.client()
        )
        transport.write(b"x")
        await until(lambda: there.data)
        table.client.reset(transport)
        await until(lambda: there.lost and here.lost)
        assert [type(each) for each in there.lost] == [ConnectionResetError]
        await close(server)

    network.play(scenario)


def test_arguments_that_make_no_sense() -> None:
    context = ssl.create_default_context()
    with pytest.raises(UsageError, match="server_hostname"):
        Tls.client(None, "10.0.0.1", "name", None, None)
    with pytest.raises(UsageError, match="only meaningful with ssl"):
        Tls.client(False, "10.0.0.1", None, 1.0, None)
    with pytest.raises(UsageError, match="only meaningful with ssl"):
        Tls.server(None, None, 1.0)
    with pytest.raises(UsageError, match="must be an SSLContext"):
        Tls.server(True, None, None)  # type: ignore[arg-type]
    assert Tls.client(None, "10.0.0.1", None, None, None) is None
    assert Tls.client(True, "10.0.0.1", None, None, None) == Tls(None, False, "10.0.0.1")
    assert Tls.client(context, "10.0.0.1", "", None, None) == Tls(context, False, "")
