"""`python -m bench.tunnels`: `hythe run --via wg:` beside wireguard-go in a namespace, both with wireguard-go as far end.

Three machines in network namespaces, a cable from each near one to the far one. iperf3 runs in the command's place, all run
each workload in turn before the next, and TCP is that of this machine's kernel everywhere, with its congestion control.
Takes root, for the namespaces.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.contenders import end
from bench.report import Target, beside
from bench.results import Results

START = 10.0
SECONDS = 3.0
ROUNDS = 4
PORT = 51_820
SERVER = "10.9.0.1"
NEEDED = ("ip", "wg", "wireguard-go", "iperf3", "ping")
#: Rows, and what iperf3 is asked for.
BULK: Mapping[str, tuple[str, ...]] = {
    "up, 1 flow": (),
    "down, 1 flow": ("--reverse",),
    "up, 8 flows": ("--parallel", "8"),
    "down, 8 flows": ("--parallel", "8", "--reverse"),
}
PINGS = 200
CONTENDERS = ("wireguard-go", "hythe")
TARGETS = tuple(Target(row, 1.0, "wireguard-go") for row in BULK)


def run(*words: str, data: str = "") -> str:
    """Run a command to its end; what it printed."""
    return subprocess.run(words, input=data, capture_output=True, text=True, check=True, timeout=60).stdout


class Machine:
    """A network namespace. `number`: of its cable to the far machine, 0 for that itself."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, number: int) -> None:
        self.name = f"hythe-bench-{os.getpid()}-{number}"
        self.number = number
        self.key = run("wg", "genkey").strip()
        self.public = run("wg", "pubkey", data=self.key).strip()
        self._stack = stack
        self._folder = folder
        run("ip", "netns", "add", self.name)
        stack.callback(run, "ip", "netns", "del", self.name)
        self.run("ip link set lo up")

    def words(self, *command: str) -> tuple[str, ...]:
        """Return the command line that runs a command there."""
        return ("ip", "netns", "exec", self.name, *command)

    def run(self, text: str) -> str:
        """Run a shell's command there."""
        return run(*self.words("sh", "-c", text))

    def connect(self, far: Machine) -> None:
        """Lay the cable."""
        here, there = f"cable{self.number}", f"far{self.number}"
        run("ip", "link", "add", here, "netns", self.name, "type", "veth", "peer", "name", there, "netns", far.name)
        self.run(f"ip addr add 192.0.{self.number}.2/24 dev {here}; ip link set {here} up")
        far.run(f"ip addr add 192.0.{self.number}.1/24 dev {there}; ip link set {there} up")

    def start(self, ready: str, *command: str) -> None:
        """Run a command there until the end."""
        process = subprocess.Popen(self.words(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(end, process)
        until = time.monotonic() + START
        while subprocess.run(self.words("sh", "-c", ready), capture_output=True, check=False, timeout=10).returncode:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(command)} does not get ready")
            time.sleep(0.05)

    def file(self, text: str) -> Path:
        """Write a configuration."""
        path = self._folder / f"{self.number}.conf"
        path.write_text(text)
        path.chmod(0o600)
        return path

    def wireguard_go(self, address: str, configuration: str) -> None:
        """Bring a device up."""
        device = f"wgb{os.getpid() % 100_000}n{self.number}"
        self.start(f"wg show {device}", "env", "WG_PROCESS_FOREGROUND=1", "wireguard-go", "-f", device)
        self.run(f"wg setconf {device} {self.file(configuration)}; ip addr add {address}/24 dev {device}")
        self.run(f"ip link set {device} mtu 1420 up")


def address(machine: Machine) -> str:
    """Return the machine's address in the tunnel."""
    return f"10.9.0.{machine.number + 1}"


@contextlib.contextmanager
def field() -> Iterator[Mapping[str, tuple[str, ...]]]:
    """Set everything up; the words before a command that put it in the place of each contender."""
    with tempfile.TemporaryDirectory(prefix="hythe-bench-") as name, contextlib.ExitStack() as stack:
        far, theirs, ours = (Machine(stack, Path(name), number) for number in range(3))
        shared = base64.b64encode(os.urandom(32)).decode()
        peers = ""
        for machine in (theirs, ours):
            machine.connect(far)
            peers += f"[Peer]\nPublicKey = {machine.public}\nPresharedKey = {shared}\nAllowedIPs = {address(machine)}/32\n"
        far.wireguard_go(SERVER, f"[Interface]\nPrivateKey = {far.key}\nListenPort = {PORT}\n{peers}")
        far.start("ss -ltn | grep -q :5201", "iperf3", "--server")

        def peer(machine: Machine) -> str:
            endpoint = f"Endpoint = 192.0.{machine.number}.1:{PORT}"
            return f"[Peer]\nPublicKey = {far.public}\nPresharedKey = {shared}\n{endpoint}\nAllowedIPs = {SERVER}/24\n"

        theirs.wireguard_go(address(theirs), f"[Interface]\nPrivateKey = {theirs.key}\n{peer(theirs)}")
        file = ours.file(f"[Interface]\nPrivateKey = {ours.key}\nAddress = {address(ours)}/24\n{peer(ours)}")
        hythe = (sys.executable, "-m", "hythe", "run", "--quiet", "--via", f"wg:{file}", "--")
        yield {"wireguard-go": theirs.words(), "hythe": ours.words(*hythe)}


def bulk(before: Sequence[str], options: Sequence[str], seconds: float) -> float:
    """Return Gbit/s that the receiver got."""
    words = (*before, "iperf3", "--json", "--time", f"{seconds:g}", "--omit", "0", *options, "--client", SERVER)
    return float(json.loads(run(*words))["end"]["sum_received"]["bits_per_second"]) / 1e9


def round_trip(before: Sequence[str]) -> float:
    """Return the mean of a ping's round trips, in µs."""
    said = run(*before, "ping", "-q", "-c", str(PINGS), "-i", "0.002", SERVER)
    return float(said.rpartition("=")[2].split("/")[1]) * 1e3


def measure(rounds: int, seconds: float, only: str | None) -> Results:
    """Run all workloads, interleaved."""
    results = Results()
    with field() as places:
        for number in range(rounds):
            for row in (*BULK, "round trip"):
                if only is not None and only not in row:
                    continue
                print(f"round {number + 1} of {rounds}: tunnel, {row}", file=sys.stderr)
                for name in CONTENDERS:
                    try:
                        value = bulk(places[name], BULK[row], seconds) if row in BULK else round_trip(places[name])
                    except (subprocess.SubprocessError, KeyError) as failure:
                        results.add(row, name, None, "")
                        results.notes.append(f"{name}: {row}: {failure}")
                        continue
                    results.add(row, name, value, "Gbit/s" if row in BULK else "µs")
    return results


def main() -> int:
    """Measure and report; what is another bench's option is not for us."""
    parser = argparse.ArgumentParser(prog="python -m bench.tunnels", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds to run ({ROUNDS})")
    parser.add_argument("--only", metavar="NAME", help="only workloads with NAME in their name")
    options, others = parser.parse_known_args()
    if any(each.startswith("--contender") for each in others):
        return 0
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing or os.geteuid() != 0:
        print(f"tunnels are left out: {f'there is no {missing[0]}' if missing else 'namespaces of machines take root'}")
        return 0
    results = measure(options.rounds or (1 if options.quick else ROUNDS), 1.0 if options.quick else SECONDS, options.only)
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    beside(f"tunnels, TCP with {control}", results, CONTENDERS, TARGETS, ".3g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
