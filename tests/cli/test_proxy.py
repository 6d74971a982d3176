"""`hythe proxy` as a command: what it says, and what signals do to it."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from hythe.proxy.users import parse_hash
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.proxy.commands import HYTHE, running, say


def hythe(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HYTHE, "proxy", *words], input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "there is nothing to serve: name a FILE, or --map, --socks or --http"),
        (["--map", "25"], "--map 25 lacks its destination: write LISTEN=HOST:PORT"),
        (["--map", "25=nowhere"], "'nowhere' is no destination: write HOST:PORT"),
        (["--socks", "*:1080"], "0.0.0.0 is open to everyone, and nobody has to log in"),
        (["--socks", "*:1080", "--expose", "yes"], "'yes' is not what opens a port to everyone"),
        (["--http", "nowhere0:1080"], "there is no interface 'nowhere0' on this machine"),
        (["x.toml", "--socks", "1080"], "x.toml says everything already"),
        (["--schema", "--socks", "1080"], "--check, --schema and --hash-password stand alone"),
        (["nowhere.toml"], "nowhere.toml cannot be read (No such file or directory)"),
    ],
)
def test_one_sentence_says_what_is_wrong(words: list[str], sentence: str) -> None:
    said = hythe(*words)
    assert said.returncode in (1, 2)
    assert said.stderr.startswith("hythe: ")
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = hythe("--socks", f"127.0.0.1:{taken.getsockname()[1]}")
    assert "is in use: end what listens there, or name another port" in said.stderr


def test_the_schema_and_a_hash() -> None:
    assert json.loads(hythe("--schema").stdout)["title"] == "hythe proxy"
    word = hythe("--hash-password", stdin="secret\n").stdout.strip()
    assert parse_hash(word).fits("secret")
    assert "an empty password" in hythe("--hash-password").stderr


def test_check(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('[[socks]]\nlisten = "1080"\n')
    assert hythe("--check", str(file)).stdout == f"{file}: nothing is wrong with it\n"
    file.write_text('[[socks]]\nlisten = "1080x"\n')
    said = hythe("--check", str(file))
    assert said.returncode == 2
    assert f"{file}:2: socks[1].listen: '1080x' is no place to listen" in said.stderr
    file.write_text('[[socks]]\nlisten = "*:1080"\n')  # what the start would refuse, too
    said = hythe("--check", str(file))
    assert (said.returncode, said.stdout) == (2, "")
    assert f"{file}: *:1080: 0.0.0.0 is open to everyone, and nobody has to log in" in said.stderr
    file.write_text('[[http]]\nlisten = "1080"\ncertificate = "nowhere.pem"\n')
    said = hythe("--check", str(file))
    assert (said.returncode, said.stdout) == (1, "")
    assert f"{file}: the certificate nowhere.pem and the key nowhere.pem cannot be used" in said.stderr


def test_connections_end_by_themselves_after_sigterm() -> None:
    with tcp_server(echo) as port, running("--map", f"127.0.0.1:0=127.0.0.1:{port}") as proxy:
        place = ("127.0.0.1", int(proxy.said(r"map 127\.0\.0\.1:(\d+) -> 127\.0\.0\.1:")[1]))
        with socket.create_connection(place, timeout=20) as stream:
            assert say(stream, b"before") == b"before"
            proxy.process.send_signal(signal.SIGTERM)
            proxy.said("listening no more, 1 connections go on")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place, timeout=20)
            assert say(stream, b"after") == b"after"
        assert proxy.process.wait(20) == 0
        assert proxy.process.stdout is not None
        assert f"map -> 127.0.0.1:{port} 11 11 " in proxy.process.stdout.read()


def test_a_second_signal_does_not_wait() -> None:
    with tcp_server(patient) as port, running("--map", f"127.0.0.1:0=127.0.0.1:{port}") as proxy:
        place = ("127.0.0.1", int(proxy.said(r"map 127\.0\.0\.1:(\d+)")[1]))
        with socket.create_connection(place, timeout=20) as stream:
            assert say(stream, b"x") == b"x"
            proxy.process.send_signal(signal.SIGTERM)
            proxy.said("listening no more, 1 connections go on")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place, timeout=20)
            proxy.process.send_signal(signal.SIGTERM)
            assert proxy.process.wait(20) == 0


def patient(stream: socket.socket) -> None:
    """However it ends: a reset may come before or after it has been seen to end."""
    with contextlib.suppress(OSError):
        echo(stream)


def test_a_reload_keeps_connections_and_a_mistake_changes_nothing(tmp_path: Path) -> None:
    file, log = tmp_path / "p.toml", tmp_path / "log"
    listen = closed_port()

    def write(port: int, more: str = "") -> None:
        text = f'[[map]]\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:{port}"\n{more}\n[log]\nfile = "{log}"\n'
        file.write_text(text)

    def other(stream: socket.socket) -> None:
        stream.sendall(stream.recv(100).upper())

    with tcp_server(echo) as one, tcp_server(other) as two:
        write(one)
        with running(str(file)) as proxy:
            place = ("127.0.0.1", int(proxy.said(r"map 127\.0\.0\.1:(\d+)")[1]))
            with socket.create_connection(place, timeout=20) as stream:
                assert say(stream, b"hello") == b"hello"
                write(two)
                log.rename(tmp_path / "log.1")
                proxy.process.send_signal(signal.SIGHUP)
                proxy.said("reloaded")
                with socket.create_connection(place, timeout=20) as fresh:
                    assert say(fresh, b"hello") == b"HELLO"
                assert say(stream, b"still") == b"still"
                write(one, "idel = 3")
                proxy.process.send_signal(signal.SIGHUP)
                proxy.said(r"not reloaded: .*p\.toml:4: map\[1\]\.idel: there is no such setting: did you mean idle\?")
                with socket.create_connection(place, timeout=20) as fresh:
                    assert say(fresh, b"hello") == b"HELLO"
            proxy.process.send_signal(signal.SIGTERM)
            assert proxy.process.wait(20) == 0
        assert log.read_text().count("map -> ") == 3
