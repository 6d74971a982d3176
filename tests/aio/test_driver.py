"""The driver and links that keep packets until a time."""

from __future__ import annotations

import asyncio
import time

import hythe
from hythe.link.faults import FaultLink, Plan, RandomLoss
from hythe.units import MILLISECOND, SECOND

PORT = 8_007
DELAY = 100 * MILLISECOND


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.write_eof()


def through(up: Plan, down: Plan, payload: bytes) -> tuple[float, float]:
    """Send `payload` to an echo server and back over a faulty wire: seconds to connect, and for the rest."""

    async def main() -> tuple[float, float]:
        near, far = hythe.pair()
        link = FaultLink(near, up, down, seed=1)
        async with (
            asyncio.timeout(60),
            hythe.Host("10.0.0.1/24", link=link) as left,
            hythe.Host("10.0.0.2/24", link=far) as right,
        ):
            await right.start_server(echo, port=PORT)
            start = time.monotonic()
            reader, writer = await left.open_connection("10.0.0.2", PORT)
            connected = time.monotonic()
            writer.write(payload)
            writer.write_eof()
            assert await reader.read(-1) == payload
            ended = time.monotonic()
            writer.close()
            return connected - start, ended - connected

    return asyncio.run(main(), debug=True)


def test_packets_are_let_go_at_their_time_in_both_directions() -> None:
    connected, echoed = through(Plan(delay=DELAY), Plan(delay=DELAY), b"x" * 100)
    assert 2 * DELAY <= connected * SECOND < 4 * DELAY
    assert 2 * DELAY <= echoed * SECOND < 6 * DELAY


def test_each_direction_alone() -> None:
    for up, down in ((Plan(delay=DELAY), Plan()), (Plan(), Plan(delay=DELAY))):
        connected, _ = through(up, down, b"x")
        assert DELAY <= connected * SECOND < 2 * DELAY


def test_bytes_arrive_whatever_the_wire_does() -> None:
    bad = Plan(delay=MILLISECOND, loss=RandomLoss(0.02), reorder=0.02, duplicate=0.02, corrupt=0.02)
    through(bad, bad, bytes(range(256)) * 4_096)


def test_a_link_that_is_driven_no_more_is_forgotten() -> None:
    async def main() -> None:
        near, _ = hythe.pair()
        link = FaultLink(near, Plan(delay=SECOND))
        async with hythe.Host("10.0.0.1/24", link=link) as host:
            transport, _ = await host.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("10.0.0.2", 9))
            transport.sendto(b"held")
            await asyncio.sleep(0.01)
            assert len(link.up) == 1
        link.on_deadline(0)  # nobody is called

    asyncio.run(main(), debug=True)
