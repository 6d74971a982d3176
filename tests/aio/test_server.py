"""Servers: the standard library's verbs, on its own transports and on ours."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import hythe
from tests.aio.sides import Network, Recorder, Table, pair_of_hosts, port_of, until


def test_a_closed_server_accepts_no_more_but_keeps_what_it_has(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(half_open=True), Recorder(half_open=True)
        transport, server = await table.connected(here, there)
        port = port_of(server)
        await until(lambda: there.transport)
        assert server.is_serving()
        server.close()
        server.close()
        assert not server.is_serving()
        assert not server.sockets
        with pytest.raises(ConnectionRefusedError):
            await table.client.create_connection(Recorder, table.server.address, port)
        transport.write(b"still here")
        await until(lambda: there.data == b"still here")
        there.transport.close()
        transport.close()
        await until(lambda: here.lost and there.lost)
        await server.wait_closed()

    network.play(scenario)


def test_serving_can_begin_later_and_end_by_cancellation(network: Network) -> None:
    async def scenario(table: Table) -> None:
        there = Recorder()
        server = await table.server.create_server(lambda: there, start_serving=False)
        port = port_of(server)
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await table.client.create_connection(Recorder, table.server.address, port)
        serving = asyncio.create_task(server.serve_forever())
        await until(server.is_serving)
        with pytest.raises(RuntimeError, match="already being awaited"):
            await server.serve_forever()
        here = Recorder()
        transport, _ = await table.client.create_connection(lambda: here, table.server.address, port)
        transport.close()
        await until(lambda: there.lost and here.lost)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()

    network.play(scenario)


def test_async_with_closes(network: Network) -> None:
    async def scenario(table: Table) -> None:
        async with await table.server.create_server(Recorder) as server:
            assert server.get_loop() is asyncio.get_running_loop()
            assert server.is_serving()
        assert not server.is_serving()

    network.play(scenario)


def run_on_a_pair(scenario: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), pair_of_hosts() as (left, right):
            await scenario(left, right)

    asyncio.run(main(), debug=True)


def names(server: hythe.Server) -> list[Any]:
    return [each.getsockname() for each in server.sockets]


def test_where_a_server_listens() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        everywhere = await left.create_server(Recorder, port=8001)
        assert names(everywhere) == [("0.0.0.0", 8001), ("::", 8001, 0, 0)]
        only4 = await left.create_server(Recorder, "0.0.0.0", 8002)
        assert names(only4) == [("10.0.0.1", 8002)]
        only6 = await left.create_server(Recorder, "::", 8003)
        assert names(only6) == [("fd00::1", 8003, 0, 0)]
        both = await left.create_server(Recorder, ["10.0.0.1", "fd00::1"])
        assert len({name[1] for name in names(both)}) == 1
        for server, host, served in [
            (everywhere, "fd00::1", True), (only4, "10.0.0.1", True), (only4, "fd00::1", False),
            (only6, "fd00::1", True), (only6, "10.0.0.1", False), (both, "fd00::1", True), (both, "10.0.0.1", True),
        ]:  # fmt: skip
            if served:
                _, writer = await right.open_connection(host, port_of(server))
                writer.close()
                await writer.wait_closed()
            else:
                with pytest.raises(ConnectionRefusedError):
                    await right.open_connection(host, port_of(server))

    run_on_a_pair(scenario)


def test_what_cannot_be_bound() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        server = await left.create_server(Recorder, "10.0.0.1", 8001)
        with pytest.raises(OSError, match="8001 is listened on already"):
            await left.create_server(Recorder, ["fd00::1", "10.0.0.1"], 8001)
        await left.create_server(Recorder, "fd00::1", 8001)  # what the failed one had bound is free again
        with pytest.raises(OSError, match="does not have"):
            await left.create_server(Recorder, "10.0.0.7", 8002)
        with pytest.raises(PermissionError, match="allow_privileged_ports"):
            await left.create_server(Recorder, port=80)
        with pytest.raises(hythe.UsageError, match="70000 is not a port"):
            await left.create_server(Recorder, port=70_000)
        server.close()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.start_serving()

    run_on_a_pair(scenario)


def test_a_factory_that_raises_costs_one_connection() -> None:
    there = Recorder()
    factories: list[Any] = [lambda: 1 // 0, lambda: there]

    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reported.append(report))
        server = await left.create_server(lambda: factories.pop(0)())
        first, second = Recorder(), Recorder()
        await right.create_connection(lambda: first, "10.0.0.1", port_of(server))
        await until(lambda: first.lost)
        transport, _ = await right.create_connection(lambda: second, "10.0.0.1", port_of(server))
        transport.write(b"served")
        await until(lambda: there.data == b"served")
        assert [type(each["exception"]) for each in reported] == [ZeroDivisionError]
        assert isinstance(first.lost[0], ConnectionResetError)

    run_on_a_pair(scenario)


def test_close_clients_and_abort_clients() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        server = await left.create_server(lambda: Recorder(half_open=True))
        clients = [(await right.create_connection(Recorder, "10.0.0.1", port_of(server)))[1] for _ in range(2)]
        await asyncio.sleep(0.01)
        server.close_clients()
        await until(lambda: all(client.lost for client in clients))
        assert [client.lost for client in clients] == [[None], [None]]
        third = Recorder()
        await right.create_connection(lambda: third, "10.0.0.1", port_of(server))
        await asyncio.sleep(0.01)
        server.abort_clients()
        await until(lambda: third.lost)
        assert isinstance(third.lost[0], ConnectionResetError)

    run_on_a_pair(scenario)


def test_wait_closed_means_what_the_running_python_means() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        there = Recorder()
        server = await left.create_server(lambda: there)
        transport, _ = await right.create_connection(Recorder, "10.0.0.1", port_of(server))
        await until(lambda: there.transport)
        waiting = asyncio.create_task(server.wait_closed())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        server.close()
        await asyncio.sleep(0.01)
        assert waiting.done() is (sys.version_info < (3, 12))
        transport.close()
        await waiting

    run_on_a_pair(scenario)
