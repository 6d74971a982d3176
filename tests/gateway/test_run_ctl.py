"""`hythe ps` and `hythe ctl` as a person types them, and a wire that gets worse and better under a transfer."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
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


def test_ps_tells_of_a_session_that_is_stopped(nobody: Person) -> None:
    with session(nobody, "", "sleep", "60") as (running, asked):
        running.process.send_signal(signal.SIGSTOP)
        try:
            ran = hythe(nobody, "ps", "--json")
        finally:
            running.process.send_signal(signal.SIGCONT)
        assert ran.returncode == 0
        assert f"hythe: the session {asked.name!r} does not answer: it may be stopped (^Z)\n" in ran.stderr
        assert asked.name not in ran.stdout
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

    def serve(connection: socket.socket) -> None:
        step = len(content) // len(changes)
        for start in range(0, len(content), step):
            connection.sendall(content[start : start + step])
            if changes:
                asked.set_faults(**changes.pop(0))

    with tcp_server(serve) as port:
        command = person.script(DOWNLOAD, str(port))
        with session(person, "--host-loopback -4", "sh", "-c", 'sleep 0.3; exec "$@"', "sh", *command) as (running, asked):
            assert running.line() == hashlib.sha256(content).hexdigest() + "\n"
    assert not changes


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
