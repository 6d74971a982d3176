"""Nothing leaves beside the tunnel, whatever a program tries: every interface of the machine is listened on meanwhile."""

from __future__ import annotations

import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING

from tests import needs
from tests.gateway.field import FAR, FAR6, NEAR, NEAR6, PORT, SERVER, Field, field
from tests.gateway.sessions import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Person

#: Tries everything whenever it is told to, by a line of input, and then says so. Its arguments: addresses.
TRY = """
import os, socket, subprocess, sys, threading

def quietly(action, *arguments):
    def run():
        try:
            action(*arguments)
        except OSError:
            pass
    thread = threading.Thread(target=run)
    thread.start()
    return thread

def stream(address, port):
    with socket.create_connection((address, port), 0.7) as found:
        found.sendall(b"leak")

def datagram(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        found.sendto(b"leak", (address, port))

def program(text):
    try:
        subprocess.run(text.split(), stdout=2, timeout=2)
    except subprocess.TimeoutExpired:
        pass  # what it would still ask, it would have asked

def unix(path, kind):
    with socket.socket(socket.AF_UNIX, kind) as found:
        found.settimeout(0.7)
        found.connect(path)
        found.sendall(b"leak")
        raise SystemExit(f"{path} is open")

PATHS = ["/run/nscd/socket", "/var/run/nscd/socket", "/run/dbus/system_bus_socket", "/run/avahi-daemon/socket",
         "/run/systemd/resolve/io.systemd.Resolve", "/run/systemd/resolve/io.systemd.Resolve.Monitor"]
PROGRAMS = ["getent hosts leak.example", "getent ahosts leak.corp.example", "dig +time=1 +tries=1 leak.example",
            "dig +tcp +time=1 +tries=1 leak.example"]

def everything():
    work = []
    for address in sys.argv[1:]:
        for port in (53, 8080):
            work.append(quietly(stream, address, port))
        for port in (53, 5353, 51820):
            work.append(quietly(datagram, address, port))
        work.append(quietly(program, "ping -c 1 -W 1 " + address))
        work.append(quietly(program, "dig +time=1 +tries=1 leak.example @" + address))
    for path in PATHS:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                unix(path, kind)
            except OSError:
                pass
    work += [quietly(program, each) for each in PROGRAMS]
    for thread in work:
        thread.join()

for line in sys.stdin:
    everything()
    print("done", flush=True)
"""
#: Daemons of the machine that would look names up for whoever reaches their sockets; hythe itself may, but not the command.
DAEMONS = """
import os, select, socket, sys
PATHS = ["/run/nscd/socket", "/run/dbus/system_bus_socket", "/run/avahi-daemon/socket",
         "/run/systemd/resolve/io.systemd.Resolve", "/run/systemd/resolve/io.systemd.Resolve.Monitor"]
listeners = []
for path in PATHS:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    listeners.append(socket.socket(socket.AF_UNIX))
    listeners[-1].bind(path)
    listeners[-1].listen()
    os.chmod(path, 0o777)
while True:
    for each in select.select(listeners, [], [])[0]:
        caller, _ = each.accept()
        pid = int.from_bytes(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
        try:
            inside = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        except OSError:
            inside = True  # who knows
        caller.close()
        if inside:
            open(sys.argv[1], "a").write(each.getsockname() + chr(10))
"""
#: In the near machine, with a /run of its own: the daemons, then the command. "$0" is the daemons' program, "$1" their log.
AROUND = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -m 755 -p /run/nscd /run/systemd/resolve
"$2" -c "$0" "$1" & daemons=$!
shift 2
until [ -S /run/systemd/resolve/io.systemd.Resolve.Monitor ]; do sleep 0.02; done
"$@"; status=$?
kill $daemons
exit $status
"""
#: What may be on the wire: the tunnel's datagrams, and what machines say to find each other's MAC addresses.
ALLOWED = f"(udp and host {FAR} and port {PORT}) or arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 136) or ip6 proto 0"
ADDRESSES = (FAR, FAR6, NEAR, "198.51.100.9", "2001:db8:9::9", "127.0.0.1", "255.255.255.255")


class Ear:
    """tcpdump on every interface of a machine."""

    def __init__(self, place: Field, file: Path) -> None:
        self._place = place
        self._file = file
        self._process = place.near.start(
            *("tcpdump", "-i", "any", "-n", "-U", "-w", str(file), "--immediate-mode"), ready=f"test -s {file}"
        )

    def heard(self, expression: str) -> list[str]:
        """Return the lines of packets of which the expression is true."""
        time.sleep(0.2)  # tcpdump has no way to say that it has nothing left
        words = ["tcpdump", "-n", "-r", str(self._file), expression]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()


def test_nothing_leaves_beside_the_tunnel(nobody: Person) -> None:
    for program in ("tcpdump", "dig", "ping", "getent", "unshare"):
        needs.program(program)
    folder = needs.public_folder()
    try:
        with field(folder, Random(52)) as place:
            _test(place, nobody, folder)
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True, timeout=10)


def _test(place: Field, nobody: Person, folder: Path) -> None:
    server = place.wireguard_go(place.far, place.server_file())
    place.services(place.far, SERVER)
    client = place.client_file(extra=f"DNS = {SERVER}")
    (folder / "try.py").write_text(TRY)
    ear = Ear(place, folder / "wire.pcap")
    trying = [nobody.python, "-I", str(folder / "try.py")]
    run = [*nobody.prefix, nobody.python, "-m", "hythe", "run", "-q", "--via", f"wg:{client}", "--", *trying]
    process = subprocess.Popen(
        place.near.words(
            *("unshare", "--mount", "sh", "-c", AROUND, DAEMONS, str(folder / "daemons.log"), nobody.python),
            *(*run, *ADDRESSES, SERVER),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=needs.clean_environment(),
        cwd=folder,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None

        told, heard = process.stdin, process.stdout

        def everything() -> None:
            print(file=told, flush=True)
            assert heard.readline() == "done\n"

        everything()
        assert ear.heard(f"udp and host {FAR} and port {PORT}")
        server.send_signal(signal.SIGSTOP)  # the far end is silent
        everything()
        server.send_signal(signal.SIGCONT)
        print(file=told, flush=True)  # and now the cable breaks in the middle
        time.sleep(0.5)
        place.near.run(
            f"ip link set cable0 down; sleep 1; ip link set cable0 up; ip addr replace {NEAR6}/64 dev cable0 nodad;"
            f"ip route replace default via {FAR}; ip -6 route replace default via {FAR6}"
        )
        assert heard.readline() == "done\n"
        told.close()
        assert process.wait(20) == 0
    assert ear.heard(f"not ({ALLOWED})") == []
    log = folder / "daemons.log"
    assert not log.exists(), log.read_text()
    # The same without hythe is heard at once, so the ear is good.
    subprocess.run(place.near.words(*trying, FAR, FAR6), input="\n", text=True, check=True, timeout=30, capture_output=True)

    def is_heard() -> bool:
        lines = "\n".join(ear.heard(f"not ({ALLOWED})"))
        return f" {NEAR}." in lines and f" {NEAR6}." in lines

    until(is_heard, seconds=20)
