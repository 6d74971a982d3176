"""The proxy as a service: its session, what an init system gives and hears, several processes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from hythe.errors import UsageError
from hythe.session.client import Session, find
from hythe.session.model import Event
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.proxy.commands import HYTHE, running, say


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a runtime directory of this test's own: sessions of others are not there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_its_session_is_shown_and_a_connection_can_be_killed(runtime: Path) -> None:
    with tcp_server(patient) as port, running("--map", f"127.0.0.1:0=127.0.0.1:{port}", "--name", "mail") as proxy:
        place = ("127.0.0.1", int(proxy.said(r"map 127\.0\.0\.1:(\d+)")[1]))
        with socket.create_connection(place, timeout=20) as stream:
            assert say(stream, b"hello") == b"hello"
            session = find("mail")
            about = session.about()
            assert about.totals.open == 1
            assert about.command[:3] == ["hythe", "proxy", "--map"]
            (listener,) = session.listeners()
            assert listener.outside is not None
            assert (listener.outside.port, listener.inside.port) == (place[1], port)
            assert not session.peers()
            (connection,) = session.connections()
            assert (connection.state, connection.bytes_up, connection.bytes_down) == ("ESTABLISHED", 5, 5)
            assert connection.remote.port == port
            assert 'hythe_connections_open{session="mail"} 1' in session.metrics()
            shown = subprocess.run([*HYTHE, "ps"], capture_output=True, text=True, timeout=30, check=True).stdout
            assert "mail" in shown
            words = [*HYTHE, "ctl", "mail", "kill", str(connection.id)]
            subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
            with pytest.raises(ConnectionResetError):
                stream.recv(1)


def test_the_password_of_its_way_is_nowhere_to_be_seen(runtime: Path) -> None:
    with running("--socks", "127.0.0.1:0", "--via", "socks5://me:sesame@127.0.0.1:1", "--name", "secret") as proxy:
        proxy.said(r"socks 127\.0\.0\.1:\d+ via socks5://me@127")
        about = repr(find("secret").about())
    assert "socks5://me@127.0.0.1:1" in about
    assert "sesame" not in about


def patient(stream: socket.socket) -> None:
    try:
        echo(stream)
    except ConnectionResetError:
        return


@pytest.mark.parametrize("workers", [1, 2])
def test_an_init_system_hears_of_it_and_gives_it_sockets(runtime: Path, workers: int) -> None:
    with tcp_server(echo) as port, socket.create_server(("127.0.0.1", 0)) as listener, init_system(runtime) as init:
        place = listener.getsockname()
        file = runtime / "p.toml"
        file.write_text(f'workers = {workers}\n[[map]]\nlisten = "127.0.0.1:{place[1]}"\nto = "127.0.0.1:{port}"\n')
        words = ["exec", *HYTHE, "proxy", str(file)]
        # As an init system does: the descriptor is 3, and the environment names the process that is to have it.
        script = f"exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 {' '.join(words)}"
        environment = {**os.environ, "NOTIFY_SOCKET": str(runtime / "notify")}
        process = subprocess.Popen(
            ["bash", "-c", script],
            pass_fds=[listener.fileno()],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with process:
            assert init.recv(100).startswith(b"READY=1")
            listener.close()
            with socket.create_connection(place, timeout=20) as stream:
                assert say(stream, b"hello") == b"hello"
            process.send_signal(signal.SIGHUP)
            assert init.recv(100) == b"RELOADING=1"
            assert init.recv(100).startswith(b"READY=1")
            process.send_signal(signal.SIGTERM)
            assert init.recv(100) == b"STOPPING=1"
            assert process.wait(20) == 0


def init_system(runtime: Path) -> socket.socket:
    """Where an init system hears how we are."""
    init = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    init.bind(str(runtime / "notify"))
    init.settimeout(20)
    return init


def test_several_processes_are_one_proxy(runtime: Path) -> None:
    """They share a port, the limits of their clients, and a session; the init system hears of all when all are ready."""
    listen, count = closed_port(), 20
    file, log = runtime / "p.toml", runtime / "log"
    with tcp_server(patient) as port, init_system(runtime) as init, contextlib.ExitStack() as stack:
        file.write_text(
            f'name = "several"\nworkers = 2\n[[map]]\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:{port}"\n'
            f'[per_client]\nconnections = {count}\n[log]\nfile = "{log}"\n'
        )
        environment = {**os.environ, "NOTIFY_SOCKET": str(runtime / "notify")}
        proxy = stack.enter_context(running(str(file), env=environment))
        proxy.said(r"map 127\.0\.0\.1:(\d+)")
        assert init.recv(100) == b"READY=1\nSTATUS=2 processes"

        streams = [stack.enter_context(socket.create_connection(("127.0.0.1", listen), timeout=20)) for _ in range(count)]
        assert all(say(each, b"hello") == b"hello" for each in streams)
        session = find("several")
        connections = session.connections()
        assert sorted(row.inside.port for row in connections) == sorted(each.getsockname()[1] for each in streams)
        assert {row.id % 2 for row in connections} == {0, 1}, "each worker has some"
        assert [row.began for row in connections] == sorted(row.began for row in connections)
        first = session.changes()
        assert first.complete
        assert sorted(row.id for row in first.connections) == sorted(row.id for row in connections)
        assert say(streams[0], b"hello") == b"hello"
        second = session.changes(first.serial)
        assert not second.complete
        (figures,) = second.figures
        assert (figures.bytes_up, second.totals.bytes_up) == (10, 5 * (count + 1))
        assert session.changes(first.serial - 1).complete, "that was never given out"
        with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", listen), timeout=20) as late:
            say(late, b"hello")

        about = session.about()
        assert (about.pid, about.totals.open, about.totals.refused) == (proxy.process.pid, count, 1)
        assert f'hythe_connections_open{{session="several"}} {count}' in session.metrics()
        (listener,) = session.listeners()
        assert listener.inside.port == port
        with pytest.raises(UsageError, match="no connection 12345 goes on"):
            session.kill(12_345)
        kill_one_of_each(session, {each.getsockname()[1]: each for each in streams})
        assert [path.name for path in runtime.glob("hythe/*.sock")] == ["several.sock"]

        file.write_text(file.read_text().replace("workers = 2", "workers = 3"))
        proxy.process.send_signal(signal.SIGHUP)
        assert [init.recv(100) for _ in range(2)] == [b"RELOADING=1", b"READY=1\nSTATUS=2 processes"]
        proxy.said("hythe: reloaded")
        proxy.said("hythe: workers is 3 now: for as many processes, end this and begin anew")
        for each in streams:
            each.close()
        proxy.process.send_signal(signal.SIGTERM)
        assert init.recv(100) == b"STOPPING=1"
        assert proxy.process.wait(20) == 0
    assert log.read_text().count(f"EDQUOT: this client has {count} connections already") == 1


def kill_one_of_each(session: Session, streams: dict[int, socket.socket]) -> None:
    """End one connection of each worker, which whoever listens to the session is told of."""
    told: queue.Queue[Event] = queue.Queue()

    def listen() -> None:
        for event in session.events():
            told.put(event)

    threading.Thread(target=listen, daemon=True).start()
    for worker in (0, 1):
        heard: set[int] = set()
        while not heard:  # from when on it listens is not told
            row = next(each for each in session.connections() if each.id % 2 == worker)
            assert session.kill(row.id).id == row.id
            with pytest.raises(ConnectionResetError):
                streams[row.inside.port].recv(1)
            while session.connection(row.id).connection.state != "CLOSED":
                pass
            with contextlib.suppress(queue.Empty):
                event = told.get(timeout=1)
                assert event.connection is not None
                assert (event.kind, event.connection.error) == ("closed", "ECONNABORTED")
                heard.add(event.connection.id % 2)


def test_the_workers_end_with_the_first_process(runtime: Path) -> None:
    listen = closed_port()
    file = runtime / "p.toml"
    file.write_text(f'workers = 2\n[[map]]\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:1"\n')
    with running(str(file)) as proxy:
        proxy.said(r"map 127\.0\.0\.1:(\d+)")
        proxy.process.kill()
        assert proxy.process.stderr is not None
        while proxy.process.stderr.readline():
            continue  # until the last of those that have it has gone
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listen), timeout=20)
