"""The mission's example by the second method: POP3 on port 110, through WireGuard."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import socket
from pathlib import Path

import pytest

from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from tests import needs
from tests.forward.forwarding import failing, forwarding
from tests.forward.test_forward import asked, captured
from tests.gateway.servers import closed_port
from tests.via.test_wireguard import FILE, Echo, echo, far_end


async def pop3(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RFC 1939's greeting and its QUIT."""
    writer.write(b"+OK POP3 mail.test ready\r\n")
    assert await reader.readline() == b"QUIT\r\n"
    writer.write(b"+OK Sayonara\r\n")
    writer.close()


def test_the_example_of_pop3(rng: random.Random, tmp_path: Path) -> None:
    needs.root()  # for the capture
    local, datagrams = closed_port(), closed_port()
    file, wire = tmp_path / "client.conf", tmp_path / "wire.pcap"
    (tmp_path / "run").mkdir(mode=0o700)
    environment = needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path / "run"))

    async def main() -> bytes:
        async with far_end(rng, file) as (far, port):
            await far.start_server(pop3, port=110)
            await far.create_datagram_endpoint(Echo, local_addr=("10.7.0.1", 7))
            return await asyncio.to_thread(carried, port)

    def carried(port: int) -> bytes:
        words = ["-L", f"{local}:10.7.0.1:110", "-L", f"{datagrams}:10.7.0.1:7/udp", "--via", f"wg:{file}"]
        with forwarding(environment, *words) as forward, captured(wire, port, "udp"):
            forward.port("10.7.0.1:110")
            said = forward.hythe("connect", "localhost", str(local), sent="QUIT\r\n")
            assert asked(datagrams, b"hello") == b"HELLO"
            assert f"[wg:{file} up]" in forward.hythe("ps")
            shown = forward.hythe("wg", "show")
            assert f"endpoint: 127.0.0.1:{port}" in shown
            assert "every 15 seconds" in shown
        return said.encode()

    assert asyncio.run(main()) == b"+OK POP3 mail.test ready\n+OK Sayonara\n"
    snooped = wire.read_bytes()
    assert len(snooped) > 500
    for word in (b"Sayonara", b"POP3", b"QUIT", b"+OK", b"HELLO"):
        assert word not in snooped


def test_a_file_of_the_tunnels_that_has_changed_alone(rng: random.Random, tmp_path: Path) -> None:
    """SIGHUP: the stream goes on, and what is wrong is told."""
    file, tunnels = tmp_path / "client.conf", tmp_path / "tunnels.toml"
    (tmp_path / "run").mkdir(mode=0o700)
    environment = needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path / "run"))
    tunnels.write_text(f'[tunnel.mail]\nvia = "wg:{file}"\nlocal = ["0:10.7.0.1:7"]\n')

    async def main() -> None:
        async with far_end(rng, file) as (far, _):
            await far.start_server(echo, port=7)
            await asyncio.to_thread(carried)

    def carried() -> None:
        text = file.read_text()
        with (
            forwarding(environment, "--file", str(tunnels)) as forward,
            socket.create_connection(("127.0.0.1", forward.port("10.7.0.1:7")), timeout=20) as stream,
        ):
            for wanted, words in (
                (text.replace("fd07::/64", "fd07::/64, 10.9.0.0/24"), f"mail: wg:{file} read again: ~"),
                (text.replace("Endpoint", "Endpint"), f"mail: wg:{file} stays as it was: {file}:"),
            ):
                file.write_text(wanted)
                forward.process.send_signal(signal.SIGHUP)
                forward.said(re.escape(words), told=True)
                stream.sendall(b"hello")
                assert stream.recv(5, socket.MSG_WAITALL) == b"hello"

    asyncio.run(main())


@pytest.mark.slow  # two attempts to shake hands
def test_a_server_that_does_not_answer(rng: random.Random, tmp_path: Path) -> None:
    private, peer = clamp(rng.randbytes(32)), public_key(clamp(rng.randbytes(32)))
    file, port = tmp_path / "client.conf", closed_port()
    file.write_text(FILE.format(private=key_text(private.reveal()), peer=key_text(peer), port=port, dns=""))
    file.chmod(0o600)
    environment = needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path))
    status, said = failing(environment, "-L", "0:10.7.0.1:110", "--via", f"wg:{file}")
    assert status == 1
    assert f"wg:{file}: {key_text(peer)} does not answer at 127.0.0.1:{port}: does it run" in said
