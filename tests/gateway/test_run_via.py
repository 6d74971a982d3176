"""`hythe run --via wg:FILE` as a user without rights, with wireguard-go at the far end."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.field import CLIENT, CLIENT6, FAR, NEAR, SERVER, SERVER6, Field, Runner, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person


@pytest.fixture(scope="module")
def place(nobody: Person) -> Iterator[Field]:
    """Return both machines, the far one serving."""
    folder = needs.public_folder()
    try:
        with field(folder, Random(51)) as found:
            found.wireguard_go(found.far, found.server_file())
            found.services(found.far, SERVER)
            found.far.start(*nobody.script(ECHO), ready="ss -ltn | grep -q :7777")
            found.client_file(extra=f"DNS = {SERVER}, corp.example")
            yield found
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True, timeout=10)


@pytest.fixture
def runner(place: Field, nobody: Person) -> Runner:
    """Return who runs commands."""
    return Runner(place, nobody)


def test_the_programs_that_everybody_has(runner: Runner) -> None:
    for program in ("ping", "dig", "curl", "getent", "ip"):
        needs.program(program)
    ran = runner.run(
        f"ping -e 65266 -c 1 -W 9 {SERVER} && ping -c 1 -W 9 {SERVER6} && ping -c 1 gateway.hythe.internal &&"
        "dig +short www.corp.example && dig +tcp +short www.corp.example && getent ahostsv4 www &&"
        f"curl -sS http://www.corp.example:8080/ && curl -sS 'http://[{SERVER6}]:8080/' && ip -o addr show dev hythe0 &&"
        f"ip route get {FAR}",
        options="--summary=json",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("1 received") == 3
    assert ran.stdout.splitlines().count(SERVER) == 2
    assert ran.stdout.count("through the tunnel") == 2
    assert f"{CLIENT}/24" in ran.stdout
    assert f"{CLIENT6}/64" in ran.stdout
    assert f"{FAR} via 10." in ran.stdout
    assert f"src {CLIENT}" in ran.stdout
    flows = json.loads(ran.stderr[ran.stderr.index("{") :])["connections"]
    pages = [each for each in flows if each["outside"]["port"] == 8080]
    assert [each["outside"]["host"] for each in pages] == [SERVER, SERVER6]
    assert {(each["state"], each["bytes_down"] > 100) for each in pages} == {("CLOSED", True)}
    assert [each["protocol"] for each in flows].count("icmp") == 2
    assert pages[0]["name"] == "www.corp.example"


@pytest.mark.parametrize("reverse", ["", "-R"], ids=["up", "down"])
def test_bulk_passes_whole(runner: Runner, reverse: str) -> None:
    needs.program("iperf3")
    ran = runner.run(f"iperf3 -J -n 20M {reverse} -c {SERVER}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    end = json.loads(ran.stdout)["end"]
    assert end["sum_received"]["bytes"] >= 20 << 20 if reverse else end["sum_sent"]["bytes"] >= 20 << 20
    ran = runner.run(f"iperf3 -J -u -b 10M -t 1 {reverse} -c {SERVER6}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    datagrams = json.loads(ran.stdout)["end"]["sum"]
    assert datagrams["packets"] - datagrams["lost_packets"] > 100


def test_packets_fit_the_tunnel(runner: Runner) -> None:
    ran = runner.run(f"ip -o link show hythe0; ping -c 1 -W 3 -M do -s 1392 {SERVER} && ! ping -c 1 -M do -s 1393 {SERVER}")
    assert " mtu 1420 " in ran.stdout
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_server_inside_is_reached_through_the_tunnel(runner: Runner) -> None:
    process = subprocess.Popen(
        runner.words("sh", "-c", f"ping -c 1 -W 9 {SERVER} >/dev/null; echo hello | nc -N -l -p 99"),
        stdout=subprocess.DEVNULL,
        env=needs.clean_environment(),
    )
    with process:
        answer = runner.place.far.run(f"for i in $(seq 50); do nc -w 1 {CLIENT} 99 && exit 0; sleep 0.1; done; exit 1")
        process.wait(10)
    assert answer.rstrip().endswith("hello")


# --- What there is not


def test_a_family_that_the_tunnel_lacks_does_not_exist(runner: Runner) -> None:
    text = (runner.place.folder / "client.conf").read_text().replace(f", {CLIENT6}/64", "")
    runner.place.file("ipv4.conf", text)
    ran = runner.run(f"ip -6 addr show dev hythe0; ping -c 1 -W 1 {SERVER6}", via=f"wg:{runner.place.folder}/ipv4.conf")
    assert ran.returncode != 0
    assert "inet6" not in ran.stdout
    assert "unreachable" in ran.stderr.lower()


def test_without_a_resolver_there_are_no_names(runner: Runner) -> None:
    runner.place.client_file("nameless.conf")
    via = f"wg:{runner.place.folder}/nameless.conf"
    ran = runner.run("getent hosts www.corp.example", via=via)
    assert ran.returncode != 0
    assert "has no DNS = line: add one, or name a resolver with --dns ADDR" in ran.stderr
    ran = runner.run("getent hosts www.corp.example", via=via, options=f"--dns {SERVER}")
    assert ran.stdout.split()[0] == SERVER


def test_nobody_for_that_address(runner: Runner) -> None:
    text = (runner.place.folder / "client.conf").read_text().replace("0.0.0.0/0, ::/0", f"{SERVER}/32")
    runner.place.file("narrow.conf", text)
    via = f"wg:{runner.place.folder}/narrow.conf"
    ran = runner.run(f"ping -c 1 -W 9 {SERVER} && ! ping -c 1 -W 3 192.0.2.2 && nc -v -w 5 192.0.2.2 80", via=via)
    assert "Destination Host Unreachable" in ran.stdout
    assert "No route to host" in ran.stderr
    assert ran.returncode == 1


@pytest.mark.parametrize(
    ("line", "options", "sentence"),
    [
        ("Endpoint = ", "", "has no Endpoint"),
        ("", "--mtu 1500", "--mtu 1500 is more than"),
        ("", "--via direct", "so nothing would go by what comes after it"),
    ],
)
def test_bad_input_is_one_sentence(runner: Runner, line: str, options: str, sentence: str) -> None:
    text = (runner.place.folder / "client.conf").read_text()
    if line:
        text = "\n".join(each for each in text.splitlines() if not each.startswith(line))
    runner.place.file("bad.conf", text)
    ran = runner.run("true", via=f"wg:{runner.place.folder}/bad.conf", options=options)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_far_end_that_does_not_answer_is_told(runner: Runner) -> None:
    via = f"wg:{runner.place.client_file('elsewhere.conf', endpoint='192.0.2.2:9', extra=f'DNS = {SERVER}')}"
    ran = runner.run(f"ping -c 1 -W 11 {SERVER}", via=via)
    assert ran.returncode == 1
    assert "does not answer at 192.0.2.2:9, and nothing goes there until it does" in ran.stderr


# --- What comes between


STREAM = """
import socket, sys, time
stream = socket.create_connection((sys.argv[1], 7777), 20)
stream.settimeout(400)
print("open", flush=True)
for number in range(int(sys.argv[2])):
    stream.sendall(b"%08d" % number)
    answer = b""
    while len(answer) < 8:
        piece = stream.recv(8 - len(answer))
        assert piece, number
        answer += piece
    assert answer == b"%08d" % number, (number, answer)
    print(number, flush=True)
    time.sleep(0.02)
"""
ECHO = """
import socket
listener = socket.create_server(("0.0.0.0", 7777))
while True:
    stream, _ = listener.accept()
    while data := stream.recv(65536):
        stream.sendall(data)
    stream.close()
"""


class Dialogue:
    """A program inside that talks to an echo outside, a number at a time."""

    def __init__(self, words: list[str]) -> None:
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            text=True,
            env=needs.clean_environment(),
        )

    def until(self, number: str) -> None:
        """Wait until it has come to `number`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == number:
                return
        raise AssertionError(f"it ended before {number}")


def test_streams_outlive_a_cut_and_another_address(runner: Runner) -> None:
    near = runner.place.near
    dialogue = Dialogue(runner.words(*runner.person.script(STREAM, SERVER, "60")))
    with dialogue.process:
        dialogue.until("10")
        near.run("ip link set cable0 down; sleep 1.5; ip link set cable0 up")
        near.run(f"ip route replace default via {FAR}")
        dialogue.until("30")
        near.run(f"ip addr del {NEAR}/24 dev cable0; ip addr add 192.0.2.77/24 dev cable0; ip route add default via {FAR}")
        try:
            dialogue.until("59")
            assert dialogue.process.wait(10) == 0
            endpoints = runner.place.far.run(f"wg show {runner.place.wg} endpoints")
        finally:
            near.run(
                f"ip addr del 192.0.2.77/24 dev cable0; ip addr add {NEAR}/24 dev cable0; ip route add default via {FAR}"
            )
    assert "192.0.2.77:" in endpoints


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [60, 200], ids=["a cut", "a cut beyond the session"])
def test_streams_outlive_a_long_cut(runner: Runner, seconds: int) -> None:
    dialogue = Dialogue(runner.words(*runner.person.script(STREAM, SERVER, "40")))
    with dialogue.process:
        dialogue.until("10")
        runner.place.near.run("ip link set cable0 down")
        time.sleep(seconds)
        runner.place.near.run(f"ip link set cable0 up; ip route replace default via {FAR}")
        dialogue.until("39")
        assert dialogue.process.wait(10) == 0


# --- Some of it only


def test_by_name_and_by_network(runner: Runner) -> None:
    near = runner.place.near
    near.start(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"),
        *(f"--address=/other.example/{FAR}", "--address=/corp.example/203.0.113.1", "--port=5300", "--pid-file="),
        ready="ss -lun | grep -q :5300",
    )
    options = "--dns 127.0.0.1:5300 --summary=json"
    via = f"wg:{runner.place.folder}/client.conf for *.corp.example, {SERVER6}"
    ran = runner.run(
        "curl -sS http://www.corp.example:8080/ && dig +tcp +short www.corp.example && dig +tcp +short a.other.example &&"
        f"curl -sS http://www.other.example:8080/ && curl -sS 'http://[{SERVER6}]:8080/' &&"
        "dig +tcp +keepopen +short www.corp.example a.other.example b.corp.example && ip -o addr show hythe0",
        via=via,
        options=options,
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[:5] == ["through the tunnel", SERVER, FAR, "through the tunnel", "through the tunnel"]
    assert lines[5:8] == [SERVER, FAR, SERVER]
    assert f"{CLIENT}/" not in ran.stdout
    flows = json.loads(ran.stderr[ran.stderr.index("{") :])["connections"]
    assert [each["outside"]["host"] for each in flows if each["outside"]["port"] == 8080] == [SERVER, FAR, SERVER6]


# --- Hythe itself stands still


QUICKLY = """
import sys
from hythe.config import WireguardConfig
from hythe.gateway.options import RunOptions
from hythe.gateway.relay.wireguard import plan
from hythe.gateway.run import run
from hythe.units import MILLISECOND, SECOND
from hythe.view.follow import Follower
timers = WireguardConfig(rekey_after=700 * MILLISECOND, reject_after=1 * SECOND, rekey_timeout=200 * MILLISECOND)
tunnel = plan(sys.argv[1], settings=timers)
status, _ = run(RunOptions(tuple(sys.argv[2:]), tunnel=tunnel), lambda: Follower(print, verbose=False, quiet=True))
sys.exit(status)
"""


def test_streams_outlive_a_suspension_longer_than_the_session(runner: Runner) -> None:
    inside = runner.person.script(STREAM, SERVER, "100")
    quickly = runner.person.script(QUICKLY, f"{runner.place.folder}/client.conf", *inside)
    dialogue = Dialogue(runner.place.near.words(*runner.person.prefix, *quickly))
    with dialogue.process:
        dialogue.until("40")  # new sessions have been made since
        dialogue.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        dialogue.process.send_signal(signal.SIGCONT)
        dialogue.until("99")
        assert dialogue.process.wait(10) == 0
