"""A session's connections and listeners in `hythe netstat`, beside what the application itself counts."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from tests import needs
from tests.gateway.conftest import _person
from tests.gateway.sessions import session

if TYPE_CHECKING:
    from pathlib import Path

#: Opens as many connections as it is told, listens, says so, and waits.
APPLICATION = """
import socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
keep = [socket.create_connection(("host.hythe.internal", port)) for _ in range(count)]
keep.append(socket.create_server(("0.0.0.0", 7777)))
print("ready", flush=True)
sys.stdin.read()
import time
time.sleep(60)
"""
COUNT = 25


def test_a_sessions_connections_are_the_applications(public_python: Path) -> None:
    needs.network()
    person = _person("nobody", public_python)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        port = server.getsockname()[1]
        words = person.script(APPLICATION, str(port), str(COUNT))
        with session(person, "--host-loopback", *words) as (running, asked):
            assert running.line() == "ready\n"

            def rows(*options: str) -> list[dict[str, Any]]:
                done = subprocess.run(
                    [*person.prefix, person.python, "-m", "hythe", "netstat", "--session", asked.name, "--json", *options],
                    capture_output=True,
                    text=True,
                    timeout=30,
                    check=True,
                    env=needs.clean_environment(),
                )
                found: list[dict[str, Any]] = json.loads(done.stdout)
                return found

            connections = rows("-tnp")
            assert len(connections) == COUNT
            assert {each["state"] for each in connections} == {"ESTABLISHED"}
            assert {each["session"] for each in connections} == {asked.name}
            assert {each["foreign"]["port"] for each in connections} == {port}
            assert all(each["processes"][0]["program"].startswith("python") for each in connections)
            (listener,) = [each for each in rows("-tlnp") if each["local"]["port"] == 7777]
            assert listener["state"] == "LISTEN"
            assert f"host.hythe.internal:{port}" in {each["foreign_name"] for each in rows("-t")}
