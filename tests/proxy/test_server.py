"""The proxy as a whole: limits, changes under load, what is told and to whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hythe.proxy import server
from hythe.proxy.config import LogConfig
from hythe.proxy.ledger import Ledger
from hythe.proxy.reading import parse
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.proxy.running import OPEN, proxy, read_all, talk


def mapped(port: int, listen: int = 0, more: str = "") -> str:
    return f'[[map]]\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:{port}"\n{more}\n'


def patient(stream: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        echo(stream)


def test_connections_of_a_client_are_limited(tmp_path: Path) -> None:
    with tcp_server(patient) as port, proxy(mapped(port) + "[per_client]\nconnections = 1", tmp_path) as it:
        with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            stream.sendall(b"x")
            assert stream.recv(1) == b"x"
            with pytest.raises(ConnectionResetError):
                talk(it.ports[0], b"x", end=False)
        assert "EDQUOT: this client has 1 connections already" in it.lines(1)[0]
        it.lines(2)
        assert talk(it.ports[0], b"again") == b"again"


def test_the_bytes_of_an_hour_end_in_a_reset(tmp_path: Path) -> None:
    with tcp_server(patient) as port, proxy(mapped(port) + '[per_client]\nbytes = "100KiB"', tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(it.ports[0], bytes(300_000))
        assert "EDQUOT: the bytes of this hour are used up" in it.lines(1)[0]


def test_a_rate_is_kept(tmp_path: Path) -> None:
    """Not a test of speed: so many bytes cannot come sooner than the rate lets them, and they do come."""
    with tcp_server(patient) as port, proxy(mapped(port) + '[per_client]\nrate = "8mbit"', tmp_path) as it:
        began = time.monotonic()
        assert len(talk(it.ports[0], bytes(200_000))) == 200_000
        assert time.monotonic() - began > 0.2  # twice 200,000 bytes are 0.4 s, of which 0.1 s may be ahead


def test_a_map_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    listen = closed_port()
    with proxy(mapped(listen, listen), tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(listen, b"x", end=False)
        assert f"127.0.0.1:{listen} leads in a circle, back to map 127.0.0.1:{listen}" in it.lines(1)[0]
        assert len(it.lines(1)) == 1


def test_a_circle_ends_where_it_would_come_back(tmp_path: Path) -> None:
    """By whatever spellings the maps lead to each other, and whatever stands between."""
    first, second, third = closed_port(), closed_port(), closed_port()
    text = (
        f'[[map]]\nlisten = "127.0.0.1:{first}"\nto = "localhost:{second}"\n'
        f'[[map]]\nlisten = "127.0.0.1:{second}"\nto = "[::ffff:127.0.0.1]:{third}"\nproxy_protocol = "v2"\n'
        f'[[map]]\nlisten = "127.0.0.1:{third}"\nto = "127.1:{first}"\nproxied = "127.0.0.1"\n'
    )
    with proxy(text, tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(first, b"x", end=False)
        while it.open_flows():
            continue
        lines = it.lines(3)
        assert f"EACCES: 127.0.0.1:{first} leads in a circle, back to map 127.0.0.1:{first}" in lines[0]
        assert len(lines) == 3


def test_what_ends_by_itself_when_nothing_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it has ended, or somebody reads nothing: with a time of its own for each, and for whole ones another."""
    monkeypatch.setattr(server, "SWEEP", 0.02)

    def silent(stream: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while stream.recv(65_536):
                pass
            stream.settimeout(20)
            gone.wait(20)

    def pour(stream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                stream.sendall(bytes(1 << 20))

    gone = threading.Event()
    with tcp_server(silent) as one, tcp_server(pour) as two:
        more = 'half_closed = "100ms"\nunread = "150ms"'
        with proxy(mapped(one, more=more) + mapped(two, more=more), tmp_path) as it:
            with socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as whole:
                whole.sendall(b"x")
                with pytest.raises(ConnectionResetError):
                    talk(it.ports[0], b"x")
                line = it.lines(1)[0]
                assert "ETIMEDOUT: one direction has ended, and in the other nothing has moved for 0.1 s" in line
                with socket.create_connection(("127.0.0.1", it.ports[1]), timeout=20):
                    line = it.lines(2)[1]
                assert "ETIMEDOUT: somebody has taken nothing of what it is sent for 0.15 s" in line
                assert it.open_flows() == 1
            gone.set()


def test_a_client_of_http_that_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SWEEP", 0.02)

    def pour(stream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            stream.recv(65_536)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                stream.sendall(bytes(1 << 20))

    text = '[[http]]\nlisten = "127.0.0.1:0"\nunread = "100ms"\n' + OPEN
    with (
        tcp_server(pour) as port,
        proxy(text, tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream,
    ):
        stream.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert "ETIMEDOUT: somebody has taken nothing of what it is sent for 0.1 s" in it.lines(1)[0]
        with pytest.raises(ConnectionResetError):
            read_all(stream)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with proxy('[[map]]\nlisten = "127.0.0.1:0"\nto = "no-such-name.invalid:80"', tmp_path) as it:
        with pytest.raises(ConnectionResetError):
            talk(it.ports[0], b"x", end=False)
        assert "EHOSTUNREACH: no route to host (direct -> no-such-name.invalid:80): " in it.lines(1)[0]


def test_lines_of_json(tmp_path: Path) -> None:
    with tcp_server(patient) as port, proxy(mapped(port), tmp_path) as it:
        it.within(lambda: it.server.passage.log.reopen(LogConfig(str(it.log), "json")))
        assert talk(it.ports[0], b"hello") == b"hello"
        line = json.loads(it.lines(1)[0])
        assert line["client"] == "127.0.0.1"
        assert (line["entry"], line["host"], line["port"], line["address"]) == ("map", "127.0.0.1", port, "127.0.0.1")
        assert (line["bytes_up"], line["bytes_down"], line["error"], line["via"]) == (5, 5, None, "direct")


def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    with tcp_server(patient) as port, proxy(mapped(port), tmp_path) as it:
        reading, writing = os.pipe()
        log = it.server.passage.log
        path = tmp_path / "pipe"
        path.symlink_to(f"/proc/self/fd/{writing}")
        it.within(lambda: log.reopen(LogConfig(str(path))))
        os.close(writing)
        for _ in range(1_200):
            assert talk(it.ports[0], b"hello") == b"hello"
        os.close(reading)
        it.within(log.flush)
        assert it.within(lambda: log.lost) > 0


def test_clients_that_rest_do_not_hold_up_the_end(tmp_path: Path) -> None:
    def serve(stream: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while stream.recv(65_536):
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with (
        tcp_server(serve) as port,
        proxy('[[http]]\nlisten = "127.0.0.1:0"\n' + OPEN, tmp_path) as it,
        socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream,
    ):
        stream.sendall(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"200 OK" in stream.recv(100)
        it.lines(1)
        it.within(it.server.stop)
        assert it.wait_for(it.server.settle(20))
        assert stream.recv(1) == b""


def transfers(tmp_path: Path, rng: random.Random, count: int) -> None:
    """Reload again and again while so many connections carry bytes: none is cut, and no byte is wrong."""
    data = rng.randbytes(200_000)
    listen = closed_port()

    async def one() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        writer.write(data)
        writer.write_eof()
        got = await reader.read(-1)
        writer.close()
        return got == data

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one() for _ in range(count)))

    with tcp_server(patient, backlog=1_024) as port, proxy(mapped(port, listen), tmp_path) as it:
        results: list[bool] = []
        carrying = threading.Thread(target=lambda: results.extend(asyncio.run(all_of_them())))
        carrying.start()
        number = 0
        while carrying.is_alive():
            number += 1
            it.reload(mapped(port, listen, f'idle = "{number + 100}s"'))
        carrying.join()
        assert number > 1
        assert results == [True] * count
        assert all("-> " in line and line.split()[-3:-1] == ["200000", "200000"] for line in it.lines(count))


def test_reloads_under_load(tmp_path: Path, rng: random.Random) -> None:
    transfers(tmp_path, rng, 50)


@pytest.mark.slow
def test_reloads_under_load_with_hundreds_of_transfers(tmp_path: Path, rng: random.Random) -> None:
    transfers(tmp_path, rng, 500)


def test_a_destination_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Its clients are reset, so that half is not taken for all; those of others notice nothing."""

    def dies(stream: socket.socket) -> None:
        stream.sendall(stream.recv(5))
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.close()

    with tcp_server(dies) as one, tcp_server(patient) as two, proxy(mapped(one) + mapped(two), tmp_path) as it:
        other = socket.create_connection(("127.0.0.1", it.ports[1]), timeout=20)
        with other, socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream:
            other.sendall(b"begin")
            stream.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                read_all(stream)
            other.sendall(b" and end")
            other.shutdown(socket.SHUT_WR)
            assert read_all(other) == b"begin and end"


POURING = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
stream, _ = listener.accept()
number = 0
while True:
    stream.sendall(b"".join(each.to_bytes(4, "big") for each in range(number, number + 10_000)))
    number += 10_000
"""


@pytest.mark.parametrize("unread", [False, True])
def test_a_server_that_is_killed_while_it_sends(tmp_path: Path, unread: bool) -> None:
    """Every byte is the right one up to the end, and that is the kernel's: a reset where something was left unread."""
    with subprocess.Popen([sys.executable, "-c", POURING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with (
            proxy(mapped(port), tmp_path) as it,
            socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20) as stream,
        ):
            if unread:
                stream.sendall(b"x")
            got = stream.recv(1_000_000, socket.MSG_WAITALL)
            process.kill()
            process.wait(20)
            reset = False
            try:
                while part := stream.recv(1 << 20):
                    got += part
            except ConnectionResetError:
                reset = True
            assert reset == unread
            want = b"".join(each.to_bytes(4, "big") for each in range(len(got) // 4 + 1))
            assert got == want[: len(got)]
            stream.close()
            line = it.lines(1)[0]
            assert ("ECONNRESET" in line) == unread
            assert not it.open_flows()


def test_a_port_that_several_processes_have_has_so_many_clients_in_all(tmp_path: Path) -> None:
    """Two servers as two workers have them: what they share is the port and the ledger."""
    listen = closed_port()

    async def main(port: int) -> None:
        log = tmp_path / "log"
        config = parse(f"{mapped(port, listen, 'connections = 3')}[log]\nfile = '{log}'\n", "proxy.toml")
        ledger = Ledger(shared=True)
        servers = [server.Server(config, number=number, ledger=ledger) for number in (1, 2)]
        for each in servers:
            each.open()
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            served = 0
            # Where one of the two has all three, it refuses a fourth by its own count; the other asks the ledger.
            while served < 3 or "EDQUOT" not in log.read_text():
                stream = stack.enter_context(socket.socket())
                stream.setblocking(False)
                await loop.sock_connect(stream, ("127.0.0.1", listen))
                with contextlib.suppress(ConnectionError):
                    await loop.sock_sendall(stream, b"x")
                    served += len(await loop.sock_recv(stream, 1))
            assert served == 3
        assert f"map refused EDQUOT: map 127.0.0.1:{listen} has 3 connections already" in log.read_text()
        for each in servers:
            await each.close()

    with tcp_server(patient) as port:
        asyncio.run(main(port))
