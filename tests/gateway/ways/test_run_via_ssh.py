"""`hythe run --via ssh://`, alone and behind a proxy, through OpenSSH's sshd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.gateway.servers import echo, tcp_server
from tests.tunnel.ssh.peers import openssh
from tests.via.proxies import microsocks

#: A name that this machine's /etc/hosts has, asked of the gateway: the command's own /etc/hosts has it, too.
COMMAND = 'found=$(dig +short "$1" | head -n 1); case $found in 198.18.*) echo hello | nc -N -w 5 "$found" "$2";; esac'


@pytest.fixture
def name() -> str:
    """Return a name of loopback other than localhost, which no command asks for."""
    for line in Path("/etc/hosts").read_text().splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        for each in names:
            if address in ("127.0.0.1", "127.0.1.1", "::1") and not each.startswith("localhost"):
                return each
    return needs.lack("needs a name of loopback in /etc/hosts other than localhost")


@pytest.mark.parametrize("chained", [False, True])
def test_streams(tmp_path: Path, name: str, chained: bool) -> None:
    needs.network()
    needs.program("dig")
    with openssh(tmp_path) as server, tcp_server(echo) as port, microsocks(tmp_path) as proxy:
        (tmp_path / ".ssh").mkdir(mode=0o700)
        (tmp_path / ".ssh" / "config").write_text(server.config.read_text())
        way = f"socks5://127.0.0.1:{proxy},ssh://{server.name}" if chained else f"ssh://{server.name}"
        words = [
            sys.executable,
            "-m",
            "hythe",
            "run",
            "--via",
            way,
            "--summary",
            "--",
            "sh",
            "-c",
            COMMAND,
            "-",
            name,
            str(port),
        ]
        env = needs.clean_environment(HOME=str(tmp_path))
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert said.stdout == "hello\n", said.stderr
    assert f"via ssh://{server.name}" in said.stderr


def test_a_key_that_nobody_knows_is_no_network(tmp_path: Path) -> None:
    needs.network()
    with openssh(tmp_path) as server:
        server.known.write_text("")
        (tmp_path / ".ssh").mkdir(mode=0o700)
        (tmp_path / ".ssh" / "config").write_text(server.config.read_text())
        words = [
            sys.executable,
            "-m",
            "hythe",
            "run",
            "--via",
            f"ssh://{server.name}",
            "--",
            "nc",
            "-w",
            "5",
            "192.0.2.1",
            "80",
        ]
        env = needs.clean_environment(HOME=str(tmp_path))
        said = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, env=env
        )
    assert said.returncode == 1
    assert "hythe: a way out fails" in said.stderr
    assert "host key" in said.stderr
