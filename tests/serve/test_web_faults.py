"""What goes wrong: clients that are slow or gone, files that change, rights that are missing, words that make no sense."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests import needs
from tests.serve.serving import STACKS, serving

MIB = 1_024 * 1_024


@pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])
def test_an_answer_on_its_way_is_finished_before_the_end(words: list[str], tmp_path: Path) -> None:
    size = 24 * MIB
    (tmp_path / "large").write_bytes(bytes(size))
    with serving(str(tmp_path), *words) as served, socket.create_connection(("127.0.0.1", served.port), 20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        received = len(client.recv(65_536))
        ending = threading.Thread(target=served.end, args=(signal.SIGINT,))
        ending.start()
        time.sleep(0.3)  # it is to end now, and waits for us
        while part := client.recv(MIB):
            received += len(part)
        ending.join()
        assert received > size


@pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])
def test_an_answer_on_its_way_ends_when_it_is_told_twice(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(64 * MIB))
    with serving(str(tmp_path), *words) as served, socket.create_connection(("127.0.0.1", served.port), 20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(65_536)
        served.process.send_signal(signal.SIGTERM)
        while listens(served.port):  # two signals at once are one
            continue
        assert served.end() == 0
        served.wait_for("GET /large HTTP/1.1 200 ")


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as late:
            late.settimeout(0.2)
            late.recv(1)
    except TimeoutError:
        return True  # it was let in
    except ConnectionError:
        return False
    return True


def test_files_that_grow_or_shrink_while_they_are_sent(tmp_path: Path) -> None:
    size = 24 * MIB
    for name in ("growing", "shrinking"):
        (tmp_path / name).write_bytes(bytes(size))
    with serving(str(tmp_path)) as served:
        for name, changed in (("growing", size + MIB), ("shrinking", MIB)):
            with socket.create_connection(("127.0.0.1", served.port), 20) as client:
                client.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % name.encode())
                received = client.recv(65_536)
                with (tmp_path / name).open("r+b") as file:
                    file.truncate(changed)
                while part := client.recv(MIB):
                    received += part
            body = received.partition(b"\r\n\r\n")[2]
            assert len(body) == size if name == "growing" else len(body) < size


def test_a_client_too_many_is_told_so() -> None:
    before = [needs.program("prlimit"), "--nofile=160:160"]
    with serving("--text", "x", before=before) as served, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", served.port), 20)) for _ in range(34)]
        answers = []
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(client.recv(4_096).split()[1])
        assert answers == [b"200"] * 32 + [b"503"] * 2
        served.wait_for("GET / HTTP/1.1 503")


@pytest.mark.slow
def test_slow_requests_have_a_limit(tmp_path: Path) -> None:
    with serving(str(tmp_path)) as served:
        began = time.monotonic()
        silent = socket.create_connection(("127.0.0.1", served.port), 30)
        body = socket.create_connection(("127.0.0.1", served.port), 30)
        body.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        dripping = socket.create_connection(("127.0.0.1", served.port), 30)
        dripping.sendall(b"GET / HTTP/1.1\r\n")
        answer = b""
        while not answer:
            dripping.sendall(b"X-A: 1\r\n")
            body.sendall(b"x")
            dripping.settimeout(0.2)
            try:
                answer = dripping.recv(1_024)
            except TimeoutError:
                assert time.monotonic() - began < 25
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert silent.recv(1_024).startswith(b"HTTP/1.1 408 ")
        while body.recv(1_024):
            pass
        assert 14 < time.monotonic() - began < 25
        for each in (silent, body, dripping):
            each.close()


@pytest.mark.slow
@pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])
def test_a_client_that_takes_nothing_is_cut_off(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(64 * MIB))
    with serving(str(tmp_path), *words) as served, socket.create_connection(("127.0.0.1", served.port), 20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        served.wait_for(r"bytes not taken for 60 s, cut off$", seconds=90)


def failing(*words: str, before: tuple[str, ...] = (), python: str = sys.executable) -> tuple[int, str]:
    """The exit status and what it said, which is one line."""
    command = [*before, python, "-m", "hythe", "serve", *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", env=dict(needs.clean_environment()))
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["/nowhere"], 2, "there is no folder '/nowhere': name one, or --text"),
        (["--port", "70000", "/"], 2, "neither a port (0 to 65535) nor the name of a service"),
        (["--port", "nonesuch", "/"], 2, "neither a port (0 to 65535) nor the name of a service"),
        (["--port", "", "/"], 2, "--port '' is neither a port (0 to 65535)"),
        (["--text", "x", "/"], 2, "leave one of them out"),
        (["--key", "k", "/"], 2, "name it with --cert"),
        (["--echo", "--tls"], 2, "has no TLS"),
        (["--echo", "--text", "x"], 2, "leave it out"),
        (["--bind", "192.0.2.77", "/"], 1, "this machine has no address 192.0.2.77"),
        (["--bind", "nonsense", "/"], 1, "this machine has no address nonsense"),
        (["--bind", "a..b", "/"], 1, "this machine has no address a..b"),
        (["--echo", "--discard"], 2, "--echo and --discard exclude each other"),
        (["--port", "0", "--cert", "/etc/hostname", "/"], 1, "key (there is no certificate in PEM, or no key)"),
        (["--port", "0", "--cert", "/nowhere", "/"], 1, "/nowhere cannot be used as certificate and key (No such file"),
    ],
)
def test_wrong_words(words: list[str], status: int, sentence: str) -> None:
    ended, said = failing(*words)
    assert sentence in said
    assert ended == status


def test_a_port_in_use(tmp_path: Path) -> None:
    with serving("--text", "x") as served:
        ended, said = failing("--port", str(served.port))
        assert ended == 1
        assert f"port {served.port} of 127.0.0.1 or ::1 is in use" in said


def test_a_privileged_port_says_how_to_get_it(public_python: Path) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 7:
        needs.lack("needs privileged ports (net.ipv4.ip_unprivileged_port_start)")
    before = tuple(needs.nobody())
    ended, said = failing("--port", "http", "/", before=before, python=str(public_python))
    assert ended == 1
    assert "port 80 (http) is below 1024" in said
    assert "sysctl net.ipv4.ip_unprivileged_port_start=80" in said
    assert "port 7 (echo) is below 1024" in failing("--echo", before=before, python=str(public_python))[1]
