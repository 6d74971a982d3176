"""`hythe.Host`: its life, what it refuses, and what it leaves behind."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import socket
import time
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import hythe
from hythe.units import MILLISECOND
from tests.aio.sides import QUICK, Recorder, pair_of_hosts, port_of, until

Scenario = Callable[[hythe.Host, hythe.Host], Coroutine[Any, Any, None]]
#: Gives up opening after two SYNs, in 30 ms.
HASTY = dataclasses.replace(
    QUICK, tcp=dataclasses.replace(QUICK.tcp, rto_initial=10 * MILLISECOND, rto_min=10 * MILLISECOND, syn_retries=1)
)


def play(scenario: Scenario, config: hythe.HostConfig = QUICK) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), pair_of_hosts(config=config) as (left, right):
            await scenario(left, right)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main(), debug=True)
    gc.collect()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_host_without_async_with() -> None:
    async def main() -> None:
        left, _ = hythe.pair()
        host = hythe.Host("10.0.0.1/24", link=left)
        assert "not started" in repr(host)
        with pytest.raises(RuntimeError, match="async with"):
            await host.open_connection("10.0.0.2", 80)
        await host.start()
        with pytest.raises(RuntimeError, match="started again"):
            await host.start()
        await host.close()
        await host.close()
        with pytest.raises(RuntimeError, match="started again"):
            await host.start()
        with pytest.raises(RuntimeError, match="closed"):
            await host.start_server(Recorder, port=8000)  # type: ignore[arg-type]

    asyncio.run(main(), debug=True)


def test_nothing_is_left_behind() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        server = await left.create_server(Recorder)
        transport, _ = await right.create_connection(Recorder, "10.0.0.1", port_of(server))
        transport.write(bytes(5_000_000))
        await left.create_datagram_endpoint(asyncio.DatagramProtocol)

    before = descriptors()
    play(scenario)
    assert descriptors() == before


def test_a_host_nobody_closed_warns() -> None:
    async def main() -> None:
        link, _ = hythe.pair()
        host = hythe.Host("10.0.0.1/24", link=link)
        await host.start()
        runtime = host._runtime
        assert runtime is not None
        runtime.driver.close()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            del host
            gc.collect()
        link.close()
        assert [each.category for each in seen] == [ResourceWarning]

    asyncio.run(main())


def test_closing_a_host_resets_what_is_open() -> None:
    async def main() -> None:
        async with pair_of_hosts() as (left, right):
            here, there = Recorder(), Recorder()
            server = await left.create_server(lambda: there)
            await right.create_connection(lambda: here, "10.0.0.1", port_of(server))
            await until(lambda: there.transport)
            await right.close()
            assert [type(each) for each in here.lost] == [ConnectionAbortedError]
            await until(lambda: there.lost)
            assert [type(each) for each in there.lost] == [ConnectionResetError]

    asyncio.run(main(), debug=True)


def test_what_was_closed_in_order_is_delivered_before_the_host_goes() -> None:
    async def main() -> None:
        async with pair_of_hosts(offload=False) as (left, right):
            there = Recorder(half_open=True)
            server = await left.create_server(lambda: there)
            transport, _ = await right.create_connection(Recorder, "10.0.0.1", port_of(server))
            transport.write(bytes(3_000_000))
            transport.close()
            await right.close(grace=20)
            await until(lambda: "eof" in there.calls)
            assert len(there.data) == 3_000_000
            there.transport.close()

    asyncio.run(main(), debug=True)


def test_a_peer_that_takes_nothing_does_not_hold_the_host_up() -> None:
    async def main() -> None:
        async with pair_of_hosts() as (left, right):
            there = Recorder()
            server = await left.create_server(lambda: there)
            here = Recorder()
            transport, _ = await right.create_connection(lambda: here, "10.0.0.1", port_of(server))
            await until(lambda: there.transport)
            there.transport.pause_reading()
            transport.write(bytes(10_000_000))
            transport.close()
            start = time.monotonic()
            await right.close(grace=0.1)
            assert 0.1 <= time.monotonic() - start < 10
            assert [type(each) for each in here.lost] == [ConnectionAbortedError]

    asyncio.run(main(), debug=True)


def test_closing_a_host_ends_an_attempt_to_connect() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        attempt = asyncio.create_task(right.open_connection("10.0.0.9", 80))
        await until(lambda: right.core.connections)
        await right.close()
        with pytest.raises(ConnectionAbortedError, match="the host was closed"):
            await attempt

    play(scenario)


def test_cancelling_an_attempt_leaves_no_connection() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await right.open_connection("10.0.0.9", 80)
        await until(lambda: not right.core.connections)

    play(scenario)


def test_nobody_answers_is_a_timeout_error() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        with pytest.raises(TimeoutError, match=r"connection timed out \(10\.0\.0\.2:\d+ -> 10\.0\.0\.9:80\)"):
            await right.open_connection("10.0.0.9", 80)
        assert not right.core.connections

    play(scenario, HASTY)


def test_no_route_is_said_at_once() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        with pytest.raises(OSError, match="no route there"):
            await right.open_connection("192.0.2.1", 80)

    play(scenario)


def test_a_connection_from_a_chosen_address_and_port() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        server = await left.create_server(Recorder)
        port = port_of(server)
        transport, _ = await right.create_connection(Recorder, "10.0.0.1", port, local_addr=("10.0.0.2", 4321))
        assert transport.get_extra_info("sockname") == ("10.0.0.2", 4321)
        with pytest.raises(OSError, match="in use"):
            await right.create_connection(Recorder, "10.0.0.1", port, local_addr=(None, 4321))
        with pytest.raises(OSError, match="not an address of this host"):
            await right.create_connection(Recorder, "10.0.0.1", port, local_addr=("10.0.0.7", 0))
        with pytest.raises(hythe.UsageError, match="not a numeric address"):
            await right.create_connection(Recorder, "10.0.0.1", port, local_addr=("name", 0))

    play(scenario)


def test_names_need_a_resolver_and_its_addresses_are_tried_in_order() -> None:
    async def resolve(name: str) -> list[str]:
        return {"both.test": ["10.0.0.1", "fd00::1"], "none.test": []}[name]

    async def main() -> None:
        ends = hythe.pair()
        async with (
            hythe.Host("10.0.0.1/24", "fd00::1/64", link=ends[0]) as left,
            hythe.Host("10.0.0.2/24", "fd00::2/64", link=ends[1], resolve=resolve) as right,
        ):
            server = await left.create_server(Recorder, "::")
            transport, _ = await right.create_connection(Recorder, "both.test", port_of(server))
            assert transport.get_extra_info("peername")[0] == "fd00::1"
            with pytest.raises(ConnectionRefusedError, match=r"10\.0\.0\.1:9\).*; .*\[fd00::1\]:9\)"):
                await right.open_connection("both.test", 9)
            with pytest.raises(socket.gaierror, match="has no address"):
                await right.open_connection("none.test", 9)
            with pytest.raises(socket.gaierror, match=r"'both\.test' is a name, and this host has no resolver"):
                await left.open_connection("both.test", 9)

    asyncio.run(main(), debug=True)


def test_a_factory_that_raises_resets_the_connection() -> None:
    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        there = Recorder()
        server = await left.create_server(lambda: there)
        with pytest.raises(ZeroDivisionError):
            await right.create_connection(lambda: 1 // 0, "10.0.0.1", port_of(server))  # type: ignore[type-var]
        await until(lambda: there.lost)
        assert isinstance(there.lost[0], ConnectionResetError)

    play(scenario)


def test_many_hosts_on_one_loop() -> None:
    async def visit(number: int) -> bytes:
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"%d" % number)
            writer.close()

        async with pair_of_hosts(offload=bool(number % 2)) as (left, right):
            server = await left.start_server(serve)
            reader, writer = await right.open_connection("10.0.0.1", port_of(server))
            answer = await reader.read()
            writer.close()
            return answer

    async def main() -> None:
        assert await asyncio.gather(*map(visit, range(30))) == [b"%d" % number for number in range(30)]

    asyncio.run(main(), debug=True)


def test_a_second_interface_and_its_routes() -> None:
    async def main() -> None:
        (near, a), (far, b) = hythe.pair(), hythe.pair()
        async with (
            hythe.Host("10.0.0.1/24", link=a) as one,
            hythe.Host("203.0.113.5/32", link=b, routes=["0.0.0.0/0"]) as other,
            hythe.Host("10.0.0.2/24", link=near) as middle,
        ):
            middle.attach("10.1.0.2/24", link=far, routes=["203.0.113.0/24"])
            for host, address, source in ((one, "10.0.0.1", "10.0.0.2"), (other, "203.0.113.5", "10.1.0.2")):
                server = await host.create_server(Recorder)
                transport, _ = await middle.create_connection(Recorder, address, port_of(server))
                assert transport.get_extra_info("peername")[0] == address
                assert transport.get_extra_info("sockname")[0] == source

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("address", ["10.0.0.300/24", "name", "10.0.0.1/33", ""])
def test_a_bad_address_is_one_sentence(address: str) -> None:
    link, _ = hythe.pair()
    with pytest.raises(hythe.UsageError, match="write for example"):
        hythe.Host(address, link=link)


def test_addresses_need_a_link() -> None:
    with pytest.raises(hythe.UsageError, match="need a link"):
        hythe.Host("10.0.0.1/24")


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1", "10.9.9.9"])
def test_a_host_reaches_its_own_addresses_without_its_link(address: str) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    async def scenario(left: hythe.Host, right: hythe.Host) -> None:
        left.attach("10.9.9.9/24", link=hythe.pair()[0])
        await left.start_server(echo, port=7777)
        reader, writer = await left.open_connection(address, 7777)
        writer.write(b"to myself" * 20_000)
        writer.write_eof()
        assert await reader.read() == b"to myself" * 20_000
        assert writer.get_extra_info("sockname")[0] == address
        writer.close()

    play(scenario)
