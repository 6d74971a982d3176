"""-R of a port alone: SOCKS at the far end, through OpenSSH's server."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from random import Random

from tests.forward.forwarding import forwarding, home
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.tunnel.ssh.peers import openssh


def test_socks_at_the_far_end(tmp_path: Path, rng: Random) -> None:
    """-R of a port alone, as OpenSSH has it: its clients reach what this side reaches."""
    data = rng.randbytes(1_000_000)
    with tcp_server(echo) as port, socket.create_server(("127.0.0.1", 0)) as silent, openssh(tmp_path) as server:
        with forwarding(home(tmp_path, server), "-R", "0", "--via", "ssh://box", "--name", "back") as forward:
            dynamic = forward.port("SOCKS")
            for first in (b"\x04\x01" + port.to_bytes(2, "big") + b"\0\0\0\1me\0localhost\0", b"\5\1\0"):
                with socket.create_connection(("127.0.0.1", dynamic)) as client:
                    client.sendall(first)
                    if first[0] == 5:
                        assert client.recv(2) == b"\5\0"
                        client.sendall(b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2, "big"))
                        assert client.recv(10, socket.MSG_WAITALL)[:2] == b"\5\0"
                    else:
                        assert client.recv(8, socket.MSG_WAITALL)[1] == 0x5A
                    sending = threading.Thread(target=_send_all, args=(client, data))
                    sending.start()
                    assert client.makefile("rb").read() == data
                    sending.join(10)
            for command, reply in (
                (b"\5\1\0\1\x7f\0\0\1" + closed_port().to_bytes(2, "big"), 5),
                (b"\5\3\0\1" + bytes(6), 7),
                (b"\5\1\0\3\x0fnowhere.invalid\0\x07", 4),
            ):
                with socket.create_connection(("127.0.0.1", dynamic)) as client:
                    client.sendall(b"\5\1\0" + command)
                    assert client.recv(12, socket.MSG_WAITALL)[2:4] == bytes((5, reply))
            rows = forward.hythe("ps", "back").splitlines()
            assert any("nowhere.invalid:7" in each and each.endswith("no route to host") for each in rows), rows
            assert sum("976.6 KiB" in each and f":{port}" in each for each in rows) == 2, rows
            held = socket.create_connection(("127.0.0.1", dynamic))
            held.sendall(b"\x04\x01" + silent.getsockname()[1].to_bytes(2, "big") + b"\x7f\0\0\1me\0")
            assert held.recv(8, socket.MSG_WAITALL)[1] == 0x5A
        for each in (held, silent.accept()[0]):
            with each, contextlib.suppress(ConnectionResetError):
                assert each.recv(1) == b""


def _send_all(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)
