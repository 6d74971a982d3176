"""Two machines in network namespaces with a cable between them, wireguard-go on the far one, hythe on the near one.

The near one has no other way to anywhere: what leaves its cable can be seen, all of it.
"""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

    from tests.gateway.conftest import Person

NEAR, FAR, FAR_TOO = "192.0.2.1", "192.0.2.2", "192.0.2.3"
NEAR6, FAR6 = "2001:db8::1", "2001:db8::2"
PORT = 51_820
#: Inside the tunnel.
CLIENT, SERVER = "10.8.0.2", "10.8.0.1"
CLIENT6, SERVER6 = "fd08::2", "fd08::1"
_count = itertools.count()


class Keys:
    """A key pair, as configuration files have them."""

    def __init__(self, rng: Random) -> None:
        private = clamp(rng.randbytes(32))
        self.private = key_text(private.reveal())
        self.public = key_text(public_key(private))


class Machine:
    """A network namespace of its own, gone with its `with`."""

    def __init__(self, stack: ExitStack, name: str) -> None:
        self.stack = stack
        self.name = f"hythe{os.getpid()}-{next(_count)}{name}"
        needs.root()
        self.ip = needs.program("ip")
        subprocess.run([self.ip, "netns", "add", self.name], check=True, timeout=10)
        stack.callback(subprocess.run, [self.ip, "netns", "del", self.name], check=True, timeout=10)
        self.run("ip link set lo up")

    def words(self, *command: str) -> list[str]:
        """Return the command line that runs a command there."""
        return [self.ip, "netns", "exec", self.name, *command]

    def run(self, text: str, *, check: bool = True, timeout: float = 30) -> str:
        """Run a command there to its end; what it printed."""
        done = subprocess.run(
            self.words("sh", "-c", text), check=False, timeout=timeout, capture_output=True, text=True, env=_environment()
        )
        assert done.returncode == 0 or not check, f"{text}: {done.stderr}"
        return done.stdout + done.stderr

    def start(self, *command: str, ready: str = "", **environment: str) -> subprocess.Popen[str]:
        """Run a command there until the end; `ready`: a shell command that succeeds once it is."""
        process = subprocess.Popen(
            self.words(*command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**_environment(), **environment},
        )
        self.stack.callback(_stop, process)
        until = time.monotonic() + 20
        while (
            ready and subprocess.run(self.words("sh", "-c", ready), capture_output=True, check=False, timeout=10).returncode
        ):
            assert process.poll() is None, f"{command} has ended"
            assert time.monotonic() < until, f"{command} does not get ready"
            time.sleep(0.02)
        return process


class Field:
    """`near` and `far`, and files of both ends in `folder`. `client`, `server`: their keys."""

    def __init__(self, stack: ExitStack, folder: Path, rng: Random) -> None:
        self.stack = stack
        self.folder = folder
        self.near = Machine(stack, "a")
        self.far = Machine(stack, "b")
        self.client, self.server = Keys(rng), Keys(rng)
        self.psk = base64.b64encode(rng.randbytes(32)).decode()
        number = f"{os.getpid() % 10_000}{next(_count)}"
        self.wg = f"wgo{number}"
        self._peer: Machine | None = None
        self.near.run(
            f"ip link add cable0 type veth peer name cable1 netns {self.far.name};"
            f"ip addr add {NEAR}/24 dev cable0; ip addr add {NEAR6}/64 dev cable0 nodad; ip link set cable0 up;"
            f"ip route add default via {FAR}; ip -6 route add default via {FAR6}"
        )
        self.far.run(
            f"ip addr add {FAR}/24 dev cable1; ip addr add {FAR_TOO}/24 dev cable1; ip addr add {FAR6}/64 dev cable1 nodad;"
            "ip link set cable1 up"
        )

    def peer(self) -> Machine:
        """Return one more machine, the same each time, which reaches the far one alone."""
        if self._peer is not None:
            return self._peer
        self._peer = found = Machine(self.stack, "c")
        found.run(
            f"ip link add cable2 type veth peer name cable3 netns {self.far.name}; ip addr add 192.0.2.33/30 dev cable2;"
            "ip link set cable2 up"
        )
        self.far.run("ip addr add 192.0.2.34/30 dev cable3; ip link set cable3 up")
        found.run(f"ip route add {FAR} via 192.0.2.34")
        return found

    def services(self, machine: Machine, address: str) -> None:
        """Have DNS (www.corp.example is `address`), HTTP and iperf3 answer there."""
        page = self.folder / "www"
        page.mkdir(exist_ok=True)
        (page / "index.html").write_text("through the tunnel\n")
        needs.program("dnsmasq")
        machine.start(
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"),
            *(f"--address=/corp.example/{address}", "--bind-dynamic", "--pid-file=", "--dns-loop-detect"),
            ready="ss -lun | grep -q :53",
        )
        machine.start(
            *(sys.executable, "-m", "http.server", "--directory", str(page), "--bind", "::", "8080"),
            ready="ss -ltn | grep -q :8080",
        )
        machine.start("iperf3", "--server", ready="ss -ltn | grep -q :5201")

    def file(self, name: str, text: str) -> Path:
        """Write a configuration that its user alone may read."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, needs.NOBODY, needs.NOBODY)
        return path

    def client_file(self, name: str = "client.conf", *, endpoint: str = f"{FAR}:{PORT}", extra: str = "") -> Path:
        """Write what a client has, all traffic through the tunnel."""
        return self.file(
            name,
            f"[Interface]\nPrivateKey = {self.client.private}\nAddress = {CLIENT}/24, {CLIENT6}/64\n{extra}\n"
            f"[Peer]\nPublicKey = {self.server.public}\nPresharedKey = {self.psk}\nEndpoint = {endpoint}\n"
            "AllowedIPs = 0.0.0.0/0, ::/0\n",
        )

    def server_file(self, name: str = "server.conf") -> Path:
        """Write what a server has."""
        return self.file(
            name,
            f"[Interface]\nPrivateKey = {self.server.private}\nAddress = {SERVER}/24, {SERVER6}/64\nListenPort = {PORT}\n"
            f"\n# laptop\n[Peer]\nPublicKey = {self.client.public}\nPresharedKey = {self.psk}\n"
            f"AllowedIPs = {CLIENT}/32, {CLIENT6}/128\n",
        )

    def wireguard_go(self, machine: Machine, file: Path) -> subprocess.Popen[str]:
        """Bring wireguard-go up there with a file as wg-quick has it."""
        needs.program("wireguard-go")
        needs.program("wg")
        process = machine.start(
            "wireguard-go", "-f", self.wg, ready=f"wg show {self.wg}", WG_PROCESS_FOREGROUND="1", LOG_LEVEL="error"
        )
        bare = [line for line in file.read_text().splitlines() if not line.startswith(("Address", "DNS", "MTU"))]
        setconf = self.file(f"{self.wg}.setconf", "\n".join(bare) + "\n")
        machine.run(f"wg setconf {self.wg} {setconf}; ip link set {self.wg} mtu 1420 up")
        if f"ListenPort = {PORT}" in bare:
            machine.run(f"until ss -lun | grep -q :{PORT}; do sleep 0.02; done")
        addresses = (SERVER, SERVER6) if machine is self.far else (CLIENT, CLIENT6)
        machine.run(f"ip addr add {addresses[0]}/24 dev {self.wg}; ip addr add {addresses[1]}/64 dev {self.wg} nodad")
        return process


class Runner:
    """Runs commands through the tunnel."""

    def __init__(self, place: Field, person: Person) -> None:
        self.place = place
        self.person = person

    def words(self, *command: str, options: str = "", via: str = "") -> list[str]:
        """Return the command line."""
        way = via or f"wg:{self.place.folder}/client.conf"
        return self.place.near.words(
            *self.person.prefix, self.person.python, "-m", "hythe", "run", "--via", way, *options.split(), "--", *command
        )

    def run(self, text: str, *, options: str = "", via: str = "", timeout: float = 40) -> subprocess.CompletedProcess[str]:
        """Run a shell's command to its end."""
        return subprocess.run(
            self.words("sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {text}", options=options, via=via),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=needs.clean_environment(),
            cwd=self.place.folder,
        )


@contextmanager
def field(folder: Path, rng: Random) -> Iterator[Field]:
    """Both machines, with nothing running on them yet."""
    with ExitStack() as stack:
        yield Field(stack, folder, rng)


def _environment() -> dict[str, str]:
    return dict(needs.clean_environment())


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
        raise
