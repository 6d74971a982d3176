"""Beside wireguard-go, in both roles: hosts of ours whose far end is the Linux kernel behind it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import hythe
from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.config import Configuration
from hythe.tunnel.wireguard.cookies import Stamps
from hythe.tunnel.wireguard.link import WireguardLink
from hythe.units import MILLISECOND, SECOND
from tests.tunnel.wireguard.far import INNER, Far, Wire
from tests.tunnel.wireguard.pairing import addresses, echo, exchange, server_and_clients, towards

QUICK = WireguardConfig(rekey_timeout=300 * MILLISECOND, rekey_jitter=20 * MILLISECOND)


class Both:
    """Our host on its link, the wire, and the far end with an echo server inside the tunnel."""

    def __init__(self, far: Far, wire: Wire, link: WireguardLink, host: hythe.Host, client: Configuration) -> None:
        self.far = far
        self.wire = wire
        self.link = link
        self.host = host
        self.client = client

    async def kernel(self, *argv: str) -> str:
        """Run a program at the far end."""
        return await asyncio.to_thread(self.far.run, *argv)

    async def peer(self) -> list[str]:
        """What wireguard-go says of us."""
        ((*words,),) = await asyncio.to_thread(self.far.dump)
        return words


@asynccontextmanager
async def both(
    rng: random.Random, folder: Path, settings: WireguardConfig = QUICK, *, outer: int = 4, answers: bool = False
) -> AsyncIterator[Both]:
    """`answers`: we know no endpoint and wait to be called."""
    server, (client,) = server_and_clients(rng)
    async with AsyncExitStack() as stack:
        far = await asyncio.to_thread(Far, server, folder)
        stack.push_async_callback(asyncio.to_thread, far.close)
        wire = Wire(far, outer)
        stack.callback(wire.close)
        sock = far.udp_socket(outer)
        wire.meet(sock)
        known = client if answers else towards(client, str(wire.near[0]), wire.near[1])
        link = WireguardLink(known, settings=settings, sock=sock, poison=True)
        for version in (4, 6):
            stack.callback((await asyncio.start_server(echo, sock=far.listen(version, 8007))).close)
        host = await stack.enter_async_context(hythe.Host(*addresses(client), link=link))
        await host.start_server(echo, port=8007)
        yield Both(far, wire, link, host, client)


def run(scenario: Callable[[], Awaitable[None]], limit: int = 100) -> None:
    async def limited() -> None:
        async with asyncio.timeout(limit):
            await scenario()

    asyncio.run(limited())


def is_clean(link: WireguardLink) -> bool:
    counters = link.counters
    return not (counters.forged or counters.bad_packet or counters.bad_source or counters.malformed or counters.bad_mac)


@pytest.mark.parametrize(("outer", "inner"), [(4, 4), (6, 6)])
def test_we_call(rng: random.Random, tmp_path: Path, outer: int, inner: int) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path, outer=outer) as each:
            await exchange(rng, each.host, INNER[inner], 8007, 1_000_000)
            assert is_clean(each.link)
            assert each.link.counters.initiations_received == 0
            words = await each.peer()
            assert words[2] == each.wire.outside
            assert int(words[4]) > 0
            assert int(words[5]) > 1_000_000

    run(scenario)


@pytest.mark.parametrize(("outer", "inner"), [(6, 4), (4, 6)])
def test_it_calls(rng: random.Random, tmp_path: Path, outer: int, inner: int) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path, outer=outer, answers=True) as each:
            key = (await each.peer())[0]
            await asyncio.to_thread(each.far.set, "peer", key, "endpoint", each.wire.outside, "persistent-keepalive", "1")
            await each.kernel("ping", "-c", "1", "-W", "5", "10.7.0.2")
            await exchange(rng, each.host, INNER[inner], 8007, 1_000_000)
            assert is_clean(each.link)
            assert (each.link.counters.initiations_sent, each.link.counters.initiations_received) == (0, 1)

    run(scenario)


def test_new_keys_while_data_flows(rng: random.Random, tmp_path: Path) -> None:
    settings = replace(QUICK, rekey_after=400 * MILLISECOND, rekey_timeout=100 * MILLISECOND)

    async def scenario() -> None:
        async with both(rng, tmp_path, settings) as each:
            while each.link.counters.handshakes < 3:
                await exchange(rng, each.host, INNER[4], 8007, 300_000)
            assert is_clean(each.link)
            assert each.link.counters.unknown_session == 0

    run(scenario)


def test_roaming_both_ways(rng: random.Random, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path) as each:
            reader, writer = await each.host.open_connection(INNER[4], 8007)
            for number in range(4):
                writer.write(b"%d" % number * 1_000)
                assert await reader.readexactly(1_000) == b"%d" % number * 1_000
                if number == 1:
                    each.wire.move()  # we go elsewhere
                elif number == 2:
                    assert (await each.peer())[2] == each.wire.outside
            writer.close()
            assert each.link.counters.handshakes == 1

    run(scenario)


def test_what_a_snooper_changes_is_noticed(rng: random.Random, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path) as each:
            changed = [0]

            def bend(datagram: bytes, from_far: bool) -> list[bytes]:
                if datagram[0] == 4 and len(datagram) > 200 and rng.random() < 0.02:
                    changed[0] += from_far
                    at = rng.randrange(16, len(datagram))
                    return [datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 :]]
                return [datagram, datagram] if rng.random() < 0.01 else [datagram]

            each.wire.pass_on = bend
            await exchange(rng, each.host, INNER[4], 8007, 2_000_000)
            assert changed[0] > 0
            assert each.link.counters.forged == changed[0]
            assert each.link.counters.replayed > 0

    run(scenario)


def test_a_snooper_sees_nothing(rng: random.Random, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path) as each:
            reader, writer = await each.host.open_connection(INNER[4], 8007)
            writer.write(b"+OK POP3 ready\r\n" * 20)
            assert await reader.readexactly(320) == b"+OK POP3 ready\r\n" * 20
            writer.close()
            assert len(each.wire.log) > 4
            assert not any(b"POP3" in data for _, data in each.wire.log)

    run(scenario)


@pytest.mark.slow
def test_we_ask_for_a_cookie_and_it_shows_it(rng: random.Random, tmp_path: Path) -> None:
    """wireguard-go tries again after five seconds of its own."""

    async def scenario() -> None:
        settings = replace(QUICK, load_handshakes=0)
        async with both(rng, tmp_path, settings, answers=True) as each:
            key = (await each.peer())[0]
            await asyncio.to_thread(each.far.set, "peer", key, "endpoint", each.wire.outside, "persistent-keepalive", "1")
            await each.kernel("ping", "-c", "1", "-w", "20", "10.7.0.2")
            assert each.link.counters.cookies_sent == 1
            assert each.link.counters.initiations_received == 1

    run(scenario)


def test_it_asks_for_a_cookie_and_we_show_it(rng: random.Random, tmp_path: Path) -> None:
    """More initiations than it has processors for, all with a right MAC1, put it under load."""

    async def scenario() -> None:
        async with both(rng, tmp_path) as each:
            stamps = Stamps(each.client.peers[0].public_key, QUICK)
            flood = b"".join(stamps.stamp(b"\1\0\0\0" + rng.randbytes(112), 0) for _ in range(64))
            counters = each.link.counters
            (peer,) = each.link._device.peers.values()
            while not counters.cookies_received:
                for _ in range(30):
                    each.wire.flood(flood, 148)
                await asyncio.sleep(0.1)  # its socket has no room for another now, and under load it is for a second
                peer.initiate(time.monotonic_ns() + each.link._offset)
                each.link._depart()
                await asyncio.sleep(0.25)
            before = counters.handshakes
            while counters.handshakes == before:
                await asyncio.sleep(0.05)
            await exchange(rng, each.host, INNER[4], 8007, 10_000)

    run(scenario)


@pytest.mark.slow
def test_a_long_transfer(rng: random.Random, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with both(rng, tmp_path, replace(QUICK, rekey_after=2 * SECOND)) as each:
            await exchange(rng, each.host, INNER[4], 8007, 200_000_000)
            assert each.link.counters.handshakes >= 3
            assert is_clean(each.link)

    run(scenario)


@pytest.mark.slow
@pytest.mark.timeout(250)
def test_a_stream_outlives_a_minute_without_network(rng: random.Random, tmp_path: Path) -> None:
    """And another address afterwards. TCP's own time-outs have doubled by then, so it takes as long again at most."""

    async def scenario() -> None:
        async with both(rng, tmp_path, WireguardConfig()) as each:
            reader, writer = await each.host.open_connection(INNER[4], 8007)
            for number in range(3):
                if number == 1:
                    each.wire.pass_on = lambda _, __: []
                block = rng.randbytes(10_000)
                writer.write(block)
                if number == 1:
                    await asyncio.sleep(60)
                    each.wire.move()
                    each.wire.pass_on = lambda datagram, _: [datagram]
                assert await reader.readexactly(len(block)) == block
            writer.close()
            assert is_clean(each.link)
            assert (await each.peer())[2] == each.wire.outside

    run(scenario, 230)


@pytest.mark.slow
def test_keepalives(rng: random.Random, tmp_path: Path) -> None:
    """Ours when wireguard-go has sent and we have not, its when we have; neither makes new keys."""

    async def scenario() -> None:
        async with both(rng, tmp_path, WireguardConfig()) as each:
            reader, writer = await each.host.open_connection(INNER[4], 8007)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            each.wire.log.clear()
            await asyncio.sleep(25)
            alive = [from_far for from_far, data in each.wire.log if len(data) == 32]
            assert 1 <= len(alive) <= 2
            assert each.link.counters.handshakes == 1
            writer.close()

    run(scenario)
