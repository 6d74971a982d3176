"""`hythe run --via ssh://`, alone and behind a proxy, through OpenSSH's sshd."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.gateway.servers import echo, tcp_server
from tests.gateway.ways.elsewhere import udp_echo
from tests.tunnel.ssh.peers import openssh
from tests.tunnel.ssh.test_server import sshd
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


ASK = """
import socket, subprocess, sys
found = subprocess.run(["dig", "+short", sys.argv[1]], capture_output=True, text=True).stdout.split()[0]
for number in range(2):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(10)
        asking.connect((found, int(sys.argv[2])))
        asking.send(b"hello")
        try:
            print(asking.recv(100).decode())
        except OSError as error:
            print(error.errno)
"""


def asked(home: Path, server: str, name: str, port: int) -> list[str]:
    words = [sys.executable, "-m", "hythe", "run", "--via", f"ssh://{server}", "--", sys.executable, "-c", ASK]
    env = needs.clean_environment(HOME=str(home))
    said = subprocess.run([*words, name, str(port)], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert said.returncode == 0, said.stderr
    return said.stdout.split()


def test_datagrams_by_a_server_of_ours(tmp_path: Path, name: str) -> None:
    needs.network()
    needs.program("dig")
    with sshd(tmp_path) as server, udp_echo() as port:
        (tmp_path / ".ssh").mkdir(mode=0o700)
        lines = ["Host box", "HostName 127.0.0.1", f"Port {server.port}", f"IdentityFile {tmp_path}/user"]
        lines += ["IdentityAgent none", f"UserKnownHostsFile {tmp_path}/known"]
        (tmp_path / ".ssh" / "config").write_text("\n".join(lines) + "\n")
        assert asked(tmp_path, "box", name, port) == ["HELLO", "HELLO"]


def test_datagrams_are_refused_by_opensshs(tmp_path: Path, name: str) -> None:
    needs.network()
    needs.program("dig")
    with openssh(tmp_path) as server:
        (tmp_path / ".ssh").mkdir(mode=0o700)
        (tmp_path / ".ssh" / "config").write_text(server.config.read_text())
        assert asked(tmp_path, server.name, name, 9) == [str(errno.EHOSTUNREACH)] * 2, "administratively prohibited"


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
