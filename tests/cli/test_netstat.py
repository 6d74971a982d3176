"""`hythe netstat` as it is called."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hythe.view.names import HostNames
from hythe.view.netstat.interfaces import interfaces
from hythe.view.netstat.routes import routes
from tests import needs


def hythe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hythe", "netstat", *words], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_listener_and_who_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=7) as server:
        port = server.getsockname()[1]
        (line,) = [each for each in hythe("-tlnp").stdout.splitlines() if f"127.0.0.1:{port} " in each]
        proto, waiting, limit, _, foreign, state, user, program = line.split()
        assert (proto, waiting, limit, foreign, state) == ("tcp", "0", "7", "0.0.0.0:*", "LISTEN")
        assert (user, program.partition("/")[0]) == (str(os.getuid()), str(os.getpid()))
        (found,) = [each for each in json.loads(hythe("-tlnp", "--json").stdout) if each["local"]["port"] == port]
        assert found["processes"][0]["descriptor"] == server.fileno()
        assert f":{port} " not in hythe("-tn").stdout
        assert f":{port} " not in hythe("-ln6").stdout


def test_others_programs_are_not_shown_without_rights(public_python: Path) -> None:
    needs.root()
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [*needs.nobody(), str(public_python), "-m", "hythe", "netstat", "-tlnp"]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, env=needs.clean_environment())
        (line,) = [each for each in shown.stdout.splitlines() if f"127.0.0.1:{server.getsockname()[1]} " in each]
        assert line.split()[-2:] == ["0", "-"]


def test_again_until_interrupted() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "hythe", "netstat", "-tlnc", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        headings = 0
        while headings < 2:
            headings += process.stdout.readline().startswith("Active Internet connections")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_routes_and_interfaces_are_the_kernels() -> None:
    with open("/proc/net/route", encoding="ascii") as file:
        assert len(routes(frozenset({4}))) == len(file.readlines()) - 1
    found = {each.name: each for each in interfaces()}
    assert set(found) == {name for _, name in socket.if_nameindex()}
    for each in routes(frozenset({4})):
        assert not each.is_default or 4 in found[each.interface].default
    assert {each["name"] for each in json.loads(hythe("-ia", "--json").stdout)} == set(found)
    assert hythe("-rn4").stdout.startswith("Kernel IP routing table\nDestination ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-t", "5"], "'5' has no meaning here: SECONDS goes with -c"),
        (["-c", "0"], "'0' is no time to wait: write seconds, 1 to 86400"),
        (["-c", "soon"], "'soon' is no time to wait"),
        (["-i", "-r"], "are different tables"),
        (["--session", "no-such-session"], "no session is called 'no-such-session'"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], sentence: str) -> None:
    done = hythe(*words)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_names_are_found_in_the_background() -> None:
    names = HostNames()
    names.ask([b"\x7f\0\0\1"])
    names.wait(5)
    assert names.get(b"\x7f\0\0\1") == socket.getnameinfo(("127.0.0.1", 0), 0)[0]
    assert names.get(bytes(4)) is None
