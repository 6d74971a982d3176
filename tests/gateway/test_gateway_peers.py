"""`hythe gateway --wg` as a user without rights, with wireguard-go and with `hythe run --via` as its peers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.field import (
    CLIENT,
    CLIENT6,
    FAR,
    FAR_TOO,
    NEAR,
    NEAR6,
    SERVER,
    SERVER6,
    Field,
    Keys,
    Machine,
    Runner,
    field,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person


#: What the phone does.
MEETING = """
ping -c 1 -W 9 10.8.0.9 | grep "From {SERVER} icmp_seq=1 Destination Host Unreachable"
echo TURN
until ping -c 1 -W 1 {CLIENT}; do sleep 0.1; done
ping -c 2 -i 0.1 -W 9 {CLIENT6}
test "$(curl -sS -m 20 http://{CLIENT}:8080/)" = "through the tunnel"
test "$(dig +short www.corp.example @{CLIENT})" = {CLIENT}
test "$(curl -sS -m 20 'http://[{CLIENT6}]:8080/much' | wc -c)" = 3000000
ping -c 1 -t 1 {CLIENT} | grep "Time to live exceeded"
ping -c 1 -M do -s 2000 {CLIENT} 2>&1 | grep "message too long"
ping -c 1 -W 9 -s 3000 {CLIENT}
ping -c 1 -W 9 10.8.0.99 | grep "Destination Host Unreachable"
curl -sS -m 9 http://{CLIENT}:9/ || test $? = 7
echo TURN
head -c 3000000 /dev/zero | nc -N -l -p 99
"""


class Served:
    """A gateway that runs on the far machine."""

    def __init__(self, place: Field, person: Person, process: subprocess.Popen[str]) -> None:
        self.place = place
        self.person = person
        self.process = process
        self.said = ""

    def hythe(self, *words: str, check: bool = True) -> str:
        """Run hythe as the user whose gateway it is; what it prints."""
        done = subprocess.run(
            self.place.far.words(*self.person.prefix, self.person.python, "-m", "hythe", *words),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=self.place.folder,
            env=needs.clean_environment(),
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + done.stderr

    def notice(self, expression: str) -> re.Match[str]:
        """Wait for a line on the gateway's standard error."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found = re.search(expression, line)
            if found:
                return found
        raise AssertionError(f"the gateway has ended without saying {expression}")


@contextmanager
def serve(place: Field, person: Person, *options: str) -> Iterator[Served]:
    """Run a gateway, ended by SIGTERM."""
    process = subprocess.Popen(
        place.far.words(
            *(*person.prefix, person.python, "-m", "hythe", "gateway", "--wg", str(place.folder / "server.conf"), *options)
        ),
        stderr=subprocess.PIPE,
        text=True,
        cwd=place.folder,
        env=needs.clean_environment(),
    )
    with process:
        served = Served(place, person, process)
        try:
            served.notice("can connect to UDP port 51820")
            yield served
        finally:
            process.terminate()
            assert process.wait(10) == 0
            served.said = process.stderr.read() if process.stderr is not None else ""


@contextmanager
def talking(words: list[str], place: Field) -> Iterator[subprocess.Popen[str]]:
    """Run a command, whose words and errors are read together, until it ends or the test does."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=needs.clean_environment(),
        cwd=place.folder,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def turn(process: subprocess.Popen[str]) -> None:
    """Wait until it says that it is the other one's turn."""
    said = ""
    assert process.stdout is not None
    while not said.endswith("\nTURN\n"):
        line = process.stdout.readline()
        assert line, said
        said += line


@pytest.fixture(scope="module")
def place(nobody: Person) -> Iterator[Field]:
    """Return both machines; the near one has the services that the far one's peers ask for."""
    folder = needs.public_folder()
    os.chown(folder, needs.NOBODY, needs.NOBODY)
    try:
        with field(folder, Random(53)) as found:
            found.server_file()
            found.client_file(extra=f"DNS = {SERVER}")
            found.services(found.near, NEAR)
            yield found
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True, timeout=10)


@pytest.fixture
def laptop(place: Field) -> Iterator[Machine]:
    """Return a machine with wireguard-go, which has not begun to talk."""
    machine = place.peer()
    process = place.wireguard_go(machine, place.folder / "client.conf")
    yield machine
    process.terminate()
    process.wait(10)


def test_a_kernel_behind_wireguard_go(place: Field, nobody: Person, laptop: Machine) -> None:
    """Names, streams, datagrams and pings of a peer leave by the gateway's sockets; its own machine is closed to it."""
    for program in ("ping", "dig", "curl", "iperf3"):
        needs.program(program)
    peer = laptop
    with serve(place, nobody, "--dns", f"{NEAR}:53", "--summary=json", "--name", "vpn") as served:
        peer.run(f"ip route add {NEAR} dev {place.wg}; ip -6 route add {NEAR6} dev {place.wg}")
        peer.run(f"ping -c 1 -W 9 {SERVER} && ping -c 1 -W 9 {SERVER6}")
        assert (
            peer.run(f"dig +short www.corp.example @{SERVER}; dig +tcp +short www.corp.example @{SERVER}") == f"{NEAR}\n" * 2
        )
        assert peer.run(f"dig +short gateway.hythe.internal AAAA @{SERVER6}") == f"{SERVER6}\n"
        assert peer.run(f"curl -sS -m 8 http://{NEAR}:8080/") == "through the tunnel\n"
        assert peer.run(f"curl -sS -m 8 'http://[{NEAR6}]:8080/'") == "through the tunnel\n"
        for way in ("", "-R"):
            end = json.loads(peer.run(f"iperf3 -J -n 10M {way} -c {NEAR}"))["end"]
            assert end["sum_sent"]["bytes"] >= 10 << 20  # what has not arrived yet is the gateway's to deliver
        # The gateway's machine itself, by any of its addresses, is not for peers.
        peer.run(f"ip route add {FAR_TOO} dev {place.wg}")
        assert "Packet filtered" in peer.run(f"ping -c 1 -W 3 {FAR_TOO}", check=False)
        assert peer.run(f"nc -w 5 {FAR_TOO} 22; echo $?").endswith("1\n")
        assert "laptop" in served.hythe("wg", "show", "vpn")
        assert re.search(r"gateway --wg \S+/server.conf", served.hythe("ps"))
        assert "laptop" not in served.hythe("ps", "vpn")
    flows = json.loads(served.said[served.said.index("{") :])["connections"]
    pages = [each for each in flows if each["outside"] and each["outside"]["port"] == 8080]
    assert [(each["local"]["address"], each["outside"]["host"]) for each in pages] == [(CLIENT, NEAR), (CLIENT6, NEAR6)]
    assert pages[0]["name"] == "www.corp.example"
    assert {each["error"] for each in flows if each["remote"]["address"] == FAR_TOO} == {"EACCES"}


def test_hythe_at_both_ends(place: Field, nobody: Person) -> None:
    """A command through a tunnel to a gateway, both without rights; a port of the command is published at the far end."""
    options = ("--dns", f"{NEAR}:53", "-p", f"{FAR}:8888:99@laptop", "--name", "far", "-v", "--summary=waterfall-json")
    with serve(place, nobody, *options) as served:
        process = subprocess.Popen(
            place.near.words(
                *(*nobody.prefix, nobody.python, "-m", "hythe", "run", "--via", f"wg:{place.folder}/client.conf", "--"),
                *("sh", "-c", "curl -sS -m 8 http://www.corp.example:8080/ && echo hello | nc -N -l -p 99"),
            ),
            stdout=subprocess.PIPE,
            text=True,
            env=needs.clean_environment(),
            cwd=place.folder,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "through the tunnel\n"
            answer = place.near.run(f"for i in $(seq 50); do nc -w 2 {FAR} 8888 && exit; sleep 0.1; done", timeout=120)
            assert answer == "hello\n"
            assert process.wait(10) == 0
        assert f"{CLIENT}:" in served.notice(r"tcp (\S+) -> \S+:8080")[1]
        served.hythe("ctl", "far", "set", "delay=100ms")
        slow = Runner(place, nobody).run(f"ping -c 1 -W 9 {SERVER}")
        assert float(slow.stdout.partition("time=")[2].split()[0]) > 190
    told = json.loads(served.said[served.said.index("\n{") :])
    (asked,) = [each for each in told["lines"] if each["port"] == 8080]
    assert (asked["name"], asked["process"]) == ("www.corp.example", "laptop")
    assert {"connect", "wait"} <= {each["kind"] for each in asked["spans"]}
    answered = [each for each in told["lines"] if each["inbound"] and not each["failed"]]
    assert "the peer" in "".join(span["text"] for each in answered for span in each["spans"])


def test_peers_reach_each_other(place: Field, nobody: Person, laptop: Machine) -> None:
    """wireguard-go and hythe as peers: streams, datagrams, pings and what cannot be, each way, as by any router."""
    for program in ("ping", "dig", "curl", "nc"):
        needs.program(program)
    before = (place.folder / "server.conf").read_text()
    # One of whom nobody knows where he is.
    silent = f"\n# silent\n[Peer]\nPublicKey = {Keys(Random(7)).public}\nAllowedIPs = 10.8.0.9/32\n"
    place.file("server.conf", before + silent)
    place.services(laptop, CLIENT)
    (place.folder / "www" / "much").write_bytes(bytes(3_000_000))
    try:
        with serve(place, nobody, "--peer-to-peer", "--summary=json", "--name", "meeting") as served:
            phone = served.hythe("wg", "add-peer", "phone", str(place.folder / "server.conf"), "--endpoint", FAR)
            assert served.notice(r"read again: (.*)")[1] == "+phone"
            place.file("phone.conf", phone[phone.index("# phone") : phone.rindex("PersistentKeepalive = 25\n") + 25])
            runner = Runner(place, nobody)
            script = MEETING.format(CLIENT=CLIENT, CLIENT6=CLIENT6, SERVER=SERVER)
            with talking(runner.words("sh", "-exc", script, via=f"wg:{place.folder}/phone.conf"), place) as process:
                turn(process)
                laptop.run(f"ping -c 1 -W 9 {SERVER}")  # now it is known where that one is
                turn(process)
                laptop.run("ping -c 1 -W 9 10.8.0.3 && ping -c 1 -W 9 fd08::3")
                much = laptop.run(
                    "for i in $(seq 200); do nc -w 20 10.8.0.3 99 && exit; sleep 0.1; done | wc -c", timeout=120
                )
                assert much == "3000000\n"
                # What it says to be from must be its own.
                laptop.run(f"ip addr add 10.8.0.77/32 dev {place.wg}")
                assert "100% packet loss" in laptop.run("ping -c 1 -W 1 -I 10.8.0.77 10.8.0.3", check=False)
                assert process.wait(20) == 0
    finally:
        place.file("server.conf", before)
    flows = json.loads(served.said[served.said.index("{") :])["connections"]
    found = {
        (each["protocol"], each["outside"]["host"], each["outside"]["port"], each["name"]): each["bytes_down"]
        for each in flows
        if each["outside"]
    }
    assert found["udp", CLIENT, 53, "laptop"] > len("www.corp.example")
    assert found["icmp", CLIENT6, 0, "laptop"]
    assert found["tcp", CLIENT6, 8080, "laptop"] > 3_000_000
    assert found["tcp", "10.8.0.3", 99, "phone"] >= 3_000_000  # what was sent again passed again


def test_peers_come_and_go(place: Field, nobody: Person) -> None:
    """`hythe wg add-peer` lets one in at once, and the one that talks meanwhile notices nothing."""
    before = (place.folder / "server.conf").read_text()
    try:
        with serve(place, nobody) as served:
            ping = subprocess.Popen(
                place.near.words(
                    *(*nobody.prefix, nobody.python, "-m", "hythe", "run", "--via", f"wg:{place.folder}/client.conf", "--"),
                    *("ping", "-i", "0.05", "-c", "40", SERVER),
                ),
                stdout=subprocess.PIPE,
                text=True,
                env=needs.clean_environment(),
            )
            phone = served.hythe("wg", "add-peer", "phone", "--endpoint", FAR)
            assert served.notice(r"read again: (.*)")[1] == "+phone"
            text = phone[phone.index("# phone") : phone.rindex("PersistentKeepalive = 25\n") + 25]
            place.file("phone.conf", text)
            added = (place.folder / "server.conf").read_text()
            place.file("server.conf", added.replace(f"AllowedIPs = {CLIENT}/32", f"AllowedIPs = 10.9.0.0/24, {CLIENT}/32"))
            served.process.send_signal(signal.SIGHUP)
            assert served.notice(r"read again: (.*)")[1] == "~laptop"
            reached = subprocess.run(
                place.near.words(
                    *(*nobody.prefix, nobody.python, "-m", "hythe", "run", "--via", f"wg:{place.folder}/phone.conf", "--"),
                    *("ping", "-c", "1", "-W", "8", SERVER),
                ),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                env=needs.clean_environment(),
            )
            assert reached.returncode == 0, reached.stderr
            said = ping.communicate(timeout=30)[0]
            assert " 0% packet loss" in said
            (place.folder / "server.conf").write_text(before)
            served.process.send_signal(signal.SIGHUP)
            assert served.notice(r"read again: (.*)")[1] == "-phone, ~laptop"
            (place.folder / "server.conf").write_text(before + "\n[Peer]\nPublicKey = short\n")
            served.process.send_signal(signal.SIGHUP)
            assert "server.conf:" in served.notice(r"nothing is taken over: (.*)")[1]
    finally:
        place.file("server.conf", before)
