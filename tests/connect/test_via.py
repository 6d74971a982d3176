"""`hythe connect --via` and `hythe host --via`, through a SOCKS server of the test's own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.gateway.ways.elsewhere import proxy, udp_echo
from tests.via.proxies import tinyproxy


def hythe(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hythe", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=False, env=needs.clean_environment())


def test_connect_by_a_name_that_the_far_end_knows() -> None:
    with proxy() as it, tcp_server(echo) as port:
        said = hythe("connect", "--via", f"socks5://127.0.0.1:{it.port}", "far.test", str(port), stdin=bytes(300_000))
    assert said.stdout == bytes(300_000), said.stderr


def test_connect_by_http(tmp_path: Path) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"+OK ready\r\n")

    with tinyproxy(tmp_path) as it, tcp_server(greet) as port:
        words = [sys.executable, "-m", "hythe", "connect", "--via", f"http://127.0.0.1:{it}", "localhost", str(port)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # it hears no half-close
            assert process.stdout is not None
            assert process.stdout.read() == b"+OK ready\r\n"


def test_datagrams() -> None:
    with proxy() as it, udp_echo() as port:
        said = hythe("connect", "-u", "--via", f"socks5://127.0.0.1:{it.port}", "far.test", str(port), stdin=b"hello")
        assert said.stdout == b"HELLO", said.stderr
        said = hythe("connect", "-u", "--via", f"socks4a://127.0.0.1:{it.port}", "far.test", str(port), stdin=b"hello")
    assert said.returncode == 1
    assert said.stderr.decode().startswith("hythe: far.test:")
    assert "carries no datagrams" in said.stderr.decode()


def test_what_fails_is_told_in_the_ways_words() -> None:
    port = closed_port()
    with proxy() as it:
        said = hythe("connect", "--via", f"socks5://127.0.0.1:{it.port}", "far.test", str(port))
    assert said.returncode == 1
    assert said.stderr.decode() == (
        f"hythe: far.test:{port}: connection refused (socks5://127.0.0.1:{it.port} -> far.test:{port}): "
        "the proxy says: connection refused\n"
    )


def test_no_unix_sockets_behind_a_proxy() -> None:
    said = hythe("connect", "--unix", "--via", "socks5://127.0.0.1", "/run/socket")
    assert said.returncode == 1
    assert "socks5://127.0.0.1:1080 reaches no Unix sockets (/run/socket): use a way by SSH" in said.stderr.decode()


def test_what_goes_with_no_way() -> None:
    for option in ("-l", "--stack", "-4", "-6"):
        said = hythe("connect", option, "--via", "socks5://127.0.0.1", "far.test", "80")
        assert said.returncode == 2
        assert "--via leads to a far end" in said.stderr.decode()


def test_host_asks_through_the_way() -> None:
    with proxy() as it, NameServer() as names:
        way = f"socks5://127.0.0.1:{it.port}"
        said = hythe("host", "--via", way, "plain.test", f"9.9.9.9:{names.port}")
        assert b"plain.test has address 192.0.2.1" in said.stdout, said.stderr
        assert {protocol for protocol, _, _ in names.asked} == {"tcp"}
        said = hythe("host", "--via", way, "localhost", f"9.9.9.9:{names.port}")
        assert b"not found" in said.stdout, "this machine's /etc/hosts says nothing of the far end"
    for words in (("plain.test",), ("plain.test", "ns.test")):
        said = hythe("host", "--via", way, *words)
        assert said.returncode == 2
        assert len(said.stderr.splitlines()) == 1


def test_tls_to_the_far_end(tmp_path: Path) -> None:
    """It is the far end that has to prove its name, not what leads there."""
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=far"
    command = [needs.program("openssl"), *words.split(), "-addext", "subjectAltName=DNS:far.test"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    def greet(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
            stream.sendall(b"+OK ready\r\n")
            stream.unwrap()

    with proxy() as it, tcp_server(greet) as port:
        words_of = ["connect", "--tls", "--ca", str(tmp_path / "cert.pem"), "--via", f"socks5://127.0.0.1:{it.port}"]
        assert hythe(*words_of, "far.test", str(port)).stdout == b"+OK ready\r\n"
        said = hythe(*words_of, "192.0.2.1", str(port))
    assert said.returncode == 1
    assert "its certificate proves nothing" in said.stderr.decode()
