"""`python -m bench.forwards`: `hythe forward -L` beside `ssh -L`, through the same OpenSSH server on loopback.

The client and the services are those of the other workloads. Each contender is one process that forwards their ports, and
all run each workload in turn before the next, so that what else the machine does hits all alike. `ssh` is measured as it
comes and with the cipher that hythe asks for.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.contenders import CLIENT, ContenderError, Place, end
from bench.report import Target, beside
from bench.results import Results
from bench.service import Services
from bench.workloads import WORKLOADS

#: Forwarded, and used by these workloads.
SERVICES = ("sink", "source", "short", "echo")
NAMES = ("up, 1 flow", "down, 1 flow", "up, 8 flows", "down, 8 flows", "connections in turn", "round trip")
START = 15.0
SECONDS = 1.0
ROUNDS = 4
CIPHER = "aes128-gcm@openssh.com"
TARGETS = (Target("up, 1 flow", 1.0, "ssh -L"), Target("down, 1 flow", 1.0, "ssh -L"))


class Server:
    """OpenSSH's sshd, with keys of its own, and a home for clients whose configuration leads to it as `box`."""

    def __init__(self, place: Path) -> None:
        self.home = place
        self.port = free_port()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True, timeout=30)
        kind, key, *_ = (place / "host.pub").read_text().split()
        (place / "known").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        (place / ".ssh").mkdir()
        self.config = place / ".ssh" / "config"
        lines = ["Host box", "HostName 127.0.0.1", f"Port {self.port}", f"User {getpass.getuser()}"]
        lines += [f"IdentityFile {place}/user", f"UserKnownHostsFile {place}/known", "IdentityAgent none"]
        self.config.write_text("\n".join(lines) + "\n")
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        options = [f"ListenAddress=127.0.0.1:{self.port}", f"HostKey={place}/host", f"AuthorizedKeysFile={place}/user.pub"]
        options += ["PidFile=none", "UsePAM=no", "StrictModes=no", "PermitRootLogin=yes", "MaxStartups=200"]
        words = ["/usr/sbin/sshd", "-D", "-f", "/dev/null", *(word for each in options for word in ("-o", each))]
        self._process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        listening(self.port, self._process)

    def close(self) -> None:
        """End it."""
        end(self._process)


class Forwarder:
    """One contender that runs. `ports`: of the services, as its client finds them."""

    def __init__(self, name: str, words: Sequence[str], server: Server, services: Mapping[str, int]) -> None:
        self.name = name
        self.ports = {each: free_port() for each in SERVICES}
        forwards = [word for each in SERVICES for word in ("-L", f"{self.ports[each]}:127.0.0.1:{services[each]}")]
        environment = {**os.environ, "HOME": str(server.home)}
        given = [each.replace("CONFIG", str(server.config)) for each in words]
        at = given.index("FORWARDS")
        self._process = subprocess.Popen(
            [*given[:at], *forwards, *given[at + 1 :]], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        listening(self.ports["echo"], self._process)
        self.place = Place(CLIENT, "127.0.0.1")

    def close(self) -> None:
        """End it."""
        self.place.close()
        end(self._process)
        if self._process.stderr is not None:
            self._process.stderr.close()


SSH = ("ssh", "-F", "CONFIG", "-N", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes")
CONTENDERS: Mapping[str, tuple[str, ...]] = {
    "ssh -L": (*SSH, "FORWARDS", "box"),
    "ssh -L, GCM": (*SSH, "-c", CIPHER, "FORWARDS", "box"),
    "hythe": (sys.executable, "-m", "hythe", "forward", "-q", "FORWARDS", "--via", "ssh://box"),
}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there."""
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise ContenderError(f"{process.args!r} does not listen")


@contextlib.contextmanager
def all_running() -> Iterator[Sequence[Forwarder]]:
    """Start everything; end it whatever happens."""
    with tempfile.TemporaryDirectory(prefix="hythe-bench-") as folder, contextlib.ExitStack() as stack:
        services = Services()
        stack.callback(services.close)
        server = Server(Path(folder))
        stack.callback(server.close)
        running = []
        for name, words in CONTENDERS.items():
            running.append(Forwarder(name, words, server, services.fresh()))
            stack.callback(running[-1].close)
        yield running


def measure(rounds: int, seconds: float, only: str | None) -> Results:
    """Run all workloads, interleaved."""
    results = Results()
    with all_running() as running:
        for number in range(rounds):
            for workload in WORKLOADS:
                if workload.name not in NAMES or (only is not None and only not in workload.name):
                    continue
                print(f"round {number + 1} of {rounds}: forward, {workload.name}", file=sys.stderr)
                for each in running:
                    try:
                        figures = workload.run(each.place, each.ports, seconds)
                    except ContenderError as failure:
                        results.add(workload.name, each.name, None, workload.unit)
                        results.notes.append(f"{each.name}: {workload.name}: {failure}")
                        continue
                    for suffix, value in figures.items():
                        results.add(workload.name + suffix, each.name, value, workload.unit)
    return results


def main() -> int:
    """Measure and report; what is another bench's option is not for us."""
    parser = argparse.ArgumentParser(prog="python -m bench.forwards", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds to run ({ROUNDS})")
    parser.add_argument("--only", metavar="NAME", help="only workloads with NAME in their name")
    options, others = parser.parse_known_args()
    if any(each.startswith("--contender") for each in others):
        return 0
    if not Path("/usr/sbin/sshd").exists():
        print("forwards are left out: there is no /usr/sbin/sshd (Debian's openssh-server)")
        return 0
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    results = measure(rounds, 0.4 if options.quick else SECONDS, options.only)
    beside("forwards: median", results, CONTENDERS, TARGETS, ".2f")
    return 0


if __name__ == "__main__":
    sys.exit(main())
