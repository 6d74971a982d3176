"""`hythe host` with a real name server on loopback, beside host(1), through the kernel and through our own stack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hythe.cli.group import group
from tests import needs
from tests.aio.nameservers import Peculiar
from tests.gateway.servers import closed_port

LOOP = ["loop.test is an alias for back.test.", "back.test is an alias for loop.test."]
STACKS = pytest.mark.parametrize("stack", [[], ["--stack"]], ids=["kernel", "stack"])


@pytest.fixture(scope="module")
def server() -> Iterator[Peculiar]:
    """Return a running name server."""
    with Peculiar() as running:
        yield running


def hythe_host(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "hythe", "host", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


def ask(server: Peculiar, *words: str) -> tuple[int, list[str]]:
    """Ask the server, in this process; return the exit status and the lines after those that name it."""
    ran = CliRunner().invoke(group, ["host", *words, f"127.0.0.1:{server.port}"], standalone_mode=False)
    assert ran.exception is None
    assert ran.stderr == ""
    head, _, rest = ran.stdout.partition("Aliases: \n\n")
    assert head == f"Using domain server:\nName: 127.0.0.1:{server.port}\nAddress: 127.0.0.1#{server.port}\n"
    return ran.return_value, rest.splitlines()


@STACKS
@pytest.mark.parametrize(
    ("words", "status", "lines"),
    [
        (["plain.test"], 0, ["plain.test has address 192.0.2.1", "plain.test mail is handled by 10 mail.test."]),
        (["alias.test", "-4"], 0, ["alias.test is an alias for plain.test.", "plain.test has address 192.0.2.1"]),
        (["192.0.2.1"], 0, ["1.2.0.192.in-addr.arpa domain name pointer plain.test."]),
        (["plain.test", "-t", "mx"], 0, ["plain.test mail is handled by 10 mail.test."]),
        (["plain.test", "-t", "TXT"], 0, ['plain.test descriptive text "a b" "\\027[31m"']),
        (["plain.test", "-t", "TYPE731"], 0, ["plain.test has TYPE731 record \\# 2 0AFF"]),
        (["plain.test", "-6"], 1, ["plain.test has no AAAA record"]),
        (["nobody.test"], 1, ["Host nobody.test not found: 3(NXDOMAIN)"]),
        (["192.0.2.9"], 1, ["Host 9.2.0.192.in-addr.arpa. not found: 3(NXDOMAIN)"]),
        (["failing.test"], 1, ["Host failing.test not found: 2(SERVFAIL)"]),
        (["loop.test", "-4"], 1, [*LOOP, "Host loop.test not found: its aliases lead back to loop.test"]),
        (["plain.test", "--tcp", "-4"], 0, ["plain.test has address 192.0.2.1"]),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else str(each),
)
def test_what_is_said(server: Peculiar, stack: list[str], words: list[str], status: int, lines: list[str]) -> None:
    assert ask(server, *stack, *words) == (status, lines)


@pytest.mark.parametrize(
    "words",
    [
        "plain.test",
        "nobody.test",
        "failing.test",
        "192.0.2.1",
        "192.0.2.9",
        "-t MX plain.test",
        "-t NS plain.test",
        "-t SOA plain.test",
        "-t TXT plain.test",
        "-t SRV _sip._udp.plain.test",
        "-t CNAME cname.test",
        "-t TYPE731 plain.test",
        "-t AAAA 6.ip6.test",
    ],
)
def test_the_words_are_those_of_host(server: Peculiar, words: str) -> None:
    command = [needs.program("host"), "-p", str(server.port), *words.split(), "127.0.0.1"]
    theirs = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    status, lines = ask(server, *words.split())
    assert lines == theirs.stdout.partition("Aliases: \n\n")[2].splitlines()
    assert status == theirs.returncode


@STACKS
def test_a_long_answer_and_what_was_asked(server: Peculiar, stack: list[str]) -> None:
    before = len(server.asked)
    status, lines = ask(server, *stack, "big.test", "-4", "-v")
    assert (status, lines[0]) == (0, ";; big.test A: 2 queries")
    assert " over TCP, 3237 bytes, flags aa ra" in lines[1]
    assert lines[2] == "big.test. 60 IN A 198.51.100.0"
    assert lines[-1] == "big.test has address 198.51.100.199"
    assert [protocol for protocol, _, _ in server.asked[before:]] == ["udp", "tcp"]


@STACKS
def test_json(server: Peculiar, stack: list[str]) -> None:
    ran = hythe_host(*stack, "alias.test", "--json", "-4", f"127.0.0.1:{server.port}")
    found = json.loads(ran.stdout)
    by = found.pop("server")
    assert by.endswith("#53") if stack else by == f"127.0.0.1#{server.port}"
    assert found == {
        "name": "alias.test",
        "status": "FOUND",
        "rcode": "NOERROR",
        "canonical": "plain.test",
        "source": "dns",
        "authentic": False,
        "reason": None,
        "records": [
            {"name": "alias.test", "type": "CNAME", "ttl": 60, "data": "plain.test."},
            {"name": "plain.test", "type": "A", "ttl": 60, "data": "192.0.2.1"},
        ],
    }
    assert json.loads(hythe_host("nobody.test", "--json", f"127.0.0.1:{server.port}").stdout)["rcode"] == "NXDOMAIN"


def test_the_hosts_file_is_asked_first_as_by_getent() -> None:
    getent = subprocess.run([needs.program("getent"), "ahostsv4", "localhost"], capture_output=True, text=True, timeout=30)
    assert getent.stdout.split()[0] == "127.0.0.1"
    ran = hythe_host("localhost", "-4")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("localhost has address 127.0.0.1 (")
    back = hythe_host("127.0.0.1")
    assert back.returncode == 0
    assert "1.0.0.127.in-addr.arpa domain name pointer localhost. (from /etc/hosts)" in back.stdout.splitlines()


def test_no_server_is_one_sentence() -> None:
    port = closed_port()
    ran = hythe_host("plain.test", f"127.0.0.1:{port}")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"hythe: no name server could be reached (127.0.0.1#{port} connection refused): name another SERVER\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a..b"], "is not a name"),
        (["-t", "nonsense", "plain.test"], "-t nonsense is no type of record"),
        (["-t", "MX", "192.0.2.1"], "asks about a name, not about an address"),
        (["-4", "-6", "plain.test"], "exclude each other"),
        (["plain.test", "127.0.0.1:0"], "'127.0.0.1:0' is no name server"),
        (["plain.test", "127.0.0.1#53"], "is no name server"),
        ([], "Missing argument"),
    ],
)
def test_wrong_words(words: list[str], sentence: str) -> None:
    ran = hythe_host(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_the_stack_needs_no_rights(server: Peculiar, public_python: Path) -> None:
    command = [
        *needs.nobody(),
        str(public_python.parent / "hythe"),
        "host",
        "--stack",
        "plain.test",
        f"127.0.0.1:{server.port}",
    ]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=40, check=False, env=dict(needs.clean_environment()), cwd="/"
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "plain.test has address 192.0.2.1" in ran.stdout
