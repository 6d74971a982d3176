"""`hythe ps` and `hythe ctl` as a person types them, and a wire that gets worse and better under a transfer."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from tests import needs
from tests.gateway.servers import tcp_server
from tests.gateway.sessions import session, until
from tests.gateway.test_run_session import SERVER

if TYPE_CHECKING:
    from random import Random

    from tests.gateway.conftest import Person

#: Measures round trips to the gateway: pings until it is told otherwise.
PING = ["ping", "-q", "-i", "0.01", "gateway.hythe.internal"]
#: Receives all there is and says what it was.
DOWNLOAD = """
import hashlib, socket, sys
stream = socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
digest = hashlib.sha256()
while data := stream.recv(1 << 16):
    digest.update(data)
print(digest.hexdigest(), flush=True)
"""


def hythe(person: Person, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*person.prefix, person.python, "-m", "hythe", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=person.folder,
        env=needs.clean_environment(),
    )


def test_ps_shows_sessions(person: Person) -> None:
    with session(person, "", "sleep", "60") as (_, asked):
        headings, *lines = hythe(person, "ps").stdout.splitlines()
        assert headings.split() == ["NAME", "PID", "SINCE", "UP", "DOWN", "OPEN", "COMMAND"]
        (mine,) = [line for line in lines if line.startswith(f"{asked.name} ")]
        assert mine.split()[-7:] == ["0", "B", "0", "B", "0", "sleep", "60"]
    assert asked.name not in hythe(person, "ps").stdout


@pytest.mark.alone  # whoever else looks at sessions would see this one
def test_views_tell_of_a_session_that_is_stopped(nobody: Person) -> None:
    """And show the others; whoever asks for it alone gets a status."""
    with session(nobody, "", "sleep", "60") as (running, asked):
        running.process.send_signal(signal.SIGSTOP)
        try:
            asking = (("ps", "--json"), ("netstat", "-s"), ("netstat", "-s", "--session", asked.name))
            with ThreadPoolExecutor() as pool:  # each waits two seconds
                *ran, alone = pool.map(lambda words: hythe(nobody, *words), asking)
        finally:
            running.process.send_signal(signal.SIGCONT)
        sentence = f"hythe: the session {asked.name!r} does not answer: it may be stopped (^Z)\n"
        for each in ran:
            assert each.returncode == 0
            assert sentence in each.stderr
            assert asked.name not in each.stdout
        assert (alone.returncode, alone.stdout, alone.stderr) == (1, "", sentence)
        assert asked.about().name == asked.name


def test_ps_in_json_is_what_sessions_tell(person: Person) -> None:
    with session(person, "", *person.script(SERVER)) as (running, asked):
        assert running.line() == "ready\n"
        sessions = json.loads(hythe(person, "ps", "--json").stdout)
        (mine,) = [each for each in sessions if each["name"] == asked.name]
        assert mine["command"][0] == person.python
        assert mine["totals"]["connections"] == 0
        published = hythe(person, "ctl", asked.name, "publish", "127.0.0.1:0:7000")
        assert published.returncode == 0, published.stderr
        outside = int(published.stdout.split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", outside), timeout=10) as client:
            until(lambda: asked.connections())
            (connection,) = json.loads(hythe(person, "ps", "--json", asked.name).stdout)
            assert connection["inbound"]
            table = hythe(person, "ps", asked.name).stdout.splitlines()
            assert table[1].split()[:2] == [str(connection["id"]), "tcp"]
            killed = hythe(person, "ctl", asked.name, "kill", str(connection["id"]))
            assert killed.stdout == f"{asked.name}: tcp connection {connection['id']} is reset\n"
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_the_wire_gets_worse_and_better(person: Person) -> None:
    needs.program("ping")
    with session(person, "-4", *PING) as (running, asked):
        assert asked.faults().up is None
        set_by_hand = hythe(person, "ctl", asked.name, "set", "delay=30ms", "up-loss=nth:1")
        assert set_by_hand.stdout == f"{asked.name}: delay=30ms up-loss=nth:1\n"
        assert asked.about().faults == {"delay": "30ms", "up_loss": "nth:1"}
        faults = asked.faults()
        assert faults.up is not None
        until(lambda: (now := asked.faults().down) is not None and now.passed > 20)
        assert asked.set_faults(delay=None, up_loss=None).words == {}
        until(lambda: asked.faults().up is None)
        running.process.send_signal(signal.SIGINT)
        said = running.process.communicate(timeout=10)[0].decode()
    least, _, most, _ = said.rpartition(" = ")[2].removesuffix(" ms\n").split("/")
    assert float(least) < 30
    assert float(most) >= 60


def test_a_transfer_survives_every_change(person: Person, rng: Random) -> None:
    content = rng.randbytes(8 << 20)
    changes: list[dict[str, str | None]] = [
        {"delay": "5ms"},
        {"loss": "2%"},
        {"delay": None, "reorder": "5%"},
        {"loss": None, "reorder": None},
        {"corrupt": "1%", "rate": "200mbit"},
        {"corrupt": None, "rate": None},
    ]

    begun = threading.Event()

    def serve(connection: socket.socket) -> None:
        assert begun.wait(20)
        step = len(content) // len(changes)
        for start in range(0, len(content), step):
            connection.sendall(content[start : start + step])
            if changes:
                asked.set_faults(**changes.pop(0))

    with tcp_server(serve) as port:
        command = person.script(DOWNLOAD, str(port))
        with session(person, "--host-loopback -4", *command) as (running, asked):
            begun.set()
            assert running.line() == hashlib.sha256(content).hexdigest() + "\n"
    assert not changes


def test_a_published_port_is_taken_away_again(nobody: Person) -> None:
    """With its UDP clients; a TCP client that has come stays, and the port can be published anew."""
    program = """
import socket, threading
def datagrams():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 7000))
        while True:
            server.sendto(*server.recvfrom(100))
threading.Thread(target=datagrams, daemon=True).start()
with socket.create_server(("0.0.0.0", 7000)) as server:
    print("ready", flush=True)
    client, _ = server.accept()
    while data := client.recv(100):
        client.sendall(data)
    threading.Event().wait(60)
"""
    with session(nobody, "-4", *nobody.script(program)) as (running, asked):
        assert running.line() == "ready\n"
        (tcp,) = asked.publish("127.0.0.1:0:7000")
        (udp,) = asked.publish("127.0.0.1:0:7000/udp")
        assert tcp.outside is not None
        assert udp.outside is not None
        with (
            socket.create_connection((tcp.outside.address, tcp.outside.port), timeout=10) as client,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker,
        ):
            speaker.settimeout(10)
            speaker.connect((udp.outside.address, udp.outside.port))
            for each in (client, speaker):
                each.sendall(b"ping")
                assert each.recv(100) == b"ping"
            done = hythe(nobody, "ctl", asked.name, "unpublish", f"127.0.0.1:{tcp.outside.port}", f"{udp.outside.port}/udp")
            assert done.returncode == 0, done.stderr
            assert [line.split()[1:] for line in done.stdout.splitlines()] == [
                [f"127.0.0.1:{each.outside.port}", "is", "no", "longer", "published"] for each in (tcp, udp) if each.outside
            ]
            client.sendall(b"still")
            assert client.recv(100) == b"still"
            speaker.sendall(b"gone")
            with pytest.raises(ConnectionRefusedError):
                speaker.recv(100)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((tcp.outside.address, tcp.outside.port), timeout=10)
            assert [each.protocol for each in asked.connections()] == ["tcp"]
        assert [each for each in asked.listeners() if each.outside is not None] == []
        with pytest.raises(UsageError, match=f"no published port has the number {tcp.id}"):
            asked.unpublish(tcp.id or 0)
        (again,) = asked.publish(f"127.0.0.1:{tcp.outside.port}:7000")
        assert again.id not in (tcp.id, udp.id)


def test_wrong_words_get_a_sentence(nobody: Person) -> None:
    with session(nobody, "", "sleep", "60") as (_, asked):
        for words, status, sentence in (
            (("ctl", asked.name, "set", "loss"), 2, "'loss' does not say what it shall be: write for example loss=5%"),
            (("ctl", asked.name, "set", "loss=7"), 2, "--loss: '7' is not a share"),
            (("ctl", asked.name, "set", "luck=7"), 2, "there is no fault 'luck': there are delay, jitter, rate"),
            (("ctl", asked.name, "set", "up-queue=64KiB"), 2, "has nothing to wait for"),
            (("ctl", asked.name, "kill", "x"), 2, "'x' is not a connection: write its number, which hythe ps"),
            (("ctl", asked.name, "kill", "7"), 2, "no connection 7 goes on"),
            (("ctl", asked.name, "publish", "x"), 2, "does not say which port leads where"),
            (
                ("ctl", asked.name, "unpublish", "8080"),
                2,
                f"{asked.name} publishes no tcp port 8080: hythe netstat -ln --session",
            ),
            (("ctl", asked.name, "unpublish", "8080:80"), 2, "'8080:80' does not say which port outside: write for example"),
            (("ctl", asked.name, "unpublish", "::1:80"), 2, "'::1:80' does not say which port outside"),
            (("ctl", asked.name, "unpublish", "no-such"), 2, "'no-such' is neither a port nor a tcp service"),
            (("ctl", "nobody-there", "kill", "1"), 2, "no session is called 'nobody-there': there "),
            (("ps", "nobody-there"), 2, "no session is called 'nobody-there': there "),
            (("ctl", asked.name, "sing", "1"), 2, "hythe ctl --help"),
            (("run", "--name", asked.name, "--", "true"), 2, f"--name {asked.name} is taken"),
            (("run", "--name", "a/b", "--", "true"), 2, "--name 'a/b' is not possible"),
        ):
            ran = hythe(nobody, *words)
            assert (ran.returncode, ran.stdout) == (status, ""), (words, ran)
            assert sentence in ran.stderr, (words, ran.stderr)
            assert ran.stderr.count("\n") == 1
        with pytest.raises(UsageError, match="is not a share"):
            asked.set_faults(loss="much")
        assert asked.about().faults == {}
