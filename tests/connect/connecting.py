"""`hythe connect` as a process of its own, and servers that say what the services of old say."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

STACKS: tuple[list[str], ...] = ([], ["--stack"])


def command(*words: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "hythe", "connect", *words]


def connect(*words: str, sent: bytes = b"", timeout: float = 30) -> subprocess.CompletedProcess[bytes]:
    """Run it with `sent` on a pipe."""
    ran = subprocess.run(command(*words), input=sent, capture_output=True, timeout=timeout, check=False)
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return ran


@contextlib.contextmanager
def server(talk: Callable[[socket.socket], None], family: int = socket.AF_INET) -> Iterator[int]:
    """The port of a server that has `talk` with one client. What goes wrong in it goes wrong here."""
    failures: list[BaseException] = []
    listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)

    def serve() -> None:
        try:
            client, _ = listener.accept()
            with client:
                client.settimeout(20)
                talk(client)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()
        assert not failures, failures
    finally:
        listener.close()


def read_line(client: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = client.recv(1)
        if not part:
            break
        line += part
    return line


def pop3(client: socket.socket) -> None:
    """RFC 1939's greeting and its QUIT."""
    client.sendall(b"+OK POP3 mail.test ready\r\n")
    assert read_line(client) == b"QUIT\r\n"
    client.sendall(b"+OK Sayonara\r\n")
