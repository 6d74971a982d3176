"""Names inside `hythe run`, asked by the programs that everybody asks with."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from hythe.gateway.layout import Family
from hythe.gateway.names.resolvconf import ResolvConf, parse_servers
from hythe.gateway.namespace import machine_networks, pick_prefix6, pick_subnet4
from tests import needs
from tests.gateway.nameserver import BIG, PLAIN, NameServer
from tests.gateway.servers import closed_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gateway.conftest import Person

INSIDE4, INSIDE6 = Family(*pick_subnet4(machine_networks())), Family(*pick_prefix6(machine_networks()))
OVER = pytest.mark.parametrize("over", ["", "+tcp"], ids=["udp", "tcp"])


def text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def dig(*words: str) -> list[str]:
    """Return a `dig` that prints the status of the answer, then its records, and asks once."""
    script = 'dig +noall +comments +answer +tries=1 +time=15 "$@"'
    return ["sh", "-c", f"PATH=$PATH:/usr/bin; {script}", "dig", *words]


def answer(output: str) -> tuple[str, list[str]]:
    """Return the status, and the data of the records, from what `dig` printed."""
    status = output.partition("status: ")[2].partition(",")[0]
    return status, [line.split()[-1] for line in output.splitlines() if line and not line.startswith(";")]


def servers(*ports: int) -> str:
    """Return the option that names resolvers at ports of 127.0.0.1."""
    return f"--dns {','.join(f'127.0.0.1:{port}' for port in ports)}"


# --- hythe.internal


def test_getent_finds_this_machine(person: Person) -> None:
    needs.program("getent")
    result = person.run("--host-loopback", "getent", "ahosts", "host.hythe.internal")
    assert result.returncode == 0, result.stderr
    assert {line.split()[0] for line in result.stdout.splitlines()} == {text(INSIDE4.host), text(INSIDE6.host)}


def test_without_host_loopback_there_is_no_such_name(nobody: Person) -> None:
    needs.program("getent")
    assert nobody.run("", "getent", "hosts", "host.hythe.internal").returncode == 2
    assert nobody.run("", "getent", "hosts", "gateway.hythe.internal").returncode == 0


@OVER
def test_our_own_names(nobody: Person, over: str) -> None:
    """All asked in one run, an answer after the other."""
    needs.program("dig")
    expected = {
        ("host.hythe.internal", "A"): ("NOERROR", [text(INSIDE4.host)]),
        ("host.hythe.internal", "AAAA"): ("NOERROR", [text(INSIDE6.host)]),
        ("Gateway.HYTHE.internal", "A"): ("NOERROR", [text(INSIDE4.gateway)]),
        ("gateway.hythe.internal", "AAAA"): ("NOERROR", [text(INSIDE6.gateway)]),
        ("gateway.hythe.internal", "MX"): ("NOERROR", []),
        ("hythe.internal", "A"): ("NOERROR", []),
        ("nobody.hythe.internal", "A"): ("NXDOMAIN", []),
        ("a.host.hythe.internal", "A"): ("NXDOMAIN", []),
        (ipaddress.ip_address(INSIDE4.host).reverse_pointer, "PTR"): ("NOERROR", ["host.hythe.internal."]),
        (ipaddress.ip_address(INSIDE6.gateway).reverse_pointer, "PTR"): ("NOERROR", ["gateway.hythe.internal."]),
        (ipaddress.ip_address(INSIDE4.command).reverse_pointer, "PTR"): ("NXDOMAIN", []),
    }
    options = "+noall +comments +answer +tries=1 +time=15"
    queries = (f"dig {options} {over} {name} {kind}; echo END" for name, kind in expected)
    result = nobody.run("--host-loopback --dns none", "sh", "-c", "PATH=$PATH:/usr/bin; " + "; ".join(queries))
    answers = map(answer, result.stdout.split("END\n"))
    assert dict(zip(expected, answers, strict=False)) == expected, result.stdout + result.stderr


def test_a_single_family(nobody: Person) -> None:
    """With -6 the gateway is asked over IPv6, and has no IPv4 address."""
    needs.program("dig")
    assert answer(nobody.run("-6", *dig("gateway.hythe.internal", "A")).stdout) == ("NOERROR", [])
    assert answer(nobody.run("-6", *dig("gateway.hythe.internal", "AAAA")).stdout) == ("NOERROR", [text(INSIDE6.gateway)])
    assert answer(nobody.run("-4", *dig("gateway.hythe.internal", "AAAA")).stdout) == ("NOERROR", [])


# --- Everybody else's


@OVER
def test_a_name_outside(person: Person, over: str) -> None:
    needs.program("dig")
    with NameServer() as server:
        result = person.run(server.option, *dig(*over.split(), "Plain.test"))
    assert answer(result.stdout) == ("NOERROR", [text(PLAIN)]), result.stdout + result.stderr
    assert [(protocol, name) for protocol, _, name in server.asked] == [("tcp" if over else "udp", "plain.test")]


def test_a_name_that_does_not_exist(nobody: Person) -> None:
    needs.program("dig")
    with NameServer() as server:
        assert answer(nobody.run(server.option, *dig("nothing.test")).stdout) == ("NXDOMAIN", [])


def test_what_is_too_long_for_udp_comes_by_tcp(nobody: Person) -> None:
    needs.program("dig")
    with NameServer() as server:
        status, records = answer(nobody.run(server.option, *dig("big.test")).stdout)
    assert status == "NOERROR"
    assert sorted(records) == sorted(map(text, BIG))
    assert [protocol for protocol, _, _ in server.asked] == ["udp", "tcp"]


def test_a_forged_answer_is_not_believed(nobody: Person) -> None:
    needs.program("dig")
    with NameServer() as server:
        assert answer(nobody.run(server.option, *dig("forged.test")).stdout) == ("NOERROR", [text(PLAIN)])


def test_identifiers_are_not_the_commands(nobody: Person) -> None:
    """Whoever sees the command's identifier learns nothing of ours (RFC 5452, 9.2)."""
    needs.program("dig")
    with NameServer() as server:
        nobody.run(server.option, "sh", "-c", "for n in 1 2 3 4 5 6; do dig +qid=4711 plain.test; done")
    identifiers = [identifier for _, identifier, _ in server.asked]
    assert len(set(identifiers)) >= 5
    assert identifiers.count(4711) <= 1


@OVER
def test_the_next_resolver_when_the_first_is_not_there(nobody: Person, over: str) -> None:
    needs.program("dig")
    with NameServer() as good:
        result = nobody.run(servers(closed_port(), good.port), *dig("+stats", *over.split(), "plain.test"))
    assert answer(result.stdout) == ("NOERROR", [text(PLAIN)]), result.stdout + result.stderr
    assert int(result.stdout.partition("Query time: ")[2].split()[0]) < 1_900, "the first was not waited for"


@pytest.mark.slow
def test_the_next_resolver_when_the_first_accepts_and_is_silent(nobody: Person) -> None:
    needs.program("dig")
    with NameServer() as good, closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        result = nobody.run(servers(deaf.getsockname()[1], good.port), *dig("+tcp", "plain.test"))
    assert answer(result.stdout) == ("NOERROR", [text(PLAIN)]), result.stdout + result.stderr


def test_the_next_resolver_when_the_first_does_not_answer(nobody: Person) -> None:
    needs.program("dig")
    with NameServer() as good, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))
        began = time.monotonic()
        result = nobody.run(servers(deaf.getsockname()[1], good.port), *dig("plain.test"))
        assert len(deaf.recv(512)) >= 12
    assert answer(result.stdout) == ("NOERROR", [text(PLAIN)]), result.stdout + result.stderr
    assert time.monotonic() - began >= 2


def test_the_next_resolver_when_the_first_fails(nobody: Person) -> None:
    """As glibc does: SERVFAIL is no answer while somebody else might have one."""
    needs.program("dig")
    with NameServer() as first, NameServer() as second:
        assert answer(nobody.run(servers(first.port, second.port), *dig("failing.test")).stdout) == ("SERVFAIL", [])
    assert len(first.asked) == len(second.asked) == 1


@OVER
def test_nobody_answers(nobody: Person, over: str) -> None:
    needs.program("dig")
    port = closed_port()
    result = nobody.run(f"--dns 127.0.0.1:{port}", *dig(*over.split(), "plain.test"))
    assert answer(result.stdout) == ("SERVFAIL", []), result.stdout
    assert result.stderr == (
        f"hythe: names cannot be looked up: no answer from 127.0.0.1:{port}; name a resolver that works with --dns ADDR\n"
    )


@pytest.mark.slow
@OVER
def test_silence_ends(nobody: Person, over: str) -> None:
    needs.program("dig")
    with NameServer() as server:
        began = time.monotonic()
        result = nobody.run(server.option, *dig(*over.split(), "silent.test"))
    assert answer(result.stdout) == ("SERVFAIL", []), result.stdout
    assert 8 < time.monotonic() - began < 14


@OVER
def test_no_resolver(nobody: Person, over: str) -> None:
    needs.program("dig")
    result = nobody.run("--dns none", *dig(*over.split(), "plain.test"))
    assert answer(result.stdout) == ("REFUSED", []), result.stdout
    assert result.stderr == ""


def test_several_queries_on_one_connection(nobody: Person) -> None:
    """In one segment, ours among others; the resolver hangs up in between, and is asked again."""
    program = """
import socket, struct, sys
def query(number, name):
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    message = struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + bytes((0, 0, 1, 0, 1))
    return struct.pack(">H", len(message)) + message
names = ["plain.test", "gateway.hythe.internal", "hangup.test", "nothing.test", "plain.test"]
with socket.create_connection(("gateway.hythe.internal", 53)) as connection:
    connection.sendall(b"".join(query(number, name) for number, name in enumerate(names)))
    connection.shutdown(socket.SHUT_WR)
    stream = connection.makefile("rb")
    while head := stream.read(2):
        message = stream.read(struct.unpack(">H", head)[0])
        print(message[1], message[3] & 15)
"""
    with NameServer() as server:
        result = nobody.run(server.option, *nobody.script(program))
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == ["0 0", "1 0", "2 3", "3 3", "4 0"]


def test_many_at_once(nobody: Person) -> None:
    """More than may wait on one connection; and over UDP from many sockets."""
    program = """
import socket, struct
name = b"\\5plain\\4test\\0\\0\\1\\0\\1"
def query(number): return struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + name
def framed(message): return struct.pack(">H", len(message)) + message
gateway = socket.gethostbyname("gateway.hythe.internal")
with socket.create_connection((gateway, 53)) as connection:
    connection.sendall(b"".join(framed(query(number)) for number in range(500)))
    connection.shutdown(socket.SHUT_WR)
    data = connection.makefile("rb").read()
seen = set()
while data:
    size, number = struct.unpack_from(">HH", data)
    seen.add(number)
    data = data[2 + size:]
assert seen == set(range(500)), len(seen)
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(100)]
for number, each in enumerate(sockets):
    each.settimeout(10)
    each.sendto(query(number), (gateway, 53))
for number, each in enumerate(sockets):
    assert each.recv(512)[:2] == struct.pack(">H", number)
print("all")
"""
    with NameServer() as server:
        result = nobody.run(server.option, *nobody.script(program))
    assert result.stdout == "all\n", result.stderr


def test_garbage(nobody: Person) -> None:
    """Over UDP it gets no answer, over TCP a reset, and neither hurts."""
    program = """
import socket
gateway = socket.gethostbyname("gateway.hythe.internal")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as garbage:
    for size in (0, 1, 11, 12, 13, 500): garbage.sendto(bytes(range(256))[:size] * (size and 1), (gateway, 53))
with socket.create_connection((gateway, 53)) as connection:
    connection.sendall(b"\\0\\4abcd")
    try: print(connection.recv(1))
    except ConnectionResetError: print("reset")
print(socket.gethostbyname("gateway.hythe.internal") == gateway)
"""
    result = nobody.run("", *nobody.script(program))
    assert result.stdout == "reset\nTrue\n", result.stderr


# --- resolv.conf and --dns


def test_what_the_command_sees(root: Person, tmp_path: Path) -> None:
    """A machine with search domains and a resolver that the command might know by its address."""
    needs.program("dig")
    conf = tmp_path / "resolv.conf"
    conf.write_text("search corp.test test\nnameserver 203.0.113.53\noptions timeout:9 edns0\n")
    with NameServer() as server:
        inside = (
            "grep -v '^#' /etc/resolv.conf; getent hosts plain; getent hosts gateway.hythe.internal; "
            "dig +short @203.0.113.53 gateway.hythe.internal; dig +short +tcp @203.0.113.53 gateway.hythe.internal"
        )
        result = with_resolv_conf(root, conf, server.option, inside)
    assert result.splitlines() == [
        f"nameserver {text(INSIDE4.gateway)}",
        "search corp.test test",
        "options timeout:9 edns0",
        "192.0.2.1       plain.test",
        f"{text(INSIDE6.gateway)} gateway.hythe.internal",
        text(INSIDE4.gateway),
        text(INSIDE4.gateway),
    ]


def test_a_machine_that_changes_its_resolver(root: Person, tmp_path: Path) -> None:
    needs.program("dig")
    conf = tmp_path / "resolv.conf"
    conf.write_text("")
    command = (
        f"echo nameserver 203.0.113.53 > {conf}; for n in $(seq 50); do "
        "dig +short +tries=1 +time=1 @203.0.113.53 gateway.hythe.internal | grep '^[0-9]' && break; sleep 0.1; done"
    )
    assert with_resolv_conf(root, conf, "", command) == f"{text(INSIDE4.gateway)}\n"


def with_resolv_conf(root: Person, conf: Path, options: str, command: str) -> str:
    """Return what a shell command prints in a `hythe run` on a machine with this resolv.conf."""
    words = [
        needs.program("unshare"),
        "--mount",
        "sh",
        "-c",
        f'mount --bind {conf} /etc/resolv.conf && exec "$@"',
        "sh",
        *root.words(options, "sh", "-c", command),
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, cwd=root.folder).stdout


def test_reading_resolv_conf() -> None:
    found = ResolvConf(
        " nameserver 192.0.2.9\n#nameserver 192.0.2.8\nnameserver\t192.0.2.1 # here\n"
        "nameserver fe80::1%eth0;x\nnameserver one.test\ndomain\tcorp.test  \noptions rotate\n"
        "nameserver 127.0.0.53\nnameserver 192.0.2.4\n"
    )
    assert found.servers == [("192.0.2.1", 53), ("fe80::1%eth0", 53), ("127.0.0.53", 53)]
    assert found.kept == ["domain\tcorp.test", "options rotate"]
    assert found.inside(INSIDE6.gateway).splitlines()[1:] == [
        f"nameserver {text(INSIDE6.gateway)}",
        "domain\tcorp.test",
        "options rotate",
    ]
    assert ResolvConf("").servers == [("127.0.0.1", 53)]


@pytest.mark.parametrize(
    ("written", "servers"),
    [
        ("none", []),
        ("9.9.9.9", [("9.9.9.9", 53)]),
        ("127.0.0.1:5353, ::1", [("127.0.0.1", 5353), ("::1", 53)]),
        ("[2620:fe::9]:530", [("2620:fe::9", 530)]),
        ("127.0.0.1:mdns,[::1]:domain", [("127.0.0.1", 5353), ("::1", 53)]),
        ("[fe80::1%eth0]", [("fe80::1%eth0", 53)]),
    ],
)
def test_resolvers_by_option(written: str, servers: list[tuple[str, int]]) -> None:
    assert parse_servers(written) == servers


@pytest.mark.parametrize(
    "written",
    [
        "",
        "dns.test",
        "9.9.9.9,",
        "9.9.9",
        "9.9.9.9:0",
        "9.9.9.9:x",
        "[::1",
        "[::1]53",
        "1::2::3",
        "9.9.9.9:65536",
        "none,9.9.9.9",
        "9.9.9.9%eth0",
    ],
)
def test_what_is_no_resolver(written: str) -> None:
    with pytest.raises(UsageError, match=r"^--dns .* is no address of a resolver: write for example 9\.9\.9\.9,"):
        parse_servers(written)


def test_a_bad_option_is_one_sentence(nobody: Person) -> None:
    result = nobody.run("--dns dns.test", "true")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("hythe: --dns 'dns.test' is no address")
