"""Connecting to a name with several addresses: one after the other, and as a race (RFC 8305)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator, Sequence

import pytest

import hythe
from hythe.aio.opening import interleaved
from hythe.tcp.connection import Connection

HERE4, SILENT4, SILENT6 = "10.0.0.2", "10.0.0.77", "fd00::77"


@contextlib.asynccontextmanager
async def hosts(*addresses: str) -> AsyncIterator[tuple[hythe.Host, hythe.Host]]:
    """A client for whom ``name`` has `addresses`, and a server at 10.0.0.2 and fd00::2. Nobody else is on the link."""

    async def resolve(name: str) -> Sequence[str]:
        return addresses

    left, right = hythe.pair()
    client = hythe.Host("10.0.0.1/24", "fd00::1/64", link=left, resolve=resolve)
    server = hythe.Host("10.0.0.2/24", "fd00::2/64", link=right)
    async with asyncio.timeout(20), client, server:
        yield client, server


def open_ones(host: hythe.Host) -> int:
    return sum(isinstance(each, Connection) for each in host.core.connections.values())


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("silent", [[SILENT6], [SILENT4, SILENT6], [SILENT6, SILENT4, "fd00::78"]])
@pytest.mark.rfc("8305", "5")
def test_silence_of_one_address_does_not_hold_up_the_next(silent: list[str]) -> None:
    async def main() -> None:
        async with hosts(*silent, HERE4) as (client, server):
            await server.start_server(hang_up, port=8080)
            began = time.monotonic()
            reader, writer = await client.open_connection("name", 8080, happy_eyeballs_delay=0.05)
            assert time.monotonic() - began < 5  # and not after so many tries of a SYN
            assert writer.get_extra_info("peername") == (HERE4, 8080)
            assert await reader.read() == b""
            assert open_ones(client) == 1  # those that lost are gone
            writer.close()
            await writer.wait_closed()

    asyncio.run(main(), debug=True)


def test_a_refusal_lets_the_next_begin_at_once() -> None:
    async def main() -> None:
        async with hosts("fd00::2", HERE4) as (client, server):
            await server.start_server(hang_up, "10.0.0.2", 8080)
            began = time.monotonic()
            _, writer = await client.open_connection("name", 8080, happy_eyeballs_delay=10)
            assert time.monotonic() - began < 5
            assert writer.get_extra_info("peername") == (HERE4, 8080)
            writer.close()
            await writer.wait_closed()

    asyncio.run(main())


@pytest.mark.parametrize("delay", [None, 0.01])
def test_where_all_refuse_all_are_named(delay: float | None) -> None:
    async def main() -> None:
        async with hosts("fd00::2", HERE4) as (client, _):
            with pytest.raises(OSError, match=r"fd00::2\]:8080\).*; .*-> 10\.0\.0\.2:8080") as caught:
                await client.open_connection("name", 8080, happy_eyeballs_delay=delay)
            assert caught.value.errno == errno.ECONNREFUSED
            assert open_ones(client) == 0

    asyncio.run(main())


def test_cancelled_it_leaves_nothing() -> None:
    async def main() -> None:
        async with hosts(SILENT6, SILENT4) as (client, _):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.open_connection("name", 8080, happy_eyeballs_delay=0.01)
            while open_ones(client) or len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_many_that_are_made_at_the_same_time_leave_one() -> None:
    async def main() -> None:
        async with hosts("fd00::2", HERE4) as (client, server):
            served: list[asyncio.StreamWriter] = []
            await server.start_server(lambda _, writer: served.append(writer), port=8080)
            for _ in range(20):
                _, writer = await client.open_connection("name", 8080, happy_eyeballs_delay=0)
                assert open_ones(client) <= 2
                while sum(not each.is_closing() for each in served) > 1:
                    await asyncio.sleep(0.005)
                writer.close()
                await writer.wait_closed()
                for each in served:
                    each.close()
            assert len(served) >= 20

    asyncio.run(main())


@pytest.mark.rfc("8305", "4")
def test_families_take_turns() -> None:
    six = [bytes(15) + bytes((number,)) for number in range(3)]
    four = [bytes(3) + bytes((number,)) for number in range(3)]
    assert interleaved(six + four) == [six[0], four[0], six[1], four[1], six[2], four[2]]
    assert interleaved([*four[:1], *six]) == [four[0], *six]
    assert interleaved(four) == four
