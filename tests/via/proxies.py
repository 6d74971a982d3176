"""Real proxies and SSH servers on loopback, ended with their `with`."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests import needs
from tests.gateway.servers import closed_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def program(*words: str, port: int, cwd: Path, host: str = "127.0.0.1") -> Iterator[None]:
    """Run a server until the `with` ends; it has begun when `port` takes connections."""
    log = cwd / f"log-{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 20
        while not _answers(host, port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, f"{words[0]} does not listen"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return probe.connect_ex((host, port)) == 0


@contextmanager
def microsocks(place: Path, *options: str) -> Iterator[int]:
    """A small SOCKS5 server: CONNECT only."""
    port = closed_port()
    words = (needs.program("microsocks"), "-i", "127.0.0.1", "-p", str(port), *options)
    with program(*words, port=port, cwd=place):
        yield port


DANTED = """
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: {external}
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks block {{ from: 0.0.0.0/0 to: 127.0.0.9/32 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: bind connect udpassociate }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: bindreply udpreply }}
"""


@contextmanager
def danted(place: Path) -> Iterator[int]:
    """Dante: SOCKS4, 4a and 5 with all commands; it refuses to go to 127.0.0.9."""
    needs.root()
    port = closed_port()
    (place / "danted.conf").write_text(DANTED.format(port=port, external="lo"))
    with program(needs.program("danted"), "-f", str(place / "danted.conf"), "-N", "1", port=port, cwd=place):
        yield port


@contextmanager
def tinyproxy(place: Path, *lines: str) -> Iterator[int]:
    """An HTTP proxy."""
    port = closed_port()
    conf = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1", "DisableViaHeader Yes", *lines]
    (place / "tinyproxy.conf").write_text("\n".join(conf) + "\n")
    with program(needs.program("tinyproxy"), "-d", "-c", str(place / "tinyproxy.conf"), port=port, cwd=place):
        yield port


@contextmanager
def ssh_dynamic(place: Path) -> Iterator[int]:
    """OpenSSH's own ``-D``, through an sshd on loopback."""
    needs.root()
    keygen = needs.program("ssh-keygen")
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True, timeout=30)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd insists on it, and its service makes it
    far, port = closed_port(), closed_port()
    options = [f"HostKey={place}/host", f"AuthorizedKeysFile={place}/user.pub", f"ListenAddress=127.0.0.1:{far}"]
    options += ["PidFile=none", "UsePAM=no", "StrictModes=no", "PermitRootLogin=yes"]
    server = [needs.program("sshd"), "-D", "-e", "-f", "/dev/null", *(word for each in options for word in ("-o", each))]
    trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    client = [needs.program("ssh"), "-F", "none", "-N", *trust, "-i", str(place / "user"), "-p", str(far)]
    client += ["-D", f"127.0.0.1:{port}", "root@127.0.0.1"]
    with program(*server, port=far, cwd=place), program(*client, port=port, cwd=place):
        yield port
