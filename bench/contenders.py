"""What is compared: each contender makes a network whose other side reaches this machine's loopback.

A `Place` is such a network, running, with a client (`bench.client`) inside it. All of them are started the way a user
would, and work as root and as an ordinary user.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENT = [sys.executable, "-S", str(ROOT / "bench" / "client.py")]
#: Connects until a connection is answered, with next to no start-up time of its own.
FIRST_CONNECTION = (
    'for _ in {1..300}; do { read -r answer < /dev/tcp/%s/%d; } 2>/dev/null; [ "$answer" = pong ] && exit; sleep 0.01; done'
)
START_TIMEOUT = 15.0


class ContenderError(Exception):
    """A contender could not do what a workload asked; the message says what happened."""


class Place:
    """One contender, running, with a client inside. `through`: the kind and port of the proxy at `address` to go through."""

    def __init__(self, command: list[str], address: str, through: tuple[str, int] | None = None) -> None:
        """Run *command* (the client, with whatever puts it there); the loopback outside is *address* in there."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True, cwd=ROOT
        )
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._line = b""
        self.address = address
        self.through = through
        self.pid = self._process.pid
        #: The process whose memory counts.
        self.gateway = self.pid
        try:
            self._read(START_TIMEOUT)
        except ContenderError:
            self.close()
            raise

    def ask(self, do: str, timeout: float = 20.0, **more: Any) -> dict[str, Any]:
        """Have the client do something; return its answer."""
        assert self._process.stdin is not None
        request = {"do": do, "address": self.address, "through": self.through, **more}
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ContenderError(f"the client is gone: {error}") from error
        answer = self._read(timeout)
        if "error" in answer:
            raise ContenderError(str(answer["error"]))
        return answer

    def _read(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor, end = self._process.stdout.fileno(), time.monotonic() + timeout
        while b"\n" not in self._line:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            data = os.read(descriptor, 65536) if ready else b""
            if not data:
                what = f"no answer within {timeout:.0f} s" if not ready else "ended"
                raise ContenderError(f"{what}{self._complaint()}")
            self._line += data
        line, _, self._line = self._line.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _complaint(self) -> str:
        self._errors.seek(0)
        lines = [line for line in self._errors.read().decode(errors="replace").splitlines() if "syslog" not in line]
        return f": {lines[-1]}" if lines else ""

    def attach(self, helper: subprocess.Popen[bytes]) -> None:
        """Note a process that makes the network from outside; its memory is what counts."""
        self._helpers.append(helper)
        self.gateway = helper.pid

    def memory(self) -> int:
        """Return the gateway's resident memory in bytes."""
        for line in Path(f"/proc/{self.gateway}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ContenderError("the gateway's process is gone")

    def close(self) -> None:
        """End the client, and with it the network."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        finish(self._process)
        for helper in self._helpers:
            end(helper)
        self._errors.close()


def finish(process: subprocess.Popen[bytes]) -> None:
    """Give a process time to end by itself, then end it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(3)


class Contender:
    """A way to a network; the base class is no network at all: the kernel's own loopback."""

    name = "kernel"
    #: MTUs to measure; None where there is nothing to choose.
    mtus: tuple[int | None, ...] = (None,)

    def missing(self) -> str | None:
        """Return why it cannot be measured on this machine, or None."""
        return None

    def place(self, mtu: int | None) -> Place:
        """Make the network and put a client there."""
        del mtu
        return Place(CLIENT, "127.0.0.1")

    def first_connection(self, place: Place, port: int) -> subprocess.Popen[bytes]:
        """Start anew and connect to *port* outside as soon as possible; *place* is an earlier one, for its address."""
        return run_quietly([*self.prefix(self.mtus[0]), "bash", "-c", FIRST_CONNECTION % (place.address, port)])

    def prefix(self, mtu: int | None) -> list[str]:
        """Return the words before a command that put it into the network."""
        del mtu
        return []


class Slirp4netns(Contender):
    """slirp4netns: attached from outside to the namespace of a process."""

    name = "slirp4netns"
    mtus = (65520, 1500)

    def missing(self) -> str | None:
        """Look for the program."""
        return absent("slirp4netns") or absent("unshare")

    def place(self, mtu: int | None) -> Place:
        """Start the client in an empty namespace, then attach."""
        place = Place(["unshare", "-Urn", *CLIENT], "10.0.2.2")
        try:
            place.attach(self._attach(place.pid, mtu))
        except ContenderError:
            place.close()
            raise
        return place

    def first_connection(self, place: Place, port: int) -> subprocess.Popen[bytes]:
        """Attach as soon as the namespace exists, while the command is already trying."""
        process = run_quietly(["unshare", "-Urn", "bash", "-c", FIRST_CONNECTION % (place.address, port)])
        ours, give_up = os.readlink("/proc/self/ns/net"), time.monotonic() + START_TIMEOUT
        while os.readlink(f"/proc/{process.pid}/ns/net") == ours and time.monotonic() < give_up:
            time.sleep(0.0005)
        helper = self._attach(process.pid, self.mtus[0])
        process.wait(START_TIMEOUT)
        end(helper)
        return process

    def _attach(self, pid: int, mtu: int | None) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        command = ["slirp4netns", "--configure", f"--mtu={mtu}", f"--ready-fd={writing}", str(pid), "tap0"]
        process = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writing)
        with open(reading, "rb") as ready:
            if not select.select([ready], [], [], START_TIMEOUT)[0] or ready.read(1) != b"1":
                end(process)
                raise ContenderError("slirp4netns did not come up")
        return process


class Pasta(Contender):
    """pasta: runs a command in a namespace; the machine's loopback is behind the default gateway."""

    name = "pasta"
    mtus = (65520, 1500)

    def missing(self) -> str | None:
        """Look for the program, and for the default route that pasta copies."""
        return absent("pasta") or (None if default_gateway() else "pasta needs a machine with an IPv4 default route")

    def place(self, mtu: int | None) -> Place:
        """Run the client."""
        return Place([*self.prefix(mtu), *CLIENT], default_gateway())

    def prefix(self, mtu: int | None) -> list[str]:
        """Return pasta's command line; as root it would otherwise become `nobody`, who may not open the device."""
        as_root = ["--runas", "0"] if os.geteuid() == 0 else []
        return ["pasta", *as_root, "--config-net", "-q", "-f", "-4", "-m", str(mtu), "--"]


class Hythe(Contender):
    """hythe, as `hythe run`."""

    name = "hythe"
    mtus = (65520, 1500)

    def missing(self) -> str | None:
        """Look for the command beside this Python."""
        return None if self._command().exists() else f"{self._command()} is missing: make install"

    def place(self, mtu: int | None) -> Place:
        """Run the client; ask it where the loopback outside is."""
        place = Place([*self.prefix(mtu), *CLIENT], "")
        try:
            place.address = place.ask("resolve", name="host.hythe.internal")["value"]
        except ContenderError:
            place.close()
            raise
        return place

    def prefix(self, mtu: int | None) -> list[str]:
        """Return hythe's command line."""
        return [str(self._command()), "run", "-q", "--host-loopback", "--mtu", str(mtu), "--"]

    def _command(self) -> Path:
        return Path(sys.executable).parent / "hythe"


CONTENDERS: tuple[Contender, ...] = (Contender(), Slirp4netns(), Pasta(), Hythe())


def run_quietly(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command of which only the effect matters."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd=ROOT)


def absent(program: str) -> str | None:
    """Return a sentence if *program* is not installed."""
    return None if shutil.which(program) else f"{program} is not installed"


def default_gateway() -> str:
    """Return the IPv4 default gateway of this machine, or an empty string."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        _, destination, gateway, *_ = line.split()
        if destination == "00000000" and gateway != "00000000":
            return ".".join(str(byte) for byte in reversed(bytes.fromhex(gateway)))
    return ""
