"""On a pipe: every byte as it is, over everything there is, to real servers and clients."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests import needs
from tests.connect.connecting import STACKS, command, connect, pop3, read_line, server
from tests.gateway.servers import closed_port
from tests.serve.serving import serving

stacks = pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])


@stacks
def test_every_byte_there_and_back(words: list[str], rng: random.Random) -> None:
    sent = rng.randbytes(500_000) + bytes(range(256)) + b"\r\n\n\r\xff\xff"
    with serving("--echo") as served:
        ran = connect(*words, "localhost", str(served.port), sent=sent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, sent, b"")


@stacks
def test_pop3_by_hand(words: list[str]) -> None:
    with server(pop3) as port:
        ran = connect(*words, "127.0.0.1", str(port), sent=b"QUIT\r\n")
    assert (ran.returncode, ran.stdout) == (0, b"+OK POP3 mail.test ready\r\n+OK Sayonara\r\n")
    with server(pop3) as port:
        assert connect(*words, "--crlf", "127.0.0.1", str(port), sent=b"QUIT\n").stdout.endswith(b"+OK Sayonara\r\n")


@stacks
def test_it_ends_when_the_far_side_has_ended(words: list[str]) -> None:
    with server(lambda client: client.sendall(b"all there is")) as port:
        open_input = subprocess.Popen(
            command(*words, "127.0.0.1", str(port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with open_input:
            assert open_input.stdout is not None
            assert open_input.stdout.read() == b"all there is"
            assert open_input.wait(timeout=20) == 0


@stacks
def test_the_end_of_input_is_a_half_close(words: list[str]) -> None:
    def talk(client: socket.socket) -> None:
        received = b""
        while part := client.recv(65_536):
            received += part
        client.sendall(b"%d bytes" % len(received))

    with server(talk) as port:
        assert connect(*words, "127.0.0.1", str(port), sent=bytes(300_000)).stdout == b"300000 bytes"


def test_ipv6() -> None:
    with server(pop3, socket.AF_INET6) as port:
        assert connect("-6", "::1", str(port), sent=b"QUIT\r\n").returncode == 0
    with server(pop3, socket.AF_INET6) as port:
        assert connect("--stack", "::1", str(port), sent=b"QUIT\r\n").returncode == 0


@stacks
def test_nginx(words: list[str], tmp_path: Path) -> None:
    port = closed_port()
    (tmp_path / "page").write_text("a page\n")
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; user root; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {tmp_path}; }} }}\n"
    )
    run = [needs.program("nginx"), "-p", str(tmp_path), "-c", str(config)]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as nginx:
        try:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            ran = connect(*words, "localhost", str(port), sent=b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert ran.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
            assert ran.stdout.endswith(b"\r\n\r\na page\n")
        finally:
            nginx.terminate()


def test_the_banner_of_sshd(tmp_path: Path) -> None:
    needs.root()
    sshd = needs.program("sshd")
    key = tmp_path / "key"
    subprocess.run([needs.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], timeout=20, check=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def talk(client: socket.socket) -> None:
        inherited = client.detach()
        try:
            subprocess.run([sshd, "-i", "-f", "/dev/null", "-h", str(key)], stdin=inherited, stdout=inherited, timeout=20)
        finally:
            socket.socket(fileno=inherited).close()

    with server(talk) as port:
        assert connect("127.0.0.1", str(port), sent=b"hello\r\n").stdout.startswith(b"SSH-2.0-OpenSSH")


@stacks
def test_tls(words: list[str], tmp_path: Path) -> None:
    request = b"GET / HTTP/1.0\r\n\r\n"
    with serving("--tls", "--text", "private") as served:
        port = str(served.port)
        refused = connect(*words, "--tls", "localhost", port, sent=request)
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert b"its certificate proves nothing (self-signed certificate)" in refused.stderr
        taken = connect(*words, "--tls", "--insecure", "localhost", port, sent=request)
        assert taken.stdout.endswith(b"\r\n\r\nprivate\n")
        shown = served.wait_for(r"SHA256 [\w:]+")[0]
        assert f"{shown}, NOT verified" in taken.stderr.decode()
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(ssl.get_server_certificate(("127.0.0.1", served.port), timeout=10))
        proven = connect(*words, "--tls", "--ca", str(trusted), "localhost", port, sent=request)
        assert proven.stdout.endswith(b"\r\n\r\nprivate\n")
        said = proven.stderr.decode()
        assert f"{shown}, verified" in said
        assert "TLSv1.3" in said
        assert "For localhost" in said
    with serving("--text", "plain") as served:
        ran = connect(*words, "--tls", "localhost", str(served.port), sent=request)
        assert ran.returncode == 1
        assert b"no TLS (" in ran.stderr


@stacks
def test_datagrams(words: list[str]) -> None:
    with serving("--echo") as served:
        ran = connect(*words, "-u", "-w", "0.5", "127.0.0.1", str(served.port), sent=b"one datagram")
        assert (ran.returncode, ran.stdout) == (0, b"one datagram")
    if not words:
        ran = connect("-u", "127.0.0.1", str(closed_port()), sent=b"nobody")
        assert ran.returncode == 1
        assert b"the connection broke (Connection refused)" in ran.stderr


@stacks
def test_input_too_long_for_a_datagram_becomes_several(words: list[str], rng: random.Random) -> None:
    sent = rng.randbytes(150_000)
    with serving("--echo") as served:
        ran = connect(*words, "-u", "-w", "1", "127.0.0.1", str(served.port), sent=sent)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, sent, b"")


def test_closed_descriptors() -> None:
    refused = b"hythe: standard output cannot be written (Bad file descriptor)\n"
    with serving("--echo") as served:
        run = " ".join(command("127.0.0.1", str(served.port)))
        for words, *ended in (
            (f"{run} <&-", 0, b"", b""),
            (f"echo x | {run} 2>&-", 0, b"x\n", b""),
            (f"echo x | {run} >&-", 1, b"", refused),
        ):
            ran = subprocess.run(["sh", "-c", words], capture_output=True, timeout=30, check=False)
            assert [ran.returncode, ran.stdout, ran.stderr] == ended


@pytest.mark.parametrize("name", ["socket", "@hythe-test-connect"])
def test_unix_sockets(name: str, tmp_path: Path) -> None:
    path = name if name.startswith("@") else str(tmp_path / name)
    listening = subprocess.Popen(
        command("-l", "-U", path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with listening:
        assert listening.stderr is not None
        assert listening.stderr.readline() == f"Listening on {path}\n".encode()
        client = subprocess.Popen(command("-U", path), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with client:
            assert client.stdin is not None
            assert listening.stdin is not None
            listening.stdin.write(b"from the other")
            listening.stdin.close()
            assert client.stdout is not None
            assert client.stdout.read() == b"from the other"
    assert not Path(path).exists()
    ran = connect("-U", str(tmp_path / "nothing"))
    assert ran.returncode == 1
    assert b"no such file or directory" in ran.stderr


@stacks
@pytest.mark.parametrize("udp", [[], ["-u"]], ids=["tcp", "udp"])
def test_nc_comes_to_us(words: list[str], udp: list[str]) -> None:
    waiting = subprocess.Popen(
        command(*words, *udp, "-l", "127.0.0.1", "0", "-w", "2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with waiting:
        assert waiting.stderr is not None
        assert waiting.stdin is not None
        assert waiting.stdout is not None
        place = waiting.stderr.readline().decode().strip()
        port = place.rpartition(":")[2]
        nc = [needs.program("nc"), *udp, *([] if udp else ["-N"]), "-w", "1", "127.0.0.1", port]
        waiting.stdin.write(b"from us\n")
        waiting.stdin.flush()
        ran = subprocess.run(nc, input=b"from nc\n", capture_output=True, timeout=20, check=False)
        assert ran.stdout == b"from us\n"
        if udp:
            waiting.stdin.close()
        assert waiting.stdout.read() == b"from nc\n"
        assert waiting.wait(timeout=20) == 0


def test_hexdump_and_trace() -> None:
    with server(pop3) as port:
        ran = connect("--stack", "-x", "--trace", "127.0.0.1", str(port), sent=b"QUIT\r\n")
    said = ran.stderr.decode()
    assert "> 00000000  51 55 49 54 0d 0a                                 |QUIT..|\n" in said
    assert "< 00000000  2b 4f 4b 20 50 4f 50 33  20 6d 61 69 6c 2e 74 65  |+OK POP3 mail.te|\n" in said
    assert f".{port}: Flags [S], seq " in said
    assert "Flags [FP.]" in said or "Flags [F.]" in said


@stacks
def test_limits_of_time(words: list[str]) -> None:
    quiet = threading.Event()
    with server(lambda client: (quiet.wait(20), None)[1]) as port:
        began = time.monotonic()
        ran = subprocess.Popen(command(*words, "-w", "0.5", "127.0.0.1", str(port)), stdin=subprocess.PIPE)
        with ran:
            assert ran.wait(timeout=20) == 0
        assert 0.4 < time.monotonic() - began < 18
        quiet.set()


def test_a_reset_is_told() -> None:
    def talk(client: socket.socket) -> None:
        read_line(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    for words in STACKS:
        with server(talk) as port:
            ran = connect(*words, "127.0.0.1", str(port), sent=b"x\n")
        assert ran.returncode == 1
        assert b"the connection broke (" in ran.stderr


def test_nobody_reads_our_output() -> None:
    with serving("--chargen") as served:
        ran = subprocess.Popen(
            command("127.0.0.1", str(served.port)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with ran:
            assert ran.stdout is not None
            assert ran.stderr is not None
            ran.stdout.read(10)
            ran.stdout.close()
            assert ran.wait(timeout=20) == 1
            assert ran.stderr.read() == b"hythe: standard output cannot be written (Broken pipe)\n"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["localhost"], 2, "'localhost' is not HOST and PORT"),
        (["localhost", "nonesuch"], 2, "'nonesuch' is neither a port (1 to 65535) nor the name of a service"),
        (["localhost", "0"], 2, "'0' is neither a port"),
        (["-u", "--tls", "localhost", "1"], 2, "leave one of them out"),
        (["-U", "--stack", "x"], 2, "leave --stack out"),
        (["--insecure", "localhost", "1"], 2, "connect with --tls"),
        (["--trace", "localhost", "1"], 2, "add --stack"),
        (["-4", "-6", "localhost", "1"], 2, "exclude each other"),
        (["--tls", "--ca", "/nowhere", "localhost", "1"], 1, "--ca /nowhere has no certificates (No such file"),
        (["127.0.0.1", "1"], 1, "127.0.0.1 port 1: connection refused"),
        (["--stack", "127.0.0.1", "1"], 1, "127.0.0.1 port 1: connection refused"),
        (["nonesuch.invalid", "http"], 1, "nonesuch.invalid port http: no such host"),
        (["a..b", "http"], 1, "a..b port http: no such host (no name can be written so)"),
    ],
)
def test_wrong_words(words: list[str], status: int, sentence: str) -> None:
    ran = connect(*words)
    assert (ran.returncode, ran.stdout) == (status, b"")
    assert sentence in ran.stderr.decode()
    assert ran.stderr.count(b"\n") == 1


def test_the_stack_needs_no_rights(public_python: Path) -> None:
    with server(pop3) as port:
        words = [*needs.nobody(), str(public_python), "-m", "hythe", "connect", "--stack", "127.0.0.1", str(port)]
        ran = subprocess.run(
            words, input=b"QUIT\r\n", capture_output=True, timeout=40, env=dict(needs.clean_environment()), cwd="/"
        )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.endswith(b"+OK Sayonara\r\n")
