"""`hythe run --proxy` and `hythe gateway --proxy`: who never heard of a proxy goes by its rules."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import subprocess
import time
from random import Random
from typing import IO, TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.field import CLIENT, FAR, FAR_TOO, NEAR, SERVER, Field, Runner, field
from tests.gateway.servers import tcp_server
from tests.gateway.test_gateway_peers import serve
from tests.gateway.ways.elsewhere import proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Person

BIG = 3_000_000


@pytest.fixture(scope="module")
def place(nobody: Person) -> Iterator[Field]:
    """Return both machines; each has services, which also know the other's name."""
    folder = needs.public_folder()
    os.chown(folder, needs.NOBODY, needs.NOBODY)
    try:
        with field(folder, Random(61)) as found:
            (folder / "www").mkdir()
            (folder / "www" / "big").write_bytes(Random(62).randbytes(BIG))
            found.services(found.far, FAR)
            words = ["-i", FAR, "-p", "1080"]
            found.far.start(needs.program("microsocks"), *words, ready="ss -ltn | grep -q :1080")
            yield found
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True, timeout=10)


def run(place: Field, person: Person, text: str, script: str) -> tuple[list[str], list[str]]:
    """What a shell's command prints that is run by these rules, on the near machine; and what the log has without a file."""
    file = place.file("proxy.toml", text)
    words = [*person.prefix, person.python, "-m", "hythe", "run", "--dns", f"{FAR}:53", "--proxy", str(file)]
    done = subprocess.run(
        place.near.words(*words, "--", "sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {script}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=place.folder,
        env=needs.clean_environment(),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines(), [line for line in done.stderr.splitlines() if line.startswith("[")]


def hours(*, now: bool) -> str:
    """A time of day that it is, or that it is not."""
    begin = datetime.datetime.now() + datetime.timedelta(hours=-2 if now else 2)
    return f"{begin:%H:%M}-{begin + datetime.timedelta(hours=4):%H:%M}"


def curl(url: str, more: str = "") -> str:
    return f"curl -sS -m 9 {more} {url} 2>/dev/null; echo $?;"


def test_rules_by_name_network_port_and_time(place: Field, nobody: Person) -> None:
    log = place.folder / "log.json"
    text = f"""
[transparent]
via = "socks5://{FAR}:1080 for {FAR_TOO}"
[[rule]]
action = "refuse"
to = "bad.corp.example"
[[rule]]
action = "refuse"
to = ":5201"
hours = "{hours(now=True)}"
[[rule]]
action = "refuse"
to = ":8080"
hours = "{hours(now=False)}"
[[rule]]
action = "allow"
to = ["*.corp.example", "{FAR}", "{FAR_TOO}"]
[log]
file = "{log}"
format = "json"
"""
    lines, _ = run(
        place,
        nobody,
        text,
        f"{curl('http://www.corp.example:8080/')} {curl('http://bad.corp.example:8080/')} {curl(f'http://{FAR_TOO}:8080/')}"
        f"nc -w 9 {FAR} 5201 </dev/null; echo $?; {curl('http://192.0.2.9:8080/')}"
        f"dig +short www.corp.example; getent hosts bad.corp.example; {curl(f'http://{FAR}:8080/')}"
        f"for each in {FAR} 192.0.2.9; do dig +short +time=5 +tries=1 www.corp.example @$each | grep -v '^;'; done;"
        f"ping -c 1 -W 9 192.0.2.9 | grep -c filtered; ping -c 1 -W 9 {FAR} | grep -c received",
    )
    page = "through the tunnel"
    assert lines[:11] == [page, "0", "7", page, "0", "1", "7", FAR, lines[8], page, "0"]
    assert lines[8].startswith("198.18."), "nobody was asked for what nobody may reach"
    assert lines[11:] == [FAR, "1", "1"], "datagrams, and pings"
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["host"], each["port"], each["error"]) for each in told] == [
        ("www.corp.example", 8080, None),
        ("bad.corp.example", 8080, "EACCES"),
        (FAR_TOO, 8080, None),
        ("www.corp.example", 5201, "EACCES"),
        ("192.0.2.9", 8080, "EACCES"),
        ("www.corp.example", 8080, None),  # by its address, of which a rule about another name says nothing
        ("192.0.2.9", 53, "EACCES"),
        ("www.corp.example", 53, None),
    ]
    assert told[0]["address"] == FAR
    assert told[0]["entry"] == "run"
    assert told[0]["bytes_down"] > 100
    assert told[1]["reason"].startswith("the rules of this proxy do not let ")
    assert [each["via"] for each in told[:3]] == ["direct", "direct", f"socks5://{FAR}:1080"]


def test_an_address_is_known_by_the_name_it_was_told_for(place: Field, nobody: Person) -> None:
    """Where names alone are let through, an address is none, unless one of them has been looked up."""
    text = '[transparent]\n[[rule]]\naction = "allow"\nto = "www.corp.example:8080"\n'
    lines, log = run(
        place,
        nobody,
        text,
        f"{curl(f'http://{FAR}:8080/')} {curl('http://www.corp.example:8080/')} {curl(f'http://{FAR}:8080/')}"
        f"{curl('http://www.corp.example:5201/')} {curl('http://other.corp.example:8080/')}",
    )
    assert lines == ["7", "through the tunnel", "0", "through the tunnel", "0", "7", "7"]
    assert f" - run -> {FAR}:8080 0 0 " in log[0]
    assert "EACCES: the rules of this proxy" in log[0]
    assert " - run -> www.corp.example:8080 " in log[1]
    assert "EACCES" not in log[1] + log[2]
    assert "-> www.corp.example:5201 0 0 " in log[3]
    assert "-> other.corp.example:8080 0 0 " in log[4]


@pytest.mark.slow
def test_limits(place: Field, nobody: Person) -> None:
    text = '[transparent]\nidle = "1s"\n[per_client]\nrate = "16mbit"\nbytes = "5MB"\n'
    began = time.monotonic()
    big = f"http://{FAR}:8080/big"
    script = f"nc -d -w 30 {FAR} 8080; curl -sS {big} | sha256sum; {curl(big, '-o /dev/null')} {curl(big, '-o /dev/null')}"
    lines, log = run(place, nobody, text, script)
    assert time.monotonic() - began > 2, "3 MB and what is left of 5 at 2 MB a second"
    done = subprocess.run(["sha256sum", place.folder / "www" / "big"], capture_output=True, text=True, check=True, timeout=9)
    assert lines[0].split()[0] == done.stdout.split()[0]
    assert lines[1] in ("18", "56"), "cut off in the middle"
    assert lines[2] == "7"
    assert "ETIMEDOUT: nothing has moved for 1 s" in log[0]
    assert "EDQUOT: the bytes of this hour are used up" in log[2]
    assert "EDQUOT: this client has used up its bytes of this hour" in log[3]


def test_names_that_a_way_looks_up(nobody: Person, folder: Path) -> None:
    """A stand-in is what the command is told, and the name is what rules and way are."""
    with proxy() as far, tcp_server(page) as port:
        file = folder / "proxy.toml"
        rules = '[[rule]]\naction = "refuse"\nto = "no.far.test"\n[[rule]]\naction = "allow"\nto = "*far.test"\n'
        file.write_text(f'[transparent]\nvia = "socks5://127.0.0.1:{far.port} for *far.test"\n{rules}')
        ran = nobody.run(
            f"--proxy {file}",
            *("sh", "-c", f"{curl(f'http://far.test:{port}/')} {curl(f'http://no.far.test:{port}/')}"),
        )
        assert ran.stdout.split() == ["page", "0", "7"], ran.stderr
        assert f" - run -> far.test:{port} " in ran.stderr
        assert f" - run -> no.far.test:{port} 0 0 " in ran.stderr


def page(stream: socket.socket) -> None:
    stream.recv(1_000)
    stream.sendall(b"HTTP/1.0 200 OK\r\n\r\npage\n")


@pytest.mark.slow
def test_peers(place: Field, nobody: Person) -> None:
    place.server_file()
    place.client_file(extra=f"DNS = {SERVER}")
    place.services(place.near, NEAR)
    log = place.folder / "peers.log"
    rules = f"""
[transparent]
[[rule]]
action = "refuse"
to = "bad.corp.example"
[[rule]]
action = "allow"
clients = "{CLIENT}"
to = "*.corp.example"
[log]
file = "{log}"
"""
    file = place.file("peers.toml", rules)
    log.touch(mode=0o666)
    os.chown(log, needs.NOBODY, needs.NOBODY)
    get = f"{curl('http://www.corp.example:8080/')} {curl('http://bad.corp.example:8080/')} {curl('http://192.0.2.9:8080/')}"
    with serve(place, nobody, "--dns", f"{NEAR}:53", "--proxy", str(file)) as served:
        assert Runner(place, nobody).run(get).stdout.splitlines() == ["through the tunnel", "0", "7", "7"]
        place.file("peers.toml", rules.replace("bad.", "www."))
        served.process.send_signal(signal.SIGHUP)
        served.notice(r"peers\.toml read again")
        assert Runner(place, nobody).run(get).stdout.splitlines()[0] == "7"
        lines = log.read_text().splitlines()
    assert f"{CLIENT}:" in lines[0]
    assert " - gateway -> www.corp.example:8080 " in lines[0]
    assert "-> bad.corp.example:8080 0 0 " in lines[1]
    assert "EACCES: the rules" in lines[1]


TUNNELLED = """
[[map]]
listen = "127.0.0.1:7001"
to = "www.corp.example:8080"
via = "wg:client.conf"
[[map]]
listen = "127.0.0.1:5353/udp"
to = "{server}:53"
via = "wg:client.conf"
[[socks]]
listen = "127.0.0.1:1080"
via = "wg:client.conf"
[[http]]
listen = "127.0.0.1:3128"
via = "wg:client.conf"
connect = "3s"
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_proxy_whose_way_is_a_tunnel(nobody: Person) -> None:
    """Every entry by wireguard-go: names are asked in the tunnel alone, and it falls and comes back."""
    for program in ("tcpdump", "dig", "curl"):
        needs.program(program)
    folder = needs.public_folder()
    os.chown(folder, needs.NOBODY, needs.NOBODY)
    with field(folder, Random(63)) as place:
        far = place.wireguard_go(place.far, place.server_file())
        place.services(place.far, SERVER)
        place.client_file(extra=f"DNS = {SERVER}")
        place.file("proxy.toml", TUNNELLED.format(server=SERVER))
        wire = folder / "wire.pcap"
        place.near.start("tcpdump", "-i", "cable0", "-n", "-U", "-w", str(wire), "--immediate-mode", ready=f"test -s {wire}")
        process = subprocess.Popen(
            place.near.words(*nobody.prefix, nobody.python, "-m", "hythe", "proxy", "proxy.toml"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=needs.clean_environment(),
        )
        with process:
            assert process.stderr is not None
            try:
                until(process.stderr, "http 127.0.0.1:3128")
                page = "http://www.corp.example:8080/"
                for words in (
                    f"-x socks5h://127.0.0.1:1080 {page}",
                    f"-x http://127.0.0.1:3128 {page}",
                    "http://127.0.0.1:7001/",
                ):
                    assert place.near.run(f"curl -sS -m 20 {words}") == "through the tunnel\n"
                assert place.near.run("dig +short -p 5353 www.corp.example @127.0.0.1") == f"{SERVER}\n"
                code = "curl -s -o /dev/null -w '%{http_code}' -m 20 -x http://127.0.0.1:3128 "
                assert place.near.run(f"{code} http://{SERVER}:9/", check=False) == "502"
                far.send_signal(signal.SIGSTOP)
                ask = f"for i in $(seq 20); do {code} {page}; echo; done"
                asking = subprocess.Popen(place.near.words("sh", "-c", ask), stdout=subprocess.PIPE, text=True)
                with asking:
                    assert asking.stdout is not None
                    assert asking.stdout.readline() == "504\n"
                    assert "does not answer at 192.0.2.2:51820" in until(process.stderr, "a way out fails: wg:client.conf")
                    far.send_signal(signal.SIGCONT)
                    until(asking.stdout, "200")
                    assert until(process.stderr, "works again") == "hythe: wg:client.conf works again\n"
                    asking.terminate()
            finally:
                process.terminate()
            assert process.wait(20) == 0
        leaks = "not (udp port 51820 or arp or icmp6 or ip6 proto 0)"
        heard = subprocess.run(
            ["tcpdump", "-n", "-r", str(wire), leaks], capture_output=True, text=True, check=True, timeout=30
        )
        assert heard.stdout == ""
    subprocess.run(["rm", "-r", str(folder)], check=True, timeout=10)


def until(stream: IO[str], words: str) -> str:
    """The first line that has these words."""
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"it has ended without {words}")


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("[transparent]\n", "--via direct", "--via and --proxy exclude each other"),
        pytest.param('[transparent]\nvia = "wg:nowhere.conf"\n', "", "nowhere.conf", marks=pytest.mark.slow),
    ],
)
def test_bad_input_is_one_sentence(nobody: Person, folder: Path, text: str, options: str, sentence: str) -> None:
    file = folder / "proxy.toml"
    file.write_text(text)
    ran = nobody.run(f"{options} --proxy {file}", "true")
    assert ran.returncode in (1, 2)
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
