"""OpenSSH's server on loopback, with keys made for the test, and a configuration that leads there."""

from __future__ import annotations

import getpass
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests import needs
from tests.gateway.servers import closed_port
from tests.via.proxies import program

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
Host {name}
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {identity}
  IdentityAgent none
  UserKnownHostsFile {known}
  GlobalKnownHostsFile /dev/null
"""


class Server:
    """One sshd. `config`: for clients; they call it by `name`. `known`: their known_hosts, which has its key."""

    def __init__(self, place: Path, name: str) -> None:
        self.place = place / name
        self.place.mkdir()
        self.name = name
        self.port = closed_port()
        self.host_key = key(self.place / "host")
        self.user_key = key(self.place / "user")
        self.authorized = self.place / "authorized"
        self.known = self.place / "known"
        self.config = self.place / "config"
        self.authorize()
        self.know(self.host_key)
        self.write_config()

    def authorize(self, options: str = "", public: Path | None = None) -> None:
        """Let in whoever has the user's key, or another's."""
        text = (public or self.user_key).with_suffix(".pub").read_text()
        self.authorized.write_text(f"{options} {text}".lstrip())
        self.authorized.chmod(0o600)

    def know(self, host_key: Path) -> None:
        kind, public, *_ = host_key.with_suffix(".pub").read_text().split()
        self.known.write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n")

    def write_config(self, *lines: str, before: str = "") -> None:
        """What ~/.ssh/config would have."""
        text = CONFIG.format(
            name=self.name, port=self.port, user=getpass.getuser(), identity=self.user_key, known=self.known
        )
        self.config.write_text(before + text + "".join(f"  {line}\n" for line in lines))

    @contextmanager
    def running(self, *options: str) -> Iterator[None]:
        """Serve until the end of `with`."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Debian's sshd insists on it, and its service makes it
        lines = [
            f"ListenAddress=127.0.0.1:{self.port}",
            f"HostKey={self.host_key}",
            f"AuthorizedKeysFile={self.authorized}",
            "PidFile=none",
            "UsePAM=no",
            "StrictModes=no",
            "PermitRootLogin=yes",
            "MaxStartups=200",
            *options,
        ]
        words = [needs.program("sshd"), "-D", "-e", "-f", "/dev/null", *(word for each in lines for word in ("-o", each))]
        with program(*words, port=self.port, cwd=self.place):
            yield


def key(path: Path, *options: str) -> Path:
    """Make a key pair: `path`, and its public half beside it."""
    words = [needs.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path), *options]
    subprocess.run(words, check=True, timeout=30)
    return path


def certify(user_key: Path, authority: Path, *options: str) -> None:
    """Make a certificate beside `user_key`."""
    words = [needs.program("ssh-keygen"), "-q", "-s", str(authority), "-I", "test", "-n", getpass.getuser(), *options]
    subprocess.run([*words, str(user_key.with_suffix(".pub"))], check=True, timeout=30)


@contextmanager
def openssh(place: Path, *options: str, name: str = "box") -> Iterator[Server]:
    """A server that runs."""
    needs.root()
    server = Server(place, name)
    with server.running(*options):
        yield server
