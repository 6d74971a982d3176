"""What `-v` says of connections."""

from __future__ import annotations

import asyncio

from hythe.gateway.session import Session
from hythe.units import MILLISECOND
from hythe.view.follow import Follower
from hythe.wire.segment import make_key

COMMAND = bytes([10, 83, 64, 100])


def test_far_ends_are_those_of_the_world() -> None:
    """Not the gateway that stands for a client, nor the address that stands for a name."""
    session = Session(0)
    client = session.begin("tcp", make_key(COMMAND, 80, bytes([10, 83, 64, 2]), 38570), ("192.0.2.7", 4064), 0)
    client.inbound = True
    named = session.begin("tcp", make_key(COMMAND, 51262, bytes([198, 18, 0, 1]), 443), ("www.example.com", 443), 0)
    named.via = "socks5://proxy:1080"
    for record in (client, named):
        record.state = "CLOSED"
        session.end(record, 2 * MILLISECOND)
    lines: list[str] = []

    async def follow() -> None:
        following = asyncio.create_task(Follower(lines.append, verbose=True, quiet=False)(session))
        await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(follow())
    inbound = "hythe: tcp 10.83.64.100:80 <- 192.0.2.7:4064"
    outbound = "hythe: tcp 10.83.64.100:51262 -> www.example.com:443 via socks5://proxy:1080"
    figures = " CLOSED: 0 B up, 0 B down, 2.00 ms"
    assert lines == [inbound, outbound, inbound + figures, outbound + figures]
