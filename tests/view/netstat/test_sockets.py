"""`hythe netstat` beside ss, in a network of its own with hundreds of sockets in many states."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from hythe.view.netstat.sockets import Row
from hythe.view.netstat.table import Shown
from tests import needs

#: Makes sockets, then runs ss, hythe netstat and ss again, until nothing has changed between: the kernel still sends again
#: into full windows, ever more seldom, and the last queues fill by it at times that nobody chooses.
SCENE = """
import json, os, socket, struct, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["sysctl", "-qw", "net.ipv4.tcp_syncookies=0"], check=False)
keep = []
def server(host, family, backlog=512, dual=False):
    made = socket.create_server((host, 0), family=family, backlog=backlog, dualstack_ipv6=dual)
    keep.append(made)
    return made
def client(address):
    made = socket.create_connection(address)
    keep.append(made)
    return made
four, six = server("127.0.0.1", socket.AF_INET), server("::1", socket.AF_INET6)
both = server("::", socket.AF_INET6, dual=True)
for number in range(120):
    for listener, host in ((four, "127.0.0.1"), (six, "::1"), (both, "127.0.0.1")):
        near = client((host, listener.getsockname()[1]))
        far = listener.accept()[0]
        keep.append(far)
        if number % 6 == 1:
            near.send(b"x" * number)  # Recv-Q
        elif number % 6 == 2:
            near.close()  # FIN_WAIT2, CLOSE_WAIT
        elif number % 6 == 3:
            near.close(); far.close()  # TIME_WAIT
        elif number % 6 == 4:
            near.shutdown(socket.SHUT_WR)
        elif number % 6 == 5:
            far.setblocking(False)
            try:
                for _ in range(200): far.send(bytes(65536))  # Send-Q
            except BlockingIOError: pass
            if number > 60:
                far.close()  # FIN_WAIT1
full = server("127.0.0.1", socket.AF_INET, backlog=1)
for _ in range(6):  # SYN_SENT: there is no room for them
    made = socket.socket(); made.setblocking(False); made.connect_ex(full.getsockname()); keep.append(made)
for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("0.0.0.0", socket.AF_INET)):
    made = socket.socket(family, socket.SOCK_DGRAM); made.bind((host, 0)); keep.append(made)
    other = socket.socket(family, socket.SOCK_DGRAM); other.connect(made.getsockname()); keep.append(other)
# SYN_RECV: a SYN out of nowhere, whose sender answers nothing.
for words in (
    "link add eth2 address 02:00:00:00:00:02 type veth peer name eth10", "address add 192.0.2.1/24 dev eth2",
    "link set eth2 up", "link set eth10 up promisc on allmulticast on arp off dynamic on",
    "neighbor add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth2",
):
    subprocess.run(["ip", *words.split()], check=True)
def total(data):
    found = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~(found % 0xFFFF) & 0xFFFF
waits = server("192.0.2.1", socket.AF_INET)
ends = bytes((192, 0, 2, 77, 192, 0, 2, 1))
head = struct.pack("!BBHHHBBH8s", 0x45, 0, 40, 1, 0, 64, 6, 0, ends)
head = head[:10] + struct.pack("!H", total(head)) + head[12:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind(("eth10", 0))
    for number in range(5):
        syn = struct.pack("!HHIIBBHHH", 3000 + number, waits.getsockname()[1], 7, 0, 0x50, 2, 1000, 0, 0)
        syn = syn[:16] + struct.pack("!H", total(ends + struct.pack("!HH", 6, 20) + syn)) + syn[18:]
        raw.send(bytes.fromhex("0200000000020200000000770800") + head + syn)
def run(*words): return subprocess.run(words, capture_output=True, text=True, check=True).stdout
hythe = [sys.executable, "-m", "hythe", "netstat"]
after = run("ss", "-Htan")
for _ in range(30):
    before, ours, after = after, run(*hythe, "-tan", "--json"), run("ss", "-Htan")
    if sorted(before.split("\\n")) == sorted(after.split("\\n")):
        break
print(json.dumps({
    "before": before, "ours": ours, "after": after,
    "udp": run("ss", "-Huan"), "our udp": run(*hythe, "-uanp", "--json"), "programs": run(*hythe, "-tlnp"),
    "net-tools": run("netstat", "-ia"), "interfaces": run(*hythe, "-ia"), "net-tools after": run("netstat", "-ia"),
    "statistics": run(*hythe, "-s", "--json"),
    "explained": run(*hythe, "-ltn", "--explain"),
    "pid": os.getpid(),
}))
"""
Sockets = Counter[tuple[str, int, int, str, str]]


def scene() -> dict[str, Any]:
    needs.userns()
    for name in ("ip", "netstat", "ss", "sysctl", "unshare"):
        needs.program(name)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", SCENE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def of_ss(text: str) -> Sockets:
    rows = (line.split()[:5] for line in text.splitlines())
    return Counter((state, int(waiting), int(sending), local, remote) for state, waiting, sending, local, remote in rows)


def as_ss(found: list[dict[str, Any]]) -> Sockets:
    """Ours in ss's words: a listener of both families has a star."""
    words = {"ESTABLISHED": "ESTAB", "FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2", "": "UNCONN"}

    def end(each: dict[str, Any]) -> str:
        address, port = each["address"], each["port"] or "*"
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    return Counter(
        (
            words.get(each["state"], each["state"].replace("_", "-")),
            each["recv_q"],
            each["send_q"],
            end(each["local"]),
            end(each["foreign"]),
        )
        for each in found
    )


def unified(sockets: Sockets) -> Sockets:
    """With the addresses that ss writes as a star."""

    def end(text: str) -> str:
        return f"[::]{text[1:]}" if text.startswith("*") else text

    return Counter({(*key[:3], end(key[3]), end(key[4])): number for key, number in sockets.items()})


def test_netstat_shows_what_ss_shows() -> None:
    found = scene()
    before, after = unified(of_ss(found["before"])), unified(of_ss(found["after"]))
    assert before == after, "the scene has to stand still"
    ours = json.loads(found["ours"])
    assert as_ss(ours) == before
    states = Counter(each["state"] for each in ours)
    assert {"ESTABLISHED", "LISTEN", "TIME_WAIT", "CLOSE_WAIT", "FIN_WAIT1", "FIN_WAIT2", "SYN_SENT"} <= set(states)
    assert states["SYN_RECV"] == 5
    assert sum(states.values()) > 500
    assert any(each["local"]["address"].startswith("::ffff:") for each in ours)
    assert as_ss(json.loads(found["our udp"])) == unified(of_ss(found["udp"]))
    assert all(each["processes"][0]["pid"] == found["pid"] for each in json.loads(found["our udp"]))
    check_the_rest(found)


def check_the_rest(found: dict[str, Any]) -> None:
    heading, columns, *lines = found["programs"].splitlines()
    assert heading == "Active Internet connections (only servers)"
    assert columns.split()[-1] == "PID/Program"
    assert len(lines) == 5
    assert all(f"{found['pid']}/python" in line and " LISTEN " in line for line in lines)
    interfaces, before, after = (
        [line.split() for line in found[name].splitlines()] for name in ("interfaces", "net-tools", "net-tools after")
    )
    assert [line[:2] + line[10:11] for line in interfaces] == [line[:2] + line[10:] for line in before]
    for earlier, ours, later in zip(before[2:], interfaces[2:], after[2:], strict=True):  # packets are sent again meanwhile
        counters = zip(earlier[2:10], ours[2:10], later[2:10], strict=True)
        assert all(int(low) <= int(number) <= int(high) for low, number, high in counters)
    assert [line[0] for line in interfaces[2:]] == ["eth2", "eth10", "lo"]
    assert interfaces[2][11] == "02:00:00:00:00:02"
    assert json.loads(found["statistics"])["kernel"]["Tcp"]["PassiveOpens"] >= 360
    assert "listens on all addresses" in found["explained"]
    assert found["explained"].splitlines()[-1].startswith("5 sockets: ")


def test_a_socket_of_one_interface_says_so() -> None:
    everywhere = Row("tcp", 4, 0, 9, bytes(4), 80, bytes(4), 0, "LISTEN", 0, interface="v0")
    assert (Shown().local(everywhere), Shown().remote(everywhere)) == ("0.0.0.0%v0:80", "0.0.0.0:*")
    near, far = b"\xfe\x80" + bytes(13) + b"\1", b"\xfe\x80" + bytes(13) + b"\2"
    linked = Row("tcp", 6, 0, 0, near, 80, far, 1024, "ESTABLISHED", 0, interface="v0")
    assert (Shown().local(linked), Shown().remote(linked)) == ("[fe80::1%v0]:80", "[fe80::2%v0]:1024")
