"""The proxy as a service: its session, what an init system gives and hears, several processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from hythe.session.client import find
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


def test_an_init_system_hears_of_it_and_gives_it_sockets(runtime: Path) -> None:
    with (
        tcp_server(echo) as port,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as init,
    ):
        place = listener.getsockname()
        path = str(runtime / "notify")
        init.bind(path)
        init.settimeout(20)
        words = ["exec", *HYTHE, "proxy", "--map", f"127.0.0.1:{place[1]}=127.0.0.1:{port}"]
        # As an init system does: the descriptor is 3, and the environment names the process that is to have it.
        script = f"exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 {' '.join(words)}"
        environment = {**os.environ, "NOTIFY_SOCKET": path}
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
            assert init.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert init.recv(100) == b"STOPPING=1"
            assert process.wait(20) == 0


def test_several_processes_share_a_port(runtime: Path) -> None:
    listen = closed_port()
    with tcp_server(echo) as port:
        file = runtime / "p.toml"
        file.write_text(f'workers = 2\n[[map]]\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:{port}"\n')
        with running(str(file)) as proxy:
            proxy.said(r"map 127\.0\.0\.1:(\d+)")
            both = {"proxy", "proxy-2"}
            while {each.name for each in runtime.glob("hythe/*.sock")} != {f"{name}.sock" for name in both}:
                pass
            counts: dict[str, int] = {}
            while not all(counts.get(name) for name in both):
                with socket.create_connection(("127.0.0.1", listen), timeout=20) as stream:
                    assert say(stream, b"hello") == b"hello"
                for name in both:
                    counts[name] = find(name).about().totals.connections
            proxy.process.send_signal(signal.SIGTERM)
            assert proxy.process.wait(20) == 0
