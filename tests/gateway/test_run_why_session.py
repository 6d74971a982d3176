"""`hythe why --session` and `hythe plot --session`: a running session looked at until it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.servers import tcp_server
from tests.gateway.sessions import session, until

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.gateway.conftest import Person

#: When it is told to, 30 kB, and the end.
CLIENT = """
import signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("ready", flush=True)
signal.sigwait({signal.SIGUSR1})
with socket.create_connection(("host.hythe.internal", int(sys.argv[1]))) as one:
    one.sendall(bytes(30_000))
    one.shutdown(socket.SHUT_WR)
    one.recv(1)
signal.sigwait({signal.SIGUSR1})
"""
#: 30 kB, and all that comes.
READER = CLIENT.replace("one.recv(1)\nsignal.sigwait({signal.SIGUSR1})", "while one.recv(65536):\n        pass")


def view(person: Person, *words: str) -> subprocess.Popen[str]:
    """Start one, and wait until it sees packets."""
    process = subprocess.Popen(
        [*person.prefix, person.python, "-m", "hythe", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    assert process.stderr is not None
    assert "until it ends, or ^C" in process.stderr.readline()
    return process


def slept(*views: subprocess.Popen[str]) -> list[int]:
    """How often each has waited for something so far."""
    found = []
    for each in views:
        with open(f"/proc/{each.pid}/status", encoding="utf-8") as file:
            found.append(next(int(line.split()[1]) for line in file if line.startswith("voluntary")))
    return found


def at_rest(before: list[int], *views: subprocess.Popen[str]) -> None:
    """Wait until each has got something, and for half a second nothing more."""
    until(lambda: all(now > then for now, then in zip(slept(*views), before, strict=True)), seconds=20)
    last = before
    while (now := slept(*views)) != last:
        last = now
        time.sleep(0.5)


@pytest.mark.parametrize("interrupted", [False, True], ids=["to its end", "until ^C"])
def test_a_session_is_looked_at(nobody: Person, folder: Path, interrupted: bool) -> None:
    needs.network()
    done = threading.Event()

    def takes(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass
        done.set()

    options = "--host-loopback -4"
    with tcp_server(takes) as port, session(nobody, options, *nobody.script(CLIENT, str(port))) as (running, asked):
        assert running.line() == "ready\n"
        why = view(nobody, "why", "--json", "--session", asked.name)
        plot = view(nobody, "plot", "-o", f"{folder}/drawn.html", "--session", asked.name)
        with why, plot:
            before = slept(why, plot)
            running.process.send_signal(signal.SIGUSR1)
            assert done.wait(20)
            if interrupted:
                until(lambda: [each for each in asked.connections(ended=9) if each.ended])
                at_rest(before, why, plot)
                for each in (why, plot):
                    each.send_signal(signal.SIGINT)
            else:
                running.process.send_signal(signal.SIGUSR1)
            told = why.communicate(timeout=20)[0]
            plot.communicate(timeout=20)
    assert (why.returncode, plot.returncode) == (0, 0)
    found = json.loads(told)
    assert found["ways"][0]["octets"] == 30_000
    assert not [each for each in found["findings"] if each["problem"]]
    assert "sequence numbers" in (folder / "drawn.html").read_text()


def test_a_session_tells_its_congestion_window(nobody: Person, folder: Path) -> None:
    needs.network()
    told = threading.Event()

    def gives(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass
        connection.sendall(bytes(600_000))
        told.set()

    options = "--host-loopback -4 --delay 20ms"
    with tcp_server(gives) as port, session(nobody, options, *nobody.script(READER, str(port))) as (running, asked):
        assert running.line() == "ready\n"
        words = ["--kind", "flight", "--way", "back", "-o", f"{folder}/drawn.html"]
        with view(nobody, "plot", *words, "--session", asked.name) as plot:
            running.process.send_signal(signal.SIGUSR1)
            assert told.wait(20)
            said = plot.communicate(timeout=20)[1]
    assert plot.returncode == 0, said
    assert " of congestion window" in (folder / "drawn.html").read_text()
