"""The server side of every workload: kernel sockets on this machine's loopback, in a process of its own.

Each service listens on a port of its own, which `Services` tells. They are plain blocking sockets with large
buffers, a thread a connection where connections live long: fast enough not to be what is measured (the kernel's
row in the report shows how fast that is).
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ADDRESS = "127.0.0.1"
CHUNK = 1 << 20
#: The answer of `sink`: bytes received, and when the first and the last of them came (monotonic seconds).
SUMMARY = struct.Struct("!Qdd")
#: The question to `source` and `udp_source`: how long to send (seconds).
QUESTION = struct.Struct("!d")
#: No service waits longer than this for its client (seconds).
PATIENCE = 15


class Services:
    """The server process, seen from the one that started it."""

    def __init__(self) -> None:
        """Start the process and learn its ports."""
        command = [sys.executable, "-m", "bench.service"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.ports: Mapping[str, int] = json.loads(self._process.stdout.readline())

    def fresh(self) -> Mapping[str, int]:
        """Return the ports, with a new one for short connections: the old one's TIME-WAITs would slow the next client."""
        with socket.create_connection((ADDRESS, self.ports["short_port"]), timeout=PATIENCE) as question:
            (port,) = struct.unpack("!H", question.recv(2, socket.MSG_WAITALL))
        return {**self.ports, "short": port}

    def first_arrival(self, timeout: float, start: Callable[[], None]) -> float | None:
        """Call *start*; return when (monotonic seconds) a connection to `arrival` came, None after *timeout* seconds."""
        with socket.create_connection((ADDRESS, self.ports["arrival_report"]), timeout=timeout) as report:
            start()
            try:
                answer = report.recv(8)
            except TimeoutError:
                return None
        return QUESTION.unpack(answer)[0] if len(answer) == 8 else None

    def close(self) -> None:
        """End the process and everything it holds."""
        self._process.kill()
        self._process.communicate()


def patient(connection: socket.socket) -> socket.socket:
    """Bound every wait in the kernel; `settimeout` would cost a poll(2) for every call."""
    limit = struct.pack("ll", PATIENCE, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    return connection


def sink(connection: socket.socket) -> None:
    """Count what arrives until the end of the stream, then answer with a `SUMMARY`."""
    buffer = memoryview(bytearray(CHUNK))
    receive = connection.recv_into
    total = receive(buffer)
    first = last = time.monotonic()
    while count := receive(buffer):
        total += count
    if total:
        last = time.monotonic()
    connection.sendall(SUMMARY.pack(total, first, last))


def source(connection: socket.socket) -> None:
    """Send for as many seconds as the `QUESTION` says, then close."""
    (seconds,) = QUESTION.unpack(connection.recv(QUESTION.size, socket.MSG_WAITALL))
    block = memoryview(bytes(CHUNK))
    send = connection.send
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send(block)


def echo(connection: socket.socket) -> None:
    """Send back what arrives, at once."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(4096):
        connection.send(data)


def hold(connection: socket.socket) -> None:
    """Keep a connection, idle, until the other side ends it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 120, 0))
    connection.recv(1)


def udp_sink(connection: socket.socket) -> None:
    """Tell the port of a new datagram socket; count what arrives there until a byte comes; answer with a `SUMMARY`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)
        datagrams.bind((ADDRESS, 0))
        datagrams.settimeout(0.2)
        connection.sendall(struct.pack("!H", datagrams.getsockname()[1]))
        total, first, last = count_datagrams(datagrams, connection)
    connection.sendall(SUMMARY.pack(total, first, last))


def count_datagrams(datagrams: socket.socket, control: socket.socket) -> tuple[int, float, float]:
    """Receive until *control* has a byte and no more comes; return bytes and the time of the first and the last."""
    buffer = memoryview(bytearray(65536))
    receive = datagrams.recv_into
    total, first, last = 0, 0.0, 0.0
    while True:
        try:
            total += receive(buffer)
        except TimeoutError:
            if select.select([control], [], [], 0)[0]:
                control.recv(1)  # unread, it would turn our close into a reset
                return total, first, last
            continue
        last = time.monotonic()
        first = first or last


def serve_udp(datagrams: socket.socket) -> None:
    """Answer a datagram of `QUESTION`'s size with a flood for so many seconds, and any other with itself."""
    block = bytes(1400)
    while True:
        data, client = datagrams.recvfrom(65536)
        if len(data) != QUESTION.size:
            datagrams.sendto(data, client)
            continue
        end = time.monotonic() + QUESTION.unpack(data)[0]
        while time.monotonic() < end:
            for _ in range(32):
                datagrams.sendto(block, client)


def serve(listener: socket.socket, service: Callable[[socket.socket], None]) -> None:
    """Give every connection a thread."""

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                service(patient(connection))
            except (OSError, struct.error) as error:
                print(f"bench.service: {service.__name__}: {error}", file=sys.stderr)

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def serve_short(listener: socket.socket) -> None:
    """Answer four bytes with four bytes and close: a short connection."""
    while True:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):  # a contender that resets is told by the client's count
            if connection.recv(4):
                connection.send(b"pong")


def short_port(connection: socket.socket) -> None:
    """Open a new port for short connections and tell it."""
    listener = socket.create_server((ADDRESS, 0), backlog=1024)
    threading.Thread(target=serve_short, args=(listener,), daemon=True).start()
    connection.sendall(struct.pack("!H", listener.getsockname()[1]))


def serve_arrival(listener: socket.socket, reports: socket.socket) -> None:
    """Note when a connection comes, answer it, and tell whoever asked at `arrival_report`."""
    while True:
        report, _ = reports.accept()
        with report:
            listener.settimeout(PATIENCE)
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            now = time.monotonic()
            connection.send(b"pong\n")
            connection.close()
            report.send(QUESTION.pack(now))


def main() -> None:
    """Open every service, tell the ports, and serve until stdin ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(256 * 1024)
    ports = {}
    for service in (sink, source, echo, hold, udp_sink, short_port):
        listener = socket.create_server((ADDRESS, 0), backlog=1024)
        ports[service.__name__] = listener.getsockname()[1]
        threading.Thread(target=serve, args=(listener, service), daemon=True).start()
    arrival, reports = socket.create_server((ADDRESS, 0)), socket.create_server((ADDRESS, 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((ADDRESS, 0))
    threading.Thread(target=serve_arrival, args=(arrival, reports), daemon=True).start()
    threading.Thread(target=serve_udp, args=(datagrams,), daemon=True).start()
    listeners = {"arrival": arrival, "arrival_report": reports, "udp": datagrams}
    ports |= {name: each.getsockname()[1] for name, each in listeners.items()}
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
