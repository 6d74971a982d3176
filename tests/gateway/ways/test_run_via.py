"""`hythe run --via`: streams, datagrams, names and refusals of a command whose world is a proxy's."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import Content, closed_port, echo, file_server, tcp_server
from tests.gateway.ways.elsewhere import proxy, udp_echo
from tests.tunnel.socks.serving import Serving
from tests.via.proxies import tinyproxy

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

SIZE = 20_000_003


def run(person: Person, *words: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run `hythe run` with `words`, which may have blanks in them."""
    return subprocess.run(
        [*person.prefix, person.python, "-m", "hythe", "run", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=person.folder,
        env=needs.clean_environment(),
    )


def via(it: Serving) -> str:
    return f"--via=socks5://127.0.0.1:{it.port}"


def test_streams_by_name_and_by_address(person: Person, rng: random.Random) -> None:
    content = Content(rng)
    needs.program("curl")
    with proxy() as it, file_server(content) as port:
        for host in ("far.test", "FAR.test", "192.0.2.1"):
            command = f"curl -sSf http://{host}:{port}/{SIZE} | sha256sum"
            said = run(person, via(it), "--", "sh", "-c", command)
            assert said.stdout.split()[:1] == [content.sha256(SIZE)], said.stderr
        command = f"head -c {SIZE} /dev/zero | curl -sSf --data-binary @- http://far.test:{port}/"
        assert hashlib.sha256(bytes(SIZE)).hexdigest() in run(person, via(it), "--", "sh", "-c", command).stdout


def test_what_a_stream_says_of_itself(nobody: Person) -> None:
    with proxy() as it, tcp_server(echo) as port:
        said = run(nobody, via(it), "--summary=json", "--", "nc", "-N", "-w", "5", "far.test", str(port))
    assert said.returncode == 0, said.stderr
    (connection,) = json.loads(said.stderr)["connections"]
    assert connection["outside"] == {"host": "far.test", "port": port}
    assert connection["via"] == f"socks5://127.0.0.1:{it.port}"
    assert connection["name"] == "far.test"
    assert connection["remote"]["address"].startswith("198.18.")


def test_failures_are_told_in_time(nobody: Person) -> None:
    needs.program("curl")
    with proxy() as it:
        for host in ("far.test", "nowhere.test"):
            said = run(nobody, via(it), "--", "curl", "-sS", "-m", "10", f"http://{host}:{closed_port()}/")
            assert said.returncode == 7, said.stderr  # and not 28, curl's for what was not told in its 10 s


def test_a_way_that_fails_is_no_network(nobody: Person) -> None:
    """Not even to what could be reached directly: fail closed."""
    with tcp_server(echo) as port:
        dead = closed_port()
        command = f"nc -w 2 -N 192.0.2.1 {port}; nc -w 2 -N far.test {port}"
        said = run(nobody, f"--via=socks5://127.0.0.1:{dead}", "--", "sh", "-c", command)
    assert said.returncode == 1
    assert f"hythe: a way out fails: network is unreachable (socks5://127.0.0.1:{dead} -> 192.0.2.1:{port})" in said.stderr
    assert said.stderr.count("a way out fails") == 1


def silent(connection: socket.socket) -> None:
    """Say nothing until the client has gone."""
    while connection.recv(100):
        continue


def test_a_proxy_that_says_nothing_holds_nobody_up(nobody: Person) -> None:
    """The command gives up when it likes, and the end of the run waits for nothing."""
    with tcp_server(silent) as port:
        begin = time.monotonic()
        command = "nc -w 1 192.0.2.1 80; nc 192.0.2.1 81 & until grep -q :0051 /proc/net/tcp; do sleep 0.05; done; sleep 0.2"
        said = run(nobody, f"--via=socks5://127.0.0.1:{port}", "--summary=json", "--", "sh", "-c", command)
        assert time.monotonic() - begin < 20
    assert [each["outside"]["port"] for each in json.loads(said.stderr)["connections"]] == [80, 81]


def test_a_held_connection_can_be_killed(root: Person, tmp_path: Path) -> None:
    with tcp_server(silent) as port:
        words = ["--name", "held", f"--via=socks5://127.0.0.1:{port}", "--", "nc", "-w", "20", "192.0.2.1", "80"]
        env = needs.clean_environment(XDG_RUNTIME_DIR=str(tmp_path))
        hythe = [root.python, "-m", "hythe"]
        process = subprocess.Popen([*hythe, "run", *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with process:
            until = time.monotonic() + 10
            while True:
                shown = subprocess.run(
                    [*hythe, "ps", "held"], env=env, capture_output=True, text=True, timeout=20, check=False
                )
                if f"192.0.2.1:80 via socks5://127.0.0.1:{port}" in shown.stdout:
                    break
                assert time.monotonic() < until, shown.stderr
            subprocess.run([*hythe, "ctl", "held", "kill", "1"], env=env, timeout=20, check=True)
            assert process.wait(10) == 1


def test_by_http(tmp_path: Path, nobody: Person) -> None:
    """A real proxy looks names up itself, and does not know this one."""
    with tinyproxy(tmp_path) as it:
        said = run(nobody, f"--via=http://127.0.0.1:{it}", "--summary", "--", "nc", "-w", "5", "nowhere.invalid", "80")
    assert said.returncode == 1
    assert f"nowhere.invalid:80 via http://127.0.0.1:{it}" in said.stderr


ASK = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
where = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), socket.AF_INET, socket.SOCK_DGRAM)[0][4]
try:
    for word in (b"one", b"two"):
        asking.connect(where)
        asking.send(word)
        print(asking.recv(100).decode(), end=" ")
except OSError as error:
    print(type(error).__name__, error.errno)
"""


def test_datagrams_by_name_where_the_way_has_them(nobody: Person) -> None:
    with proxy() as it, udp_echo() as port:
        said = run(nobody, via(it), "--", nobody.python, "-c", ASK, "far.test", str(port))
    assert said.stdout.split() == ["ONE", "TWO"], said.stderr


def test_datagrams_are_refused_at_once_where_it_has_none(nobody: Person) -> None:
    with proxy() as it:
        said = run(nobody, f"--via=socks4a://127.0.0.1:{it.port}", "--", nobody.python, "-c", ASK, "192.0.2.1", "9")
    assert said.stdout.split() == ["OSError", "113"], "EHOSTUNREACH, as Linux tells of administratively prohibited"


def test_this_machine_is_reached_directly_where_it_may_be(nobody: Person) -> None:
    """By a way it would be another machine."""
    words = ["--host-loopback", "--summary=json", "--", nobody.python, "-c", ASK, "host.hythe.internal"]
    with udp_echo() as port:
        said = run(nobody, f"--via=socks5://127.0.0.1:{closed_port()}", *words, str(port))
    assert said.stdout.split() == ["ONE", "TWO"], said.stderr
    assert json.loads(said.stderr)["connections"][0]["via"] is None


def test_pings_are_refused_at_once(nobody: Person) -> None:
    needs.program("ping")
    with proxy() as it:
        said = run(nobody, via(it), "--", "ping", "-c", "1", "-W", "5", "192.0.2.1")
    assert "Packet filtered" in said.stdout
    assert said.returncode == 1


def test_rules_choose_by_name(nobody: Person) -> None:
    """What is to go directly is looked up and reached as ever, under the policy of addresses as ever."""
    words = ["--host-loopback", "--summary=json", "--"]
    with proxy() as it, tcp_server(echo) as port, NameServer() as names:
        rule = f"--via=socks5://127.0.0.1:{it.port} for *.test, 10.0.0.0/8"
        command = (
            f"nc -N -w 5 far.test {port} && nc -4 -N -w 5 host.hythe.internal {port}; getent ahostsv4 plain.direct; true"
        )
        said = run(nobody, rule, f"--dns=127.0.0.1:{names.port}", *words, "sh", "-c", command)
        ways = {each["outside"]["host"]: each["via"] for each in json.loads(said.stderr)["connections"]}
        assert ways == {"far.test": f"socks5://127.0.0.1:{it.port}", "127.0.0.1": None}
        assert {name for _, _, name in names.asked} == {"plain.direct"}


def test_a_name_that_goes_directly_does_not_lead_to_this_machine(nobody: Person) -> None:
    """By its port alone it is known that it goes directly, so this machine looks it up: its own address is refused."""
    with proxy() as it, tcp_server(echo) as port:
        rules = [f"--via=direct for :{port}", via(it)]
        said = run(nobody, *rules, "--summary=json", "--", "nc", "-N", "-w", "5", socket.gethostname() + ".", str(port))
    errors = [each["error"] for each in json.loads(said.stderr)["connections"]]
    assert errors in (["EACCES"], ["EHOSTUNREACH"]), said.stderr


@pytest.mark.parametrize("option", ["+tcp", "+notcp"])
def test_dns_through_the_way(nobody: Person, option: str) -> None:
    """Addresses are stand-ins all the same; what else is asked goes to the resolver that --dns names, over TCP."""
    needs.program("dig")
    with proxy() as it, NameServer() as names:
        words = [via(it), f"--dns=9.9.9.9:{names.port}", "--", "dig", option, "+time=3", "+tries=1", "+noall", "+comments"]
        said = run(nobody, *words, "plain.test", "TXT", "other.test", "TXT")
    assert "status: NOERROR" in said.stdout
    assert "status: NXDOMAIN" in said.stdout
    assert [(protocol, name) for protocol, _, name in names.asked] == [("tcp", "plain.test"), ("tcp", "other.test")]


def test_dig_through_an_association(nobody: Person) -> None:
    """A resolver that the command names itself is asked over UDP where the way has that; both of its answers are real."""
    needs.program("dig")
    with proxy() as it, NameServer() as names:
        words = [
            "dig",
            "@192.0.2.1",
            "-p",
            str(names.port),
            "+time=3",
            "+tries=1",
            "+short",
            "+notcp",
            "plain.test",
            "big.test",
        ]
        said = run(nobody, via(it), "--", *words)
    assert said.stdout.splitlines()[0] == "192.0.2.1"
    assert len(said.stdout.splitlines()) > 150
    assert {(protocol, name) for protocol, _, name in names.asked} >= {("udp", "plain.test"), ("udp", "big.test")}


def test_nothing_is_asked_without_dns(nobody: Person) -> None:
    needs.program("dig")
    with proxy() as it:
        command = "dig +short far.test; dig +short far.test AAAA; dig +short -x 198.18.0.1; dig far.test MX | grep status"
        said = run(nobody, via(it), "--", "sh", "-c", command)
    assert said.stdout.splitlines()[:2] == ["198.18.0.1", "far.test."]
    assert "status: REFUSED" in said.stdout


def test_ipv6_alone(nobody: Person) -> None:
    with proxy() as it, tcp_server(echo) as port:
        said = run(nobody, "-6", via(it), "--", "sh", "-c", f"echo hello | nc -N -w 5 far.test {port}")
    assert said.stdout == "hello\n", said.stderr


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("socks6://proxy", "'socks6://proxy' is not a way: write wg:FILE, ssh://HOST"),
        ("socks5://proxy:0", "'0' in 'socks5://proxy:0' is not a port"),
        ("http://proxy for 10.0.0.1/8", "'10.0.0.1/8' has bits beyond its /8: write 10.0.0.0/8"),
    ],
)
def test_bad_input(nobody: Person, word: str, sentence: str) -> None:
    said = run(nobody, "--via", word, "--", "true")
    assert said.returncode == 2
    assert said.stderr.startswith("hythe: ")
    assert sentence in said.stderr
    assert len(said.stderr.splitlines()) == 1
