"""Many streams at once, some of which are reset in the midst: the others get every byte, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from pathlib import Path
from random import Random

import pytest

from tests.forward.forwarding import Forwarding, forwarding, home
from tests.forward.test_forward import ours
from tests.gateway.servers import closed_port
from tests.tunnel.ssh.peers import openssh
from tests.tunnel.ssh.test_server import sshd

STREAMS = 150
_RESET = struct.pack("ii", 1, 0)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
    writer.close()


async def stream(port: int, data: bytes, *, reset: bool) -> bytes:
    """What comes back; with `reset` we break it off in the midst."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        half = len(data) // 2
        writer.write(data[:half])
        await writer.drain()
        if reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        writer.write(data[half:])
        await writer.drain()
        writer.write_eof()

    sending = asyncio.ensure_future(send())
    got = b""
    try:
        while part := await reader.read(65_536):
            got += part
        await sending
    except OSError:
        assert reset
    writer.close()
    return got


async def at_once(port: int, echo_port: int, rng: Random) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", echo_port, backlog=STREAMS)
    plans = [(rng.randbytes(rng.choice([10, 1_000, 200_000])), number % 7 == 3) for number in range(STREAMS)]
    async with asyncio.timeout(60):
        got = await asyncio.gather(*(stream(port, data, reset=reset) for data, reset in plans))
    assert all(found == data for found, (data, reset) in zip(got, plans, strict=True) if not reset)
    server.close()


def descriptors(forward: Forwarding) -> int:
    return len(os.listdir(f"/proc/{forward.process.pid}/fd"))


@pytest.mark.parametrize("peer", ["ours", "openssh"])
def test_many_streams_of_which_some_are_reset(tmp_path: Path, rng: Random, peer: str) -> None:
    echo_port = closed_port()
    with sshd(tmp_path) if peer == "ours" else openssh(tmp_path) as server:
        environment = home(tmp_path, ours(server, tmp_path) if peer == "ours" else server)  # type: ignore[arg-type]
        with forwarding(environment, "-L", f"0:127.0.0.1:{echo_port}", "--via", "ssh://box", "--name", "many") as forward:
            port = forward.port(f"127.0.0.1:{echo_port}")
            before = descriptors(forward)
            for _ in range(2):
                asyncio.run(at_once(port, echo_port, rng))
            told = {each["name"]: each["totals"] for each in json.loads(forward.hythe("ps", "--json"))}
            assert told["many"]["open"] == 0
            assert descriptors(forward) <= before + 1
