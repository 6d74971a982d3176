"""A session asked while it runs, by root and by a user without rights."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from hythe.errors import MachineError, UsageError
from hythe.session import places
from hythe.session.client import SessionEndedError
from hythe.wire import pcapng
from hythe.wire.segment import FIN, SYN
from tests import needs
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.gateway.sessions import session, until

if TYPE_CHECKING:
    from hythe.session.client import Session
    from hythe.session.model import Connection, Event
    from tests.gateway.conftest import Person

#: Opens a connection, sends what it is told, says so, and then what becomes of the connection.
CLIENT = """
import socket, sys
stream = socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
stream.sendall(b"x" * int(sys.argv[2]))
print("sent", flush=True)
try:
    while stream.recv(65536): pass
    print("end", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
"""
#: Listens on TCP 7000 and answers with what it gets.
SERVER = """
import socket
with socket.create_server(("0.0.0.0", 7000)) as server:
    print("ready", flush=True)
    while True:
        client, _ = server.accept()
        with client:
            client.sendall(client.recv(100))
"""


def only(session: Session, **options: bool) -> Connection:
    """Return the one TCP connection that goes on."""
    (found,) = [each for each in session.connections(**options) if each.protocol == "tcp"]
    return found


def test_it_tells_of_itself(person: Person) -> None:
    with session(person, "-4 --mtu 9000", "sh", "-c", "sleep 60") as (running, asked):
        about = asked.about()
    assert about.name == asked.name
    assert about.command == ["sh", "-c", "sleep 60"]
    assert about.mtu == 9000
    assert len(about.addresses) == len(about.gateways) == 1
    assert about.totals.connections == 0
    assert abs(time.time() - about.since) < 30
    if not person.prefix:
        assert about.pid == running.process.pid
    with pytest.raises(SessionEndedError, match=f"{asked.name}' has ended"):
        asked.about()


def test_it_tells_of_connections(person: Person) -> None:
    with (
        tcp_server(echo) as port,
        session(person, "--host-loopback -4", *person.script(CLIENT, str(port), "1000")) as (running, asked),
    ):
        assert running.line() == "sent\n"
        found = until(lambda: [each for each in asked.connections() if each.bytes_down == 1000])[0]
        assert (found.protocol, found.inbound, found.error, found.ended) == ("tcp", False, None, None)
        assert found.state == "ESTABLISHED"
        assert found.bytes_up == 1000
        assert found.name == "host.hythe.internal"
        assert found.remote.port == port
        assert found.outside is not None
        assert (found.outside.address, found.outside.port) == ("127.0.0.1", port)
        assert found.outside_local is not None
        assert found.outside_local.address == "127.0.0.1"
        detail = asked.connection(found.id)
        assert detail.info is not None
        assert (detail.info.unread, detail.info.unsent) == (0, 0)
        assert detail.info.mss > 1000
        totals = asked.about().totals
        assert (totals.connections, totals.open, totals.bytes_up, totals.bytes_down) == (1, 1, 1000, 1000)
        assert totals.queries >= 1
        assert any(each.name.rstrip(".") == "host.hythe.internal" and each.type == "A" for each in asked.queries())
        with pytest.raises(UsageError, match="there is no connection 999"):
            asked.connection(999)
        changes = asked.changes()
        assert changes.complete
        assert changes.totals == asked.about().totals
        whole = next(each for each in changes.connections if each.protocol == "tcp")
        assert whole == only(asked)
        assert {each.name for each in changes.queries} >= {each.name for each in asked.queries()}
        (holding,) = asked.holders()
        assert (holding.program, whole.id in holding.connections) == (
            os.path.basename(person.python),
            True,
        )


def test_a_killed_connection_is_reset_on_both_sides(person: Person) -> None:
    outcome: list[int | None] = []

    def serve(connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                continue
            outcome.append(0)
        except OSError as error:
            outcome.append(error.errno)

    with tcp_server(serve) as port:
        command = person.script(CLIENT + "import time; time.sleep(60)", str(port), "10")
        with session(person, "--host-loopback", *command) as (running, asked):
            assert running.line() == "sent\n"
            opened = until(lambda: [each for each in asked.connections() if each.bytes_up == 10])[0]
            changes = asked.changes()
            killed = asked.kill(opened.id)
            assert killed.error == "ECONNABORTED"
            assert running.line() == "ConnectionResetError\n"
            last = next(each for each in asked.changes(changes.serial).figures if each.id == opened.id)
            assert (last.error, last.bytes_up, last.ended) == ("ECONNABORTED", 10, killed.ended)
    assert outcome == [errno.ECONNRESET]


def test_what_is_still_connecting_can_be_killed(person: Person) -> None:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as busy:
        port = busy.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue is full: further SYNs are dropped
            command = person.script(
                """
import socket, sys, time
try:
    socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
    print("connected", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
time.sleep(60)
""",
                str(port),
            )
            with session(person, "--host-loopback -4", *command) as (running, asked):
                waiting = until(lambda: [each for each in asked.connections() if each.protocol == "tcp"])[0]
                asked.kill(waiting.id)
                assert running.line() == "ConnectionRefusedError\n"
                assert asked.about().totals.refused == 1  # before the command ends, which it does when it is told to


def test_it_tells_what_happens(person: Person) -> None:
    events: list[Event] = []
    program = """
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
for port in sys.argv[1:]:
    try:
        with socket.create_connection(("host.hythe.internal", int(port))) as stream:
            stream.sendall(b"hello")
            stream.recv(5)
    except ConnectionRefusedError:
        pass
"""
    with tcp_server(echo) as port:
        command = person.script(program, str(port), str(closed_port()))
        with session(person, "--host-loopback -4", *command) as (running, asked):
            reader = threading.Thread(target=lambda: events.extend(asked.events()))
            reader.start()
            assert running.line() == "ready\n"
            until(lambda: asked.publish("127.0.0.1:0:7") and len(events) > 1)
            asked.unpublish(next(each.id for each in asked.listeners() if each.id is not None))
            until(lambda: events[-1].kind == "unpublished")
            before = len(events)
            running.process.send_signal(signal.SIGUSR1)
            running.process.wait(10)
        reader.join(10)
        assert not reader.is_alive(), "the stream of events outlives the session"
    assert {each.kind for each in events[:before]} == {"notice", "published", "unpublished"}
    tcp = [each for each in events if each.connection is not None and each.connection.protocol == "tcp"]
    kinds = [each.kind for each in tcp]
    assert sorted(kind for kind in kinds if kind != "opened") == ["closed", "refused"]
    assert kinds[0] == "opened"  # what is refused at once is never told to have begun
    assert {each.connection.name for each in tcp if each.connection is not None} == {"host.hythe.internal"}
    ends = {each.kind: each.connection for each in tcp if each.connection is not None}
    assert ends["closed"].bytes_up == 5
    assert ends["refused"].error == "ECONNREFUSED"
    names = [each.query.name.rstrip(".") for each in events if each.query is not None]
    assert names.count("host.hythe.internal") >= 2


def test_a_port_is_published_while_it_runs(person: Person) -> None:
    with session(person, "", *person.script(SERVER)) as (running, asked):
        assert running.line() == "ready\n"
        opened = asked.publish("127.0.0.1:0:7000")
        assert len(opened) == 1
        outside = opened[0].outside
        assert outside is not None
        assert opened[0].inside.port == 7000
        with socket.create_connection((outside.address, outside.port), timeout=10) as client:
            client.sendall(b"ping")
            assert client.recv(100) == b"ping"
        assert opened[0] in asked.listeners()
        with pytest.raises(MachineError, match=rf"-p {outside.port}:80: TCP port {outside.port} of .* is in use"):
            asked.publish(f"{outside.port}:80")
        with pytest.raises(UsageError, match="-p 7000 does not say which port leads where"):
            asked.publish("7000")


def test_it_tells_who_holds_what_inside(person: Person) -> None:
    program = """
import os, socket, sys, time
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("", 5000))
datagrams.sendto(b"x", ("host.hythe.internal", 9))
server = socket.create_server(("::1", 7000), family=socket.AF_INET6)
stream = socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
print(datagrams.fileno(), server.fileno(), stream.fileno(), flush=True)
time.sleep(60)
"""
    with (
        tcp_server(echo) as port,
        session(person, "--host-loopback", *person.script(program, str(port))) as (running, asked),
    ):
        datagrams, server, stream = map(int, running.line().split())
        inside = {(each.protocol, each.inside.address, each.inside.port): each for each in asked.listeners(processes=True)}
        held = inside["udp", "0.0.0.0", 5000].process, inside["tcp", "::1", 7000].process
        assert [each.descriptor for each in held if each is not None] == [datagrams, server]
        user = needs.NOBODY if person.name == "nobody" and os.getuid() == 0 else os.getuid()
        assert all(each.user == user and each.program.startswith("python") for each in held if each is not None)
        connections = asked.connections(processes=True)
        processes = {each.protocol: each.process for each in connections if each.remote.port in (9, port)}
        found = {protocol: process.descriptor for protocol, process in processes.items() if process is not None}
        assert found == {"udp": datagrams, "tcp": stream}
        assert only(asked).process is None


def test_the_summary_knows_the_names_that_were_looked_up(nobody: Person) -> None:
    with tcp_server(echo) as port:
        program = "import socket, sys; socket.create_connection(('host.hythe.internal', int(sys.argv[1]))).close()"
        ran = nobody.run("--host-loopback -4 --summary=json", *nobody.script(program, str(port)))
    (connection,) = [each for each in json.loads(ran.stderr)["connections"] if each["remote"]["port"] == port]
    assert connection["name"] == "host.hythe.internal"


def test_its_packets_can_be_read(person: Person) -> None:
    """As the command sees them, faults or not; the last ones come before the end."""
    program = """
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
with socket.create_connection(("host.hythe.internal", int(sys.argv[1]))) as stream:
    stream.sendall(b"hello")
    stream.recv(5)
"""

    def read(asked: Session, pieces: list[bytes]) -> None:
        pieces.extend(asked.capture())

    for faults in ("", "--delay 5ms"):
        pieces: list[bytes] = []
        with tcp_server(echo) as port:
            command = person.script(program, str(port))
            with session(person, f"--host-loopback -4 {faults}", *command) as (running, asked):
                assert running.line() == "ready\n"
                reader = threading.Thread(target=read, args=(asked, pieces))
                reader.start()
                until(pieces.copy)
                running.process.send_signal(signal.SIGUSR1)
                running.process.wait(10)
            reader.join(10)
        packets = list(pcapng.read(b"".join(pieces)))
        segments = [each for each in packets if each.data[9] == 6]
        flags = [each.data[each.data[0] % 16 * 4 + 13] for each in segments]
        assert flags[0] == SYN
        assert any(each & FIN for each in flags)
        assert sum(b"hello" in each.data for each in segments) == 2
        assert {each.flags for each in segments} == {pcapng.OUTBOUND, pcapng.INBOUND}
        assert any(each.data[9] == 17 and b"internal" in each.data for each in packets)


def test_metrics_are_prometheuss(person: Person) -> None:
    """Text format 0.0.4: help and type once, in front of all samples of a metric together; no series twice."""
    with session(person, "--loss 1%", "sleep", "60") as (_, asked):
        text = asked.metrics()
    assert text.endswith("\n")
    sample = re.compile(r'([a-z_]+)(\{session="[^"]+"(?:,[a-z]+="[^"\\\n]*")*\}) (-?\d+(?:\.\d+)?)')
    found: dict[str, set[str]] = {}
    lines, metric = iter(text.splitlines()), ""
    for line in lines:
        if line.startswith("# HELP "):
            metric = line.split()[2]
            assert next(lines) in (f"# TYPE {metric} counter", f"# TYPE {metric} gauge")
            assert metric not in found
            found[metric] = set()
        else:
            match = sample.fullmatch(line)
            assert match is not None, line
            assert match[1] == metric
            assert match[2] not in found[metric]
            found[metric].add(match[2])
    assert all(found.values())
    assert f'hythe_connections_total{{session="{asked.name}"}} 0' in text
    assert len(found["hythe_wire_packets_total"]) == 14


def test_the_command_cannot_ask_its_session(person: Person) -> None:
    """Its directory is covered, and with another way to it (descriptor 9 here) its user namespace gives it away."""
    name = f"test-{os.getpid()}-inside"
    program = f"""
import os, socket
place = os.environ["PLACE"]
print(os.listdir(place) if os.path.isdir(place) else [])
caller = socket.socket(socket.AF_UNIX)
try:
    caller.connect(f"/proc/self/fd/{{os.open('.', os.O_RDONLY)}}/{name}.sock")
    caller.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(caller.recv(100))
except OSError as error:
    print(type(error).__name__)
"""
    place = needs.public_folder()
    try:
        place.chmod(0o777)
        script = f'mkdir -m 700 {place}/own {place}/own/hythe && cd {place}/own/hythe && exec "$@"'
        words = [*person.prefix, "sh", "-c", script, "sh", person.python, "-m", "hythe", "run", "--name", name, "--"]
        ran = subprocess.run(
            [*words, *person.script(program)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=needs.clean_environment(XDG_RUNTIME_DIR=f"{place}/own", PLACE=f"{place}/own/hythe"),
        )
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True, timeout=10)
    assert ran.returncode == 0, ran.stderr
    covered, answer = ran.stdout.splitlines()
    assert covered == "[]"
    assert answer in ("b''", "ConnectionResetError", "BrokenPipeError"), ran.stdout


def raw(asked: Session, request: bytes) -> bytes:
    """Return all that the session says to these bytes."""
    with places.connect(asked.path, 10) as caller:
        caller.sendall(request)
        caller.shutdown(socket.SHUT_WR)
        answer = b""
        while data := caller.recv(65536):
            answer += data
    return answer


def test_bad_requests_get_a_sentence(nobody: Person) -> None:
    with session(nobody, "", "sleep", "60") as (_, asked):
        for request, status, sentence in (
            (b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "there is no /nope: /openapi.json says what there is"),
            (b"PUT /faults HTTP/1.1\r\nHost: x\r\n\r\n", 405, "/faults does not know PUT, but GET and PATCH"),
            (
                b"PATCH /faults HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n" + b"[" * 30_000,
                400,
                "the request's body is not JSON (maximum recursion depth",
            ),
            (b"GET /connections?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "has no parameter 'x': it knows ended, processes"),
            (b"GET /connections?ended=x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "ended cannot be 'x': write a number"),
            (b"POST /listeners HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400, "Publish lacks 'publish'"),
            (b"POST /listeners HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{", 400, "the request's body is not JSON"),
            (b"DELETE /connections/7 HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no connection 7 goes on"),
            (b"rubbish\r\n\r\n", 400, "this is not HTTP/1.1"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431, "this is not HTTP/1.1"),
        ):
            head, _, body = raw(asked, request).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status), (request, head)
            assert sentence in json.loads(body)["error"]
        assert raw(asked, b"HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")
        waits = b"PATCH /faults HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"
        assert raw(asked, waits).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        two = raw(asked, b"GET /dns HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert two.count(b"HTTP/1.1 200 OK") == 2


def test_a_stuck_caller_slows_nobody(nobody: Person) -> None:
    """Many that say nothing, and one that does not read, while a connection goes on."""
    with (
        tcp_server(echo) as port,
        session(nobody, "--host-loopback -4", *nobody.script(CLIENT, str(port), "5000000")) as (running, asked),
        ExitStack() as callers,
    ):
        for _ in range(62):
            callers.enter_context(places.connect(asked.path, 10))
        stuck = callers.enter_context(places.connect(asked.path, 10))
        stuck.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        assert running.line() == "sent\n"
        assert until(lambda: [each for each in asked.connections() if each.bytes_up == 5_000_000])
        callers.close()
        assert asked.about().totals.open == 1
