"""The client side of every workload: runs inside the network that a contender made.

Started once in each network; then reads one JSON request a line from stdin (`do`, `address`, `ports`, `through` and what
the workload needs) and answers with one JSON line. `through` is a proxy of `address` that is asked for each connection:
its kind and port. Standard library only, and no import of anything else of this
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
#: What is said, whether the answer to it is complete, and how it begins.
Step = tuple[bytes, "Callable[[bytes], bool]", bytes]


def whole(count: int) -> Callable[[bytes], bool]:
    """Tell an answer of so many bytes."""
    return lambda answer: len(answer) >= count


def steps(request: Request, service: str) -> tuple[tuple[str, int], list[Step]]:
    """Return where to connect for a service, and what is said to a proxy there until it leads on."""
    address, port = request["address"], request["ports"][service]
    kind, place = request.get("through") or ("", port)
    if kind == "socks":  # RFC 1928, 3 and 4
        target = b"\5\1\0\1" + socket.inet_aton(address) + struct.pack("!H", port)
        return (address, place), [(b"\5\1\0", whole(2), b"\5\0"), (target, whole(10), b"\5\0")]
    if kind == "http":  # RFC 9110, 9.3.6
        head = f"CONNECT {address}:{port} HTTP/1.1\r\nHost: {address}:{port}\r\n\r\n".encode()
        return (address, place), [(head, lambda answer: b"\r\n\r\n" in answer, b"HTTP/1.")]
    return (address, place), []


def connect(request: Request, service: str) -> socket.socket:
    """Connect to a service; every later wait is bounded in the kernel."""
    place, asked = steps(request, service)
    connection = socket.create_connection(place, timeout=PATIENCE)
    for question, complete, good in asked:
        connection.sendall(question)
        answer = b""
        while not complete(answer):
            part = connection.recv(4096)
            answer += part
            if not part or not answer.startswith(good[: len(answer)]):
                connection.close()
                raise ConnectionError(f"the proxy refuses: {answer[:60]!r}")
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
        answer = connection.recv(SUMMARY.size, socket.MSG_WAITALL)
        if not answer:
            raise ConnectionError("the end of what was sent ended the other direction, too")
        total, first, last = SUMMARY.unpack(answer)
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
    # They were sent for so long, even where a receiver that had to wait found all of them at once.
    return {"value": sum(total for total, _, _ in results) * 8 / max(request["seconds"], span) / 1e9}


def connections_in_turn(request: Request) -> Answer:
    """Open short connections one after another for `seconds`; return how many a second."""
    place, asked = steps(request, "short")
    asked.append((b"ping", whole(4), b"pong"))
    started = time.monotonic()
    end = started + request["seconds"]
    count = 0
    while time.monotonic() < end:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE)
        connection.connect(place)
        for question, complete, good in asked:
            connection.send(question)
            answer = connection.recv(4096)
            while answer and not complete(answer):
                answer += connection.recv(4096)
            if not answer.startswith(good):
                return {"error": "a short connection ended without an answer"}
        connection.close()
        count += 1
    return {"value": count / (time.monotonic() - started)}


class Short:
    """A short connection that waits for something. `step`: of those in `asked`, the one whose answer is to come."""

    __slots__ = ("answer", "asked", "socket", "step")

    def __init__(self, place: tuple[str, int], asked: list[Step]) -> None:
        """Begin to connect."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.connect_ex(place)
        self.asked = asked
        self.step = 0
        self.answer = b""

    def go_on(self) -> bool | None:
        """Take what has come; return None as long as it goes on, then whether it went well."""
        _, complete, good = self.asked[self.step]
        part = self.socket.recv(4096)
        self.answer += part
        if not part or not complete(self.answer):
            return None if part else False
        self.step += 1
        if not self.answer.startswith(good) or self.step == len(self.asked):
            return self.answer.startswith(good)
        self.answer = b""
        self.socket.send(self.asked[self.step][0])
        return None


def connections_at_once(request: Request) -> Answer:
    """Keep `width` short connections going for `seconds`; return how many a second were completed."""
    place, asked = steps(request, "short")
    asked.append((b"ping", whole(4), b"pong"))
    poller = select.epoll()
    open_ones: dict[int, Short] = {}

    def start() -> None:
        connection = Short(place, asked)
        open_ones[connection.socket.fileno()] = connection
        poller.register(connection.socket.fileno(), select.EPOLLOUT)

    for _ in range(request["width"]):
        start()
    started = time.monotonic()
    end, count, failed = started + request["seconds"], 0, 0
    while time.monotonic() < end or not count + failed:
        ready = poller.poll(PATIENCE)
        if not ready:
            return {"error": "no connection goes on"}
        for descriptor, events in ready:
            connection = open_ones[descriptor]
            if events == select.EPOLLOUT:
                connection.socket.send(asked[0][0])
                poller.modify(descriptor, select.EPOLLIN)
                continue
            went_well = False if events & select.EPOLLERR else connection.go_on()
            if went_well is None:
                continue
            count, failed = count + went_well, failed + (not went_well)
            del open_ones[descriptor]
            connection.socket.close()
            start()
    span = time.monotonic() - started
    for connection in open_ones.values():
        connection.socket.close()
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
