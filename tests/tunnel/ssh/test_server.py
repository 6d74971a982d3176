"""`hythe sshd` with OpenSSH's client: what it carries, and what it does not let through."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from hythe.cli.sshd import command
from hythe.errors import MachineError, UsageError
from tests import needs
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.tunnel.ssh.peers import certify, key, openssh


class Sshd:
    """Ours, that runs. `log`: what it has said."""

    def __init__(self, place: Path, process: subprocess.Popen[str], port: int) -> None:
        self.place = place
        self.process = process
        self.port = port
        self.log: list[str] = []

    def ssh(self, *options: str) -> list[str]:
        """OpenSSH's client towards it."""
        given = ["IdentitiesOnly=yes", "BatchMode=yes", f"UserKnownHostsFile={self.place}/known", "ExitOnForwardFailure=yes"]
        words = [needs.program("ssh"), "-F", "none", "-i", str(self.place / "user"), "-p", str(self.port)]
        return [*words, *(word for each in given for word in ("-o", each)), *options, "127.0.0.1"]

    def said(self, words: str) -> None:
        """Wait until it has said so."""
        until = time.monotonic() + 10
        while not any(re.search(words, line) for line in self.log):
            assert time.monotonic() < until, self.log
            time.sleep(0.01)

    @contextlib.contextmanager
    def client(self, *options: str, ready: int | Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """OpenSSH's `ssh -N`; with `ready`, once something listens there."""
        process = subprocess.Popen(self.ssh("-N", *options), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            until = time.monotonic() + 15
            while ready is not None and not _answers(ready):
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=2)
            except subprocess.TimeoutExpired:  # OpenSSH's client may miss a signal that comes just before it waits
                process.kill()
                process.communicate(timeout=10)


def _answers(place: int | Path) -> bool:
    family = socket.AF_INET if isinstance(place, int) else socket.AF_UNIX
    with socket.socket(family) as probe:
        return probe.connect_ex(("127.0.0.1", place) if isinstance(place, int) else str(place)) == 0


@contextlib.contextmanager
def sshd(place: Path, *options: str, authorized: str = "") -> Iterator[Sshd]:
    """Run ours; `authorized`: options in front of the client's key."""
    key(place / "user")
    (place / "authorized").write_text(f"{authorized} {(place / 'user.pub').read_text()}".lstrip())
    (place / "authorized").chmod(0o600)
    words = [sys.executable, "-W", "error", "-m", "hythe", "sshd", "--listen", "127.0.0.1:0"]
    words += ["--authorized-keys", str(place / "authorized"), "--host-key", str(place / "host"), *options]
    (place / "run").mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(place / "run")}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert re.match(r"(Made the host|Host) key .*/host: ssh-ed25519 SHA256:", first), first + process.stdout.read()
        port = int(process.stdout.readline().rpartition(":")[2])
        found = Sshd(place, process, port)
        kind, public, *_ = (place / "host.pub").read_text().split()
        (place / "known").write_text(f"[127.0.0.1]:{port} {kind} {public}\n")
        reading = threading.Thread(target=lambda: found.log.extend(iter(process.stdout.readline, "")), daemon=True)  # type: ignore[union-attr]
        reading.start()
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        reading.join(5)
        process.stdout.close()
        assert not any("Traceback" in line or "Error" in line for line in found.log), found.log
    finally:
        process.kill()
        process.wait()


def talked(port: int | str, data: bytes) -> bytes:
    """What comes back once `data` and its end were sent."""
    with socket.socket(socket.AF_UNIX if isinstance(port, str) else socket.AF_INET) as stream:
        stream.settimeout(30)
        stream.connect(port if isinstance(port, str) else ("127.0.0.1", port))
        sending = threading.Thread(target=_send, args=(stream, data))
        sending.start()
        got = b""
        while part := stream.recv(1 << 18):
            got += part
        sending.join(10)
        return got


def _send(stream: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # what comes back tells
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)


def refused(port: int) -> bool:
    """Whether nobody is there behind a port that listens."""
    try:
        return talked(port, b"hello") == b""
    except ConnectionResetError:
        return True


def opened(port: int) -> socket.socket:
    """A stream through a port, once there is room for one more."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        stream = socket.create_connection(("127.0.0.1", port))
        stream.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            stream.sendall(b"x")
            if stream.recv(1) == b"x":
                return stream
        stream.close()
    raise AssertionError("no stream was let through")


def test_what_opensshs_client_forwards(tmp_path: Path, rng: Random) -> None:
    """-L, -R, compressed, and with Unix sockets on either side, each with every byte there and back."""
    data = rng.randbytes(1_000_000)
    local, back = closed_port(), closed_port()
    near, far = tmp_path / "near", tmp_path / "far"
    with tcp_server(echo) as port, sshd(tmp_path) as server:
        options = ["-L", f"{local}:localhost:{port}", "-R", f"{back}:localhost:{port}"]
        options += ["-L", f"{near}:{far}", "-R", f"{far}:localhost:{port}"]
        for extra in ([], ["-C"], ["-c", "chacha20-poly1305@openssh.com"], ["-o", "RekeyLimit=256K"]):
            with server.client(*options, *extra, ready=near):
                assert talked(local, data) == data
                assert talked(back, data) == data
                assert talked(str(near), data[:100_000]) == data[:100_000]
            near.unlink()
            until = time.monotonic() + 10
            while far.exists():
                assert time.monotonic() < until
                time.sleep(0.02)


def test_opensshs_dynamic_forward(tmp_path: Path) -> None:
    def page(client: socket.socket) -> None:
        client.recv(1_000)
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    dynamic = closed_port()
    with tcp_server(page) as port, sshd(tmp_path) as server, server.client("-D", str(dynamic), ready=dynamic):
        curl = [needs.program("curl"), "-sS", "-m", "10", "--socks5-hostname", f"127.0.0.1:{dynamic}"]
        ran = subprocess.run([*curl, f"http://localhost:{port}/"], capture_output=True, timeout=20, check=False)
        assert ran.stdout == b"hello", ran.stderr


def test_its_streams_are_shown_as_those_of_a_session(tmp_path: Path) -> None:
    local, back = closed_port(), closed_port()
    with tcp_server(echo) as port, sshd(tmp_path) as server:
        with server.client("-L", f"{local}:localhost:{port}", "-R", f"{back}:localhost:{port}", ready=local):
            assert talked(local, bytes(300_000)) == bytes(300_000)
            assert talked(back, bytes(500_000)) == bytes(500_000)
            told = subprocess.run(
                [sys.executable, "-m", "hythe", "ps", "sshd"],
                env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")},
                capture_output=True,
                timeout=30,
                check=True,
                text=True,
            ).stdout
        assert re.search(rf" localhost:{port} via 127\.0\.0\.1:\d+ +293\.0 KiB  293\.0 KiB .* CLOSED", told), told
        assert re.search(rf" localhost:{back} .* 488\.3 KiB  488\.3 KiB .* CLOSED", told), told


def test_it_is_a_jump_host_of_opensshs_client(tmp_path: Path) -> None:
    with openssh(tmp_path) as behind, sshd(tmp_path) as server:
        config = tmp_path / "config"
        lines = ["Host first", "HostName 127.0.0.1", f"Port {server.port}", f"IdentityFile {tmp_path}/user"]
        lines += [f"UserKnownHostsFile {tmp_path}/known", "IdentityAgent none"]
        config.write_text("\n".join(lines) + "\n" + behind.config.read_text())
        words = [needs.program("ssh"), "-F", str(config), "-o", "BatchMode=yes", "-J", "first", "box", "echo", "hello"]
        ran = subprocess.run(words, capture_output=True, timeout=30, check=False, text=True)
        assert (ran.returncode, ran.stdout) == (0, "hello\n"), ran.stderr


def test_a_picked_port_is_told(tmp_path: Path) -> None:
    with tcp_server(echo) as port, sshd(tmp_path) as server, server.client("-R", f"0:localhost:{port}") as client:
        assert client.stderr is not None
        told = re.search(r"Allocated port (\d+)", client.stderr.readline())
        assert told is not None
        assert talked(int(told[1]), b"hello") == b"hello"


def test_remote_ports_are_on_loopback_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    port = closed_port()
    with (
        tcp_server(echo) as target,
        sshd(tmp_path) as server,
        server.client("-R", f"0.0.0.0:{port}:localhost:{target}", ready=port),
        socket.socket() as other,
    ):
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_remote_ports_are_at_addresses(tmp_path: Path) -> None:
    """A name would have to be looked up, while all others wait; and one that is none must not end the connection."""
    with sshd(tmp_path, "--gateway-ports") as server:
        for name in ("localhost.localdomain", "a..b"):
            words = server.ssh("-N", "-R", f"{name}:0:localhost:1")
            ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False, text=True)
            assert "remote port forwarding failed" in ran.stderr


def test_no_shell_no_command_no_subsystem(tmp_path: Path) -> None:
    with sshd(tmp_path) as server:
        for options in (["-T"], ["-s"]):
            words = [*server.ssh(*options), *(["sftp"] if "-s" in options else ["id"])]
            ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False, text=True)
            assert ran.returncode != 0
            assert "administratively prohibited: this server forwards ports" in ran.stderr
            assert ran.stdout == ""


def test_a_key_is_confined_to_what_its_line_says(tmp_path: Path) -> None:
    local, other, listen = closed_port(), closed_port(), closed_port()
    with tcp_server(echo) as port:
        line = f'permitopen="localhost:{port}",permitlisten="{listen}"'
        with sshd(tmp_path, authorized=line) as server:
            with server.client("-L", f"{local}:localhost:{port}", "-L", f"{other}:127.0.0.1:{port}", ready=local):
                assert talked(local, b"hello") == b"hello"
                assert refused(other)
            with server.client("-R", f"{listen}:localhost:{port}", ready=listen):
                assert talked(listen, b"hello") == b"hello"
            ran = subprocess.run(
                server.ssh("-N", "-R", f"{other}:localhost:{port}"), capture_output=True, timeout=20, check=False, text=True
            )
            assert ran.returncode != 0
            assert "remote port forwarding failed" in ran.stderr


@pytest.mark.parametrize("line", ['from="192.0.2.1"', 'expiry-time="20200101Z"'])
def test_a_key_that_is_not_let_in_from_here_or_no_more(tmp_path: Path, line: str) -> None:
    with sshd(tmp_path, authorized=line) as server:
        ran = subprocess.run(server.ssh("-N"), capture_output=True, timeout=20, check=False, text=True)
        assert ran.returncode == 255
        assert "Permission denied (publickey)" in ran.stderr
        server.said("was not let in: ssh-ed25519 SHA256:.*: line 1 of .*/authorized lets it in no more, or not from there")


def test_a_certificate_of_an_authority(tmp_path: Path) -> None:
    local = closed_port()
    authority = key(tmp_path / "authority")
    with tcp_server(echo) as port, sshd(tmp_path) as server:
        (tmp_path / "authorized").write_text(f"cert-authority {authority.with_suffix('.pub').read_text()}")
        certify(tmp_path / "user", authority)
        with server.client("-L", f"{local}:localhost:{port}", ready=local):
            assert talked(local, b"hello") == b"hello"
        certify(tmp_path / "user", authority, "-V", "20200101:20200102")
        assert subprocess.run(server.ssh("-N"), capture_output=True, timeout=20, check=False).returncode == 255


def test_limits(tmp_path: Path) -> None:
    local = closed_port()
    limits = ["--max-connections", "2", "--max-channels", "2", "--max-attempts", "1", "--login-time", "4s", "--idle", "4s"]
    with tcp_server(echo) as port, sshd(tmp_path, *limits) as server:
        with server.client("-L", f"{local}:localhost:{port}", ready=local):
            held = [opened(local), opened(local)]
            assert refused(local)
            for each in held:
                each.close()
            with socket.create_connection(("127.0.0.1", server.port)) as silent:
                silent.settimeout(10)
                assert silent.recv(100).startswith(b"SSH-2.0-")
                with socket.create_connection(("127.0.0.1", server.port)) as third:
                    third.settimeout(10)
                    third.recv(100)
                    server.said("one client too many")
                while silent.recv(1_000):  # until its time to log in is over
                    pass
            server.said("idle for too long")
        key(tmp_path / "stranger")
        words = server.ssh("-N", "-i", str(tmp_path / "stranger"))
        words[words.index(str(tmp_path / "user"))] = str(key(tmp_path / "another"))
        ran = subprocess.run(words, capture_output=True, timeout=20, check=False, text=True)
        assert "Too many authentication failures" in ran.stderr


def test_many_that_do_not_log_in_lock_nobody_out(tmp_path: Path) -> None:
    local = closed_port()
    with tcp_server(echo) as port, sshd(tmp_path) as server, contextlib.ExitStack() as silent:

        def come(source: str, count: int) -> list[socket.socket]:
            address = ("127.0.0.1", server.port)
            return [
                silent.enter_context(socket.create_connection(address, timeout=10, source_address=(source, 0)))
                for _ in range(count)
            ]

        assert [each.recv(8) for each in come("127.0.0.2", 10)] == [b"SSH-2.0-"] * 10
        for each in come("127.0.0.2", 3):
            with contextlib.suppress(ConnectionResetError):
                assert each.recv(8) == b""
        server.said("127.0.0.2:.* one client too many")
        assert [each.recv(8) for each in come("127.0.0.3", 10)] == [b"SSH-2.0-"] * 10
        with server.client("-L", f"{local}:localhost:{port}", ready=local):
            assert talked(local, b"hello") == b"hello"
        server.said("127.0.0.[23]:.* had to go")


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    def failed(kind: type[Exception], said: str, *words: str) -> None:
        with pytest.raises(kind) as caught:
            command.main(["--host-key", str(tmp_path / "host"), *words], standalone_mode=False)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)

    keys = tmp_path / "authorized"
    keys.write_text("nonsense\n")
    keys.chmod(0o600)
    listening = ("--listen", "127.0.0.1:0", "--authorized-keys")
    failed(UsageError, f"{keys}, line 1: ", *listening, str(keys))
    failed(MachineError, "cannot be read (No such file or directory)", *listening, str(tmp_path / "nowhere"))
    failed(UsageError, "names no port of this machine", "--listen", "nowhere:at:all", "--authorized-keys", str(keys))
    keys.write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        failed(MachineError, "is in use: end what listens there", "--listen", place, "--authorized-keys", str(keys))
    failed(UsageError, "--idle: 'x' is not a length of time", *listening, str(keys), "--idle", "x")
    failed(MachineError, "does not have the address a..b", "--listen", "a..b:0", "--authorized-keys", str(keys))
    (tmp_path / "host").chmod(0o644)
    failed(UsageError, "can be read by others", *listening, str(keys))
