"""The client side of every workload: runs inside the network that a contender made.

Started once in each network; then reads one JSON request a line from stdin (`do`, `address`, `ports` and what the
workload needs) and answers with one JSON line. Standard library only, and no import of anything else of this
package: it may run as a user who sees little of the machine.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHUNK = 1 << 20
SUMMARY = struct.Struct("!Qdd")
QUESTION = struct.Struct("!d")
#: Longer than this a stalled connection is not waited for (seconds).
PATIENCE = 6
Request = dict[str, Any]
Answer = dict[str, Any]


def connect(request: Request, service: str) -> socket.socket:
    """Connect to a service; every later wait is bounded in the kernel."""
    connection = socket.create_connection((request["address"], request["ports"][service]), timeout=PATIENCE)
    connection.settimeout(None)
    limit = struct.pack("ll", PATIENCE, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    return connection


def up(request: Request) -> Answer:
    """Send on `flows` connections for `seconds`; the far side counts."""

    def one(connection: socket.socket, end: float) -> tuple[int, float, float]:
        block = memoryview(bytes(CHUNK))
        send = connection.send
        while time.monotonic() < end:
            send(block)
        connection.shutdown(socket.SHUT_WR)
        total, first, last = SUMMARY.unpack(connection.recv(SUMMARY.size, socket.MSG_WAITALL))
        return int(total), float(first), float(last)

    return flows(request, "sink", one)


def down(request: Request) -> Answer:
    """Have `flows` connections send for `seconds`, and count."""
    seconds = request["seconds"]

    def one(connection: socket.socket, _end: float) -> tuple[int, float, float]:
        connection.sendall(QUESTION.pack(seconds))
        buffer = memoryview(bytearray(CHUNK))
        receive = connection.recv_into
        total = receive(buffer)
        first = time.monotonic()
        while count := receive(buffer):
            total += count
        return total, first, time.monotonic()

    return flows(request, "source", one)


def flows(request: Request, service: str, one: Callable[[socket.socket, float], tuple[int, float, float]]) -> Answer:
    """Run *one* on each connection in a thread of its own; sum up bytes over the time that all of them took."""
    connections = [connect(request, service) for _ in range(request["flows"])]
    end = time.monotonic() + request["seconds"]
    results: list[tuple[int, float, float]] = []
    errors: list[str] = []

    def run(connection: socket.socket) -> None:
        try:
            results.append(one(connection, end))
        except (OSError, struct.error) as error:
            errors.append(str(error))

    threads = [threading.Thread(target=run, args=(each,)) for each in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    if errors:
        return {"error": errors[0]}
    span = max(last for _, _, last in results) - min(first for _, first, _ in results)
    return {"value": sum(total for total, _, _ in results) * 8 / span / 1e9}


def connections_in_turn(request: Request) -> Answer:
    """Open short connections one after another for `seconds`; return how many a second."""
    address = (request["address"], request["ports"]["short"])
    started = time.monotonic()
    end = started + request["seconds"]
    count = 0
    while time.monotonic() < end:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE)
        connection.connect(address)
        connection.send(b"ping")
        if connection.recv(4) != b"pong":
            return {"error": "a short connection ended without an answer"}
        connection.close()
        count += 1
    return {"value": count / (time.monotonic() - started)}


def connections_at_once(request: Request) -> Answer:
    """Keep `width` short connections going for `seconds`; return how many a second were completed."""
    address = (request["address"], request["ports"]["short"])
    poller = select.epoll()
    open_ones: dict[int, socket.socket] = {}

    def start() -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection.connect_ex(address)
        open_ones[connection.fileno()] = connection
        poller.register(connection.fileno(), select.EPOLLOUT)

    for _ in range(request["width"]):
        start()
    started = time.monotonic()
    end, count, failed = started + request["seconds"], 0, 0
    while time.monotonic() < end:
        for descriptor, events in poller.poll(PATIENCE):
            connection = open_ones[descriptor]
            if events == select.EPOLLOUT:
                connection.send(b"ping")
                poller.modify(descriptor, select.EPOLLIN)
                continue
            if events & select.EPOLLERR or connection.recv(4) != b"pong":
                failed += 1
            else:
                count += 1
            del open_ones[descriptor]
            connection.close()
            start()
    span = time.monotonic() - started
    for connection in open_ones.values():
        connection.close()
    poller.close()
    return {"error": f"{failed} of {failed + count} connections failed"} if failed else {"value": count / span}


def round_trip(request: Request) -> Answer:
    """Send 64 bytes to and fro on one connection for `seconds`; return the microseconds that each took."""
    with connect(request, "echo") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return percentiles(*measure_round_trips(connection, request["seconds"]))


def udp_round_trip(request: Request) -> Answer:
    """Send datagrams of 64 bytes to and fro, one at a time, for `seconds`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.connect((request["address"], request["ports"]["udp"]))
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 200_000))
        return percentiles(*measure_round_trips(datagrams, request["seconds"]))


def measure_round_trips(connected: socket.socket, seconds: float) -> tuple[list[int], int]:
    """Return the nanoseconds of each exchange, and how many went unanswered."""
    block, taken, lost = bytes(64), [], 0
    send, receive, clock = connected.send, connected.recv, time.perf_counter_ns
    for _ in range(50):  # warm
        send(block)
        try:
            receive(64)
        except BlockingIOError:
            lost += 1
    end = clock() + int(seconds * 1e9)
    now = clock()
    while now < end:
        before = now
        send(block)
        try:
            receive(64)
        except BlockingIOError:
            lost += 1
            now = clock()
            continue
        now = clock()
        taken.append(now - before)
    return taken, lost


def percentiles(taken: list[int], lost: int) -> Answer:
    """Return p50 and p99 in microseconds."""
    if len(taken) < 20:
        return {"error": f"{len(taken)} answers, {lost} lost"}
    taken.sort()
    return {"value": taken[len(taken) // 2] / 1e3, "p99": taken[len(taken) * 99 // 100] / 1e3, "lost": lost}


def udp_up(request: Request) -> Answer:
    """Send datagrams of 1,400 bytes for `seconds` as fast as they go; return what arrived, in Gbit/s."""
    with connect(request, "udp_sink") as control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        (port,) = struct.unpack("!H", control.recv(2, socket.MSG_WAITALL))
        datagrams.connect((request["address"], port))
        block, send = bytes(1400), datagrams.send
        started = time.monotonic()
        end = started + request["seconds"]
        while time.monotonic() < end:
            for _ in range(32):
                send(block)
        took = time.monotonic() - started
        control.send(b".")
        total, first, last = SUMMARY.unpack(control.recv(SUMMARY.size, socket.MSG_WAITALL))
    # What a queue still gave away after the sender had stopped takes its time too.
    return {"value": total * 8 / max(took, last - first) / 1e9}


def udp_down(request: Request) -> Answer:
    """Have datagrams of 1,400 bytes sent for `seconds`; return what arrived, in Gbit/s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)
        datagrams.connect((request["address"], request["ports"]["udp"]))
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 500_000))
        buffer, receive, total = memoryview(bytearray(65536)), datagrams.recv_into, 0
        datagrams.send(QUESTION.pack(request["seconds"]))
        started = last = time.monotonic()
        while last < started + 3 * request["seconds"] + 1:
            try:
                total += receive(buffer)
            except BlockingIOError:
                break
            last = time.monotonic()
    return {"value": total * 8 / max(request["seconds"], last - started) / 1e9}


class Client:
    """Answers requests; keeps the idle connections between two of them."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._idle: list[socket.socket] = []
        alone = (up, down, connections_in_turn, connections_at_once, round_trip, udp_round_trip, udp_up, udp_down)
        self._workloads: Mapping[str, Callable[[Request], Answer]] = {
            each.__name__: each for each in (*alone, self.resolve, self.idle_open, self.idle_close)
        }

    def answer(self, request: Request) -> Answer:
        """Run one workload; what goes wrong becomes part of the answer."""
        try:
            return self._workloads[request["do"]](request)
        except (OSError, struct.error) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def resolve(self, request: Request) -> Answer:
        """Return the IPv4 address of a name, as this network knows it."""
        return {"value": socket.getaddrinfo(request["name"], None, socket.AF_INET)[0][4][0]}

    def idle_open(self, request: Request) -> Answer:
        """Open `count` connections and leave them alone."""
        self._idle += [connect(request, "hold") for _ in range(request["count"])]
        return {"value": len(self._idle)}

    def idle_close(self, _request: Request) -> Answer:
        """Close them."""
        for each in self._idle:
            each.close()
        self._idle.clear()
        return {"value": 0}


def main() -> None:
    """Serve requests until stdin ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    client = Client()
    print(json.dumps({"value": "ready"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(client.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
