"""`python -m bench.proxies`: `hythe proxy` beside nginx's stream module, haproxy, SOCKS servers and an HTTP proxy.

The client and the services are those of the other workloads; the client asks SOCKS5 or CONNECT for each connection where
that is what is measured. All contenders of a kind run each workload in turn before the next workload. Each is one process,
or one worker of it, with its log as it comes; hythe's goes to /dev/null. What a contender takes of a processor is read from
/proc, with all processes that it has begun. Two go through an OpenSSH server of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import CLIENT, ContenderError, Place, end
from bench.forwards import Server, free_port, listening
from bench.report import Target, beside
from bench.results import Results
from bench.service import Services
from bench.workloads import Workload, ask

SECONDS = 0.8
ROUNDS = 3
FOLDERS = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
TICK = os.sysconf("SC_CLK_TCK")
WIDTH = 100
HYTHE = (sys.executable, "-m", "hythe")
WORKLOADS = (
    Workload("up", "Gbit/s", ask("up", flows=1)),
    Workload("down", "Gbit/s", ask("down", flows=1)),
    Workload("connections in turn", "/s", ask("connections_in_turn")),
    Workload(f"{WIDTH} at once", "/s", ask("connections_at_once", width=WIDTH)),
    Workload("round trip", "µs", ask("round_trip"), more_is_better=False),
)
#: Of these workloads a contender's share of a processor is told: what one more unit takes of it, in what.
COST = {f"{WIDTH} at once": ("a connection", "µs", 1e6), "down": ("a Gbit down", "ms", 1e3)}
SSH = "socks, ssh"
#: A map leads to one port.
MAPPED = ("sink", "source", "short", "echo")

NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
stream {{ proxy_half_close on; {servers} }}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
"""
DANTED = """
logoutput: /dev/null
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""
TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
Allow 127.0.0.1
MaxClients 1024
LogLevel Critical
"""
OPEN = """
[[{kind}]]
listen = "127.0.0.1:{port}"
[[rule]]
action = "allow"
to = "127.0.0.0/8"
[log]
file = "/dev/null"
"""
ASYNCSSH = """
import asyncio, sys, asyncssh
async def main():
    async with asyncssh.connect("box", config=[sys.argv[1]], encryption_algs=["aes128-gcm@openssh.com"]) as connection:
        await connection.forward_socks("127.0.0.1", int(sys.argv[2]))
        await connection.wait_closed()
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a contender is started with. `port`: of a proxy; `maps`: ports of this machine, and where they lead.

    `folder` is its home, too, where OpenSSH's configuration is for those that go by SSH.
    """

    folder: Path
    port: int
    maps: Mapping[int, int]

    def file(self, name: str, text: str) -> str:
        """Write a configuration."""
        path = self.folder / f"{name}-{self.port}"
        path.write_text(text)
        return str(path)


def nginx(it: Setting) -> Sequence[str]:
    """One worker, without a log as it comes; it has to be told to pass half-closes on."""
    servers = " ".join(f"server {{ listen 127.0.0.1:{at}; proxy_pass 127.0.0.1:{to}; }}" for at, to in it.maps.items())
    conf = it.file("nginx", NGINX.format(folder=it.folder, servers=servers))
    return ("nginx", "-p", str(it.folder), "-c", conf)


def haproxy(it: Setting) -> Sequence[str]:
    """One thread."""
    blocks = [f"listen m{at}\n  bind 127.0.0.1:{at}\n  server s 127.0.0.1:{to}\n" for at, to in it.maps.items()]
    return ("haproxy", "-db", "-f", it.file("haproxy", HAPROXY + "".join(blocks)))


def hythe_map(it: Setting) -> Sequence[str]:
    """One process."""
    maps = [word for at, to in it.maps.items() for word in ("--map", f"127.0.0.1:{at}=127.0.0.1:{to}")]
    return (*HYTHE, "proxy", *maps, "--log", "/dev/null")


def hythe_socks(it: Setting) -> Sequence[str]:
    """One process."""
    return (*HYTHE, "proxy", it.file("socks", OPEN.format(kind="socks", port=it.port)))


def hythe_http(it: Setting) -> Sequence[str]:
    """One process."""
    return (*HYTHE, "proxy", it.file("http", OPEN.format(kind="http", port=it.port)))


def hythe_ssh(it: Setting) -> Sequence[str]:
    """SOCKS by SSH."""
    return (*HYTHE, "forward", "-q", "-D", str(it.port), "--via", "ssh://box")


def asyncssh(it: Setting) -> Sequence[str]:
    """The same by asyncssh alone, with the cipher that hythe asks for."""
    return (sys.executable, "-c", ASYNCSSH, f"{it.folder}/.ssh/config", str(it.port))


def microsocks(it: Setting) -> Sequence[str]:
    """A thread for each client."""
    return ("microsocks", "-i", "127.0.0.1", "-p", str(it.port))


def danted(it: Setting) -> Sequence[str]:
    """Dante: several processes, with one that negotiates, one that carries."""
    return ("danted", "-f", it.file("danted", DANTED.format(port=it.port)), "-N", "1")


def pproxy(it: Setting) -> Sequence[str]:
    """SOCKS on asyncio."""
    return ("pproxy", "-l", f"socks5://127.0.0.1:{it.port}")


def tinyproxy(it: Setting) -> Sequence[str]:
    """A thread for each client."""
    return ("tinyproxy", "-d", "-c", it.file("tinyproxy", TINYPROXY.format(port=it.port)))


#: By kind; of each the one that is compared with what is last, which is ours.
CONTENDERS = {
    "map": {"nginx stream": nginx, "haproxy": haproxy, "hythe": hythe_map},
    "socks": {"microsocks": microsocks, "dante": danted, "pproxy": pproxy, "hythe": hythe_socks},
    SSH: {"asyncssh": asyncssh, "hythe": hythe_ssh},
    "http": {"tinyproxy": tinyproxy, "hythe": hythe_http},
}
TARGETS = {
    "map": (
        *(Target(row, 1 / 1.5, "nginx stream") for row in ("up", "down")),
        *(Target(row, 0.6, "nginx stream") for row in ("connections in turn", f"{WIDTH} at once")),
    ),
    "socks": tuple(Target(row, 1.0, to) for to in ("microsocks", "dante", "pproxy") for row in ("down", f"{WIDTH} at once")),
    SSH: tuple(Target(row, 1.0, "asyncssh") for row in ("down", f"{WIDTH} at once")),
    "http": tuple(Target(row, 1.0, "tinyproxy") for row in ("down", f"{WIDTH} at once")),
}


class Contender:
    """One that runs, and its client."""

    def __init__(self, kind: str, name: str, folder: Path, services: Mapping[str, int]) -> None:
        self.name = name
        at = {each: free_port() for each in MAPPED}
        setting = Setting(folder, free_port(), {at[each]: services[each] for each in MAPPED})
        words = CONTENDERS[kind][name](setting)
        found = shutil.which(words[0], path=FOLDERS)
        if found is None:
            raise ContenderError(f"{words[0]} is not installed")
        environment = {**os.environ, "HOME": str(folder)}
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [found, *words[1:]], env=environment, stdout=quiet, stderr=quiet, start_new_session=True, cwd=folder
        )
        mapped = kind == "map"
        listening(at["echo"] if mapped else setting.port, self._process)
        self.ports = at if mapped else None
        self.place = Place(CLIENT, "127.0.0.1", None if mapped else (kind.partition(",")[0], setting.port))

    def spent(self) -> float:
        """Return the seconds that it has had a processor, with all that it has begun and that has ended."""
        seconds = 0
        for each in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                _, _, after = each.read_bytes().rpartition(b")")  # before that is a name, of any bytes
                fields = after.split()
                if int(fields[3]) == self._process.pid:
                    seconds += sum(map(int, fields[11:15]))
        return seconds / TICK

    def close(self) -> None:
        """End it."""
        self.place.close()
        end(self._process)


@contextlib.contextmanager
def running(kind: str, results: Results) -> Iterator[tuple[Services, Sequence[Contender]]]:
    """Start all of a kind; end them whatever happens. What is not there is noted."""
    with tempfile.TemporaryDirectory(prefix="hythe-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        services = Services()
        stack.callback(services.close)
        if kind == SSH:
            stack.callback(Server(folder).close)
        found = []
        for each in CONTENDERS[kind]:
            try:
                found.append(Contender(kind, each, folder, services.fresh()))
            except ContenderError as failure:
                results.notes.append(f"{each} is left out: {failure}")
                continue
            stack.callback(found[-1].close)
        yield services, found


def measure(kind: str, rounds: int, seconds: float, only: str | None) -> Results:
    """Run all workloads on one kind, interleaved."""
    results = Results()
    with running(kind, results) as (services, contenders):
        for number in range(rounds):
            for workload in WORKLOADS:
                if only is not None and only not in workload.name:
                    continue
                print(f"round {number + 1} of {rounds}: proxy, {kind}, {workload.name}", file=sys.stderr)
                for each in contenders:
                    one(each, workload, services, seconds, results)
    return results


def one(contender: Contender, workload: Workload, services: Services, seconds: float, results: Results) -> None:
    """Run one workload once, and see what it takes of a processor."""
    before = contender.spent()
    try:
        figures = workload.run(contender.place, contender.ports or services.fresh(), seconds)
    except ContenderError as failure:
        results.add(workload.name, contender.name, None, workload.unit)
        if results.failures(workload.name, contender.name) == 1:
            results.notes.append(f"{contender.name}: {workload.name}: {failure}")
        return
    for suffix, value in figures.items():
        results.add(workload.name + suffix, contender.name, value, workload.unit)
    if workload.name in COST:
        what, unit, scale = COST[workload.name]
        results.add(f"cpu {what}", contender.name, (contender.spent() - before) / (figures[""] * seconds) * scale, unit)


def main() -> int:
    """Measure and report; what is another bench's option is not for us."""
    parser = argparse.ArgumentParser(prog="python -m bench.proxies", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"rounds to run ({ROUNDS})")
    parser.add_argument("--only", metavar="NAME", help="only workloads with NAME in their name")
    parser.add_argument("--kind", choices=CONTENDERS, action="append", help="only this one (may be repeated)")
    options, others = parser.parse_known_args()
    if any(each.startswith("--contender") for each in others):
        return 0
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    for kind in options.kind or CONTENDERS:
        if kind == SSH and not Path("/usr/sbin/sshd").exists():
            print("proxies by SSH are left out: there is no /usr/sbin/sshd (Debian's openssh-server)")
            continue
        results = measure(kind, rounds, 0.3 if options.quick else SECONDS, options.only)
        beside(f"proxies, {kind}: median", results, CONTENDERS[kind], TARGETS[kind], ".4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
