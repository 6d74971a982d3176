"""Servers of this machine's loopback that commands in `hythe run` talk to: real sockets, ended with their `with`."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

from hythe.units import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

#: Not a power of two, so that no loss or repetition of whole buffers can go unnoticed.
_BLOCK = 1_048_573
#: Which of the processes that run tests side by side this is, and how many there may be.
_WORKER, _WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")), 16
#: Ports that no socket is given unless it asks for it (ip_local_port_range begins at 32,768), other ones for each process.
_ASKED_FOR = range(10_000 + _WORKER % _WORKERS, 20_000, _WORKERS)
_candidates = itertools.islice(itertools.cycle(_ASKED_FOR), os.getpid() % len(_ASKED_FOR), None)


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None], *, backlog: int = 128) -> Iterator[int]:
    """Yield the port of 127.0.0.1 and ::1 on which `serve` is called with each connection, in a thread of its own.

    At the end `serve` has 20 s to finish with every connection; errors of its own are raised then.
    """
    listeners = listen_on_both(backlog)
    errors: list[BaseException] = []
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # shut down
                return
            thread = threading.Thread(target=handle, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptors = [threading.Thread(target=accept, args=(each,), daemon=True) for each in listeners]
    for thread in acceptors:
        thread.start()
    try:
        yield listeners[0].getsockname()[1]
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in acceptors:
            thread.join(20)
        for thread in threads:
            thread.join(20)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a connection did not end"


def listen_on_both(backlog: int = 128) -> list[socket.socket]:
    """Return listeners on one free port of 127.0.0.1 and ::1."""
    for _ in range(50):
        first = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        try:
            return [first, socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=backlog)]
        except OSError:  # somebody has that port of ::1
            first.close()
    raise OSError("no port is free on both 127.0.0.1 and ::1")


def closed_port() -> int:
    """Return a port of 127.0.0.1 and ::1, for TCP and UDP, that nobody has, nor is given by chance later."""
    return next(port for port in _candidates if _is_free(port))


def _is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
    return True


def echo(connection: socket.socket) -> None:
    """Send back what comes until it ends, then end."""
    while data := connection.recv(64 * KIB):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


# --- Files


class Content:
    """Bytes without repetition, as many as one likes, and their SHA-256."""

    def __init__(self, rng: Random) -> None:
        self._block = rng.randbytes(_BLOCK)
        self._known: dict[int, str] = {}

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield `size` bytes; each block has its number in front."""
        for number in range(-(-size // _BLOCK)):
            yield (number.to_bytes(8, "big") + self._block[8:])[: size - number * _BLOCK]

    def sha256(self, size: int) -> str:
        """Return the SHA-256 of the first `size` bytes, in hexadecimal."""
        if size not in self._known:
            found = hashlib.sha256()
            for piece in self.pieces(size):
                found.update(piece)
            self._known[size] = found.hexdigest()
        return self._known[size]


class _Files(BaseHTTPRequestHandler):
    """GET /N sends N bytes; PUT and POST answer with the size and the SHA-256 of what they were sent."""

    protocol_version = "HTTP/1.1"
    content: ClassVar[Content]

    def do_GET(self) -> None:
        size = int(self.path[1:])
        self._head(size)
        for piece in self.content.pieces(size):
            self.wfile.write(piece)

    def do_PUT(self) -> None:
        left = size = int(self.headers["Content-Length"])
        found = hashlib.sha256()
        buffer = memoryview(bytearray(1 * MIB))
        while left:
            taken = self.rfile.readinto(buffer[:left])
            if not taken:
                break
            found.update(buffer[:taken])
            left -= taken
        answer = f"{size - left} {found.hexdigest()}\n".encode()
        self._head(len(answer))
        self.wfile.write(answer)

    do_POST = do_PUT  # noqa: N815 - the base class names it so

    def _head(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def file_server(content: Content) -> Iterator[int]:
    """Yield the port of 127.0.0.1 and ::1 on which a web server gives out `content` and takes files."""
    handler = type("Files", (_Files,), {"content": content})
    servers: list[ThreadingHTTPServer] = []
    for kind, listener in zip((ThreadingHTTPServer, _Server6), listen_on_both(), strict=True):
        server = kind(listener.getsockname()[:2], handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        server.server_address = listener.getsockname()[:2]
        servers.append(server)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield int(servers[0].server_address[1])
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
