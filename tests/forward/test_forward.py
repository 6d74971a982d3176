"""`hythe forward` through OpenSSH's sshd, and through ours."""

from __future__ import annotations

import contextlib
import os
import pty
import select
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

from hythe.cli.forward import command
from hythe.errors import UsageError
from tests import needs
from tests.connect.connecting import connect, pop3
from tests.forward.forwarding import failing, forwarding, home, notified
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.tunnel.ssh.peers import Server, key, openssh
from tests.tunnel.ssh.test_server import Sshd, refused, sshd, talked


def test_all_kinds_at_once(tmp_path: Path, rng: Random) -> None:
    data = rng.randbytes(2_000_000)
    near, far = tmp_path / "near.sock", tmp_path / "far.sock"
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        words = ["-L", f"0:localhost:{port}", "-R", f"0:127.0.0.1:{port}", "-D", "0"]
        words += ["-L", f"{near}:{far}", "-R", f"{far}:127.0.0.1:{port}"]
        with forwarding(home(tmp_path, server), *words, "--via", "ssh://box", "--name", "all") as forward:
            local, back, dynamic = (
                forward.port(f"localhost:{port}"),
                forward.port(f"127.0.0.1:{port}"),
                forward.port("SOCKS"),
            )
            assert talked(local, data) == data
            assert talked(back, data) == data
            assert talked(str(near), data[:100_000]) == data[:100_000]
            assert near.stat().st_mode & 0o077 == 0
            with socket.create_connection(("127.0.0.1", dynamic)) as client:
                client.sendall(b"\x04\x01" + port.to_bytes(2, "big") + b"\0\0\0\1me\0localhost\0")
                assert client.recv(8)[1] == 0x5A
                client.sendall(b"hello")
                assert client.recv(5) == b"hello"
            told = forward.hythe("ps")
            assert "[ssh://box up]" in told
            assert "all " in told
            deadline = time.monotonic() + 20
            while (rows := forward.hythe("ps", "all")).count("CLOSED") < 4:
                assert time.monotonic() < deadline, rows
            assert f"localhost:{port}" in rows
            assert rows.count("1.9 MiB") == 4
            shown = [each for each in forward.hythe("netstat", "-nl", "--session", "all").splitlines() if "LISTEN" in each]
            assert {local, dynamic} <= {int(each.split()[3].rpartition(":")[2]) for each in shown}
            with socket.create_connection(("127.0.0.1", local)) as held:
                held.sendall(b"x")
                assert held.recv(1) == b"x"
                shown = forward.hythe("netstat", "-n", "--session", "all").splitlines()
                assert any(each.endswith(" Via") for each in shown)
                assert any(f" localhost:{port} " in each and each.endswith(" ssh://box") for each in shown)
        assert not near.exists()


def test_passwords_are_nowhere_to_be_seen(tmp_path: Path) -> None:
    way = f"socks5://me:sesame@127.0.0.1:{closed_port()}"
    with forwarding(home(tmp_path), "-L", "0:localhost:9", "--via", way, "--name", "secret") as forward:
        assert refused(forward.port("localhost:9"))
        told = [forward.hythe(*words) for words in (("ps",), ("ps", "secret"), ("ps", "--json"), ("netstat", "-n"))]
        assert "[socks5://me@127.0.0.1:" in told[0]
        assert not any("sesame" in each for each in [*told, *forward.out, *forward.err])


#: Who sends a packet that ends a capture.
LAST = "127.83.97.101"


@contextlib.contextmanager
def captured(path: Path, port: int, protocol: str = "tcp") -> Iterator[None]:
    """What is on loopback from and to a port, in a file."""
    words = [
        needs.program("tcpdump"),
        "-i",
        "lo",
        "-U",
        "--immediate-mode",
        "-s",
        "0",
        "-w",
        str(path),
        f"{protocol} port {port} or src host {LAST}",
    ]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        while "listening on lo" not in (line := process.stderr.readline()):
            assert line, "tcpdump does not begin"
        yield
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.bind((LAST, 0))
            last.sendto(b"all before this one is there as well", ("127.0.0.1", 9))
        deadline = time.monotonic() + 20
        while socket.inet_aton(LAST) not in path.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)


def test_the_example_of_pop3(tmp_path: Path) -> None:
    """Encrypted and compressed, to port 110: who snoops sees nothing of it."""
    needs.root()
    local = closed_port()
    with socket.create_server(("127.0.0.110", 110)) as listener, openssh(tmp_path) as server:
        serving = threading.Thread(target=_serve, args=(listener, 2))
        serving.start()
        with forwarding(home(tmp_path, server), "-C", "-L", f"{local}:127.0.0.110:110", "--via", "ssh://box") as forward:
            forward.port("127.0.0.110:110")
            with captured(tmp_path / "tunnel.pcap", server.port), captured(tmp_path / "plain.pcap", 110):
                ran = connect("localhost", str(local), sent=b"QUIT\r\n")
                assert (ran.returncode, ran.stdout) == (0, b"+OK POP3 mail.test ready\r\n+OK Sayonara\r\n")
        assert connect("127.0.0.110", "110", sent=b"QUIT\r\n").stdout == ran.stdout
        serving.join(10)
    snooped = (tmp_path / "tunnel.pcap").read_bytes()
    assert len(snooped) > 500
    assert b"Sayonara" in (tmp_path / "plain.pcap").read_bytes()
    for word in (b"Sayonara", b"POP3", b"QUIT", b"+OK"):
        assert word not in snooped


def _serve(listener: socket.socket, clients: int) -> None:
    for _ in range(clients):
        client, _ = listener.accept()
        with client:
            pop3(client)


# --- Datagrams


def datagram_echo() -> tuple[socket.socket, threading.Thread]:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, address = server.recvfrom(65_535)
            if data == b"end":
                return
            server.sendto(data.upper(), address)

    thread = threading.Thread(target=serve)
    thread.start()
    return server, thread


def asked(port: int, data: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect(("127.0.0.1", port))
        for _ in range(20):
            client.send(data)
            with contextlib.suppress(TimeoutError):
                return client.recv(65_535)
        raise AssertionError("no answer")


def ours(server: Sshd, tmp_path: Path) -> Server:
    """A configuration that leads to our own sshd."""
    known = Server(tmp_path, "box")
    known.port = server.port
    known.user_key = tmp_path / "user"
    known.known = tmp_path / "known"
    known.write_config()
    return known


def test_datagrams_through_our_own_sshd(tmp_path: Path, rng: Random) -> None:
    target, thread = datagram_echo()
    port = target.getsockname()[1]
    with sshd(tmp_path) as server:
        environment = home(tmp_path, ours(server, tmp_path))
        words = ["-L", f"0:localhost:{port}/udp", "-R", f"0:127.0.0.1:{port}/udp", "--via", "ssh://box", "--name", "udp"]
        with forwarding(environment, *words, "-L", "0:a..b:9/udp") as forward:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # is lost, and our sshd goes on in silence
                client.sendto(b"x", ("127.0.0.1", forward.port("a..b:9")))
            for found in (forward.port(f"localhost:{port}"), forward.port(f"127.0.0.1:{port}")):
                assert asked(found, b"hello") == b"HELLO"
                large = bytes(rng.choices(range(256), k=30_000)).lower()
                assert asked(found, large) == large.upper()
            assert "udp" in forward.hythe("ps", "udp")
    target.sendto(b"end", target.getsockname())
    thread.join(10)
    target.close()


def test_datagrams_are_refused_by_opensshs(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        environment = home(tmp_path, server)
        with forwarding(environment, "-L", "0:localhost:9/udp", "--via", "ssh://box") as forward:
            port = forward.port("localhost:9")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", ("127.0.0.1", port))
            forward.said("carries no datagrams: SSH has none, but hythe sshd has", told=True)
        status, said = failing(environment, "-R", "0:localhost:9/udp", "--via", "ssh://box")
        assert (status, "the server does not listen on localhost port 0" in said) == (1, True)


# --- Bad input, one sentence each


def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    server = Server(tmp_path, "box")
    environment = home(tmp_path, server)
    via = ("--via", "ssh://box")
    status, said = failing(environment, "-L", "0:a:1", *via)
    assert (status, "connection refused" in said) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, said = failing(environment, "-L", f"127.0.0.1:{taken.getsockname()[1]}:a:1", *via)
    assert (status, "is in use: end what listens there, or name another port" in said) == (1, True)
    status, said = failing(environment, "-L", "0:a:1", "--via", "ssh://nowhere.invalid")
    assert (status, "there is no host nowhere.invalid" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-L", "0:a:1"), "name at least one -L, -R or -D, and the tunnel with --via"),
        (("-L", "nonsense", "--via", "ssh://box"), "-L nonsense does not say what leads where"),
        (("-L", "0:a:1", "--via", "ssh://a", "--keepalive", "nan"), "--keepalive is a number of seconds, 0 for none"),
        (("-R", "0:a:1", "--via", "socks5://localhost"), "listens nowhere for us: -R takes --via ssh://"),
        (("-C", "-L", "0:a:1", "--via", "socks5://localhost"), "-C and -i belong to SSH"),
        (("-L", "0:a:1", "--via", "ssh://box for *.example"), "a forward has one way"),
        (("-L", "0:a:1", "--via", "telnet://box"), "is not a way"),
        (("--file", "x", "-L", "0:a:1"), "--file has the tunnels"),
    ],
)
def test_what_is_asked_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # where its session would be
    with pytest.raises(UsageError) as caught:
        command.main(list(words), standalone_mode=False)
    assert sentence in str(caught.value)


def test_who_is_not_who_they_should_be(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        words = ("-L", "0:a:1", "--via", "ssh://box")
        server.known.write_text("")
        environment = home(tmp_path, server)
        status, said = failing(environment, *words)
        assert (status, "is not known, and nobody can be asked here" in said) == (1, True)
        server.know(key(tmp_path / "other"))
        status, said = failing(environment, *words)
        assert (status, f"is not the one in {server.known}, line 1: somebody may be in between" in said) == (1, True)
        server.know(server.host_key)
        server.authorize('expiry-time="20200101"')
        status, said = failing(environment, *words)
        assert (status, "does not let us in: our keys" in said) == (1, True), said


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_unknown_host_key_is_asked_about_on_a_terminal(tmp_path: Path, answer: str) -> None:
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        server.known.write_text("")
        environment = home(tmp_path, server)
        child, terminal = pty.fork()
        if child == 0:
            words = [sys.executable, "-m", "hythe", "forward", "-L", f"0:localhost:{port}", "--via", "ssh://box"]
            os.execve(words[0], words, dict(environment))
        try:
            seen = until(terminal, b"(yes/no) ")
            assert b"The host key of [127.0.0.1]:%d is not known: ssh-ed25519 SHA256:" % server.port in seen
            os.write(terminal, f"{answer}\n".encode())
            if answer == "yes":
                until(terminal, b"by ssh://box")
                assert f"[127.0.0.1]:{server.port} ssh-ed25519 " in server.known.read_text()
            else:
                until(terminal, b"was not confirmed")
                assert server.known.read_text() == ""
        finally:
            if answer == "yes":
                os.kill(child, signal.SIGTERM)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            os.close(terminal)
    assert (status == 1) == (answer == "no")


def until(terminal: int, words: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 20
    while words not in seen:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], seen
        seen += os.read(terminal, 4_096)
    return seen


# --- As a service


def test_to_the_background_once_it_is_up(tmp_path: Path) -> None:
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        environment = home(tmp_path, server)
        local, name = closed_port(), f"background-{os.getpid()}"
        leads = f"{local}:localhost:{port}"
        words = [sys.executable, "-m", "hythe", "forward", "-fq", "--name", name, "-L", leads, "--via", "ssh://box"]
        ran = subprocess.run(words, env=environment, capture_output=True, timeout=30, check=False, text=True)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        told = subprocess.run(
            [sys.executable, "-m", "hythe", "ps"], env=environment, capture_output=True, timeout=30, check=True, text=True
        ).stdout
        pid = next(int(each.split()[1]) for each in told.splitlines() if each.startswith(f"{name} "))
        try:
            assert talked(local, b"hello") == b"hello"
        finally:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}/exe").exists() and _state(pid) != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.known.write_text("")
        assert subprocess.run(words, env=environment, capture_output=True, timeout=30, check=False).returncode == 1


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_an_init_systems_sockets_and_its_ear(tmp_path: Path) -> None:
    with (
        tcp_server(echo) as port,
        openssh(tmp_path) as server,
        notified(tmp_path) as (ear, heard),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        number = listener.getsockname()[1]
        environment = {**home(tmp_path, server), "NOTIFY_SOCKET": ear, "LISTEN_FDS": "1"}
        # As systemd does it: the socket is descriptor 3, and LISTEN_PID is set by whoever becomes the program.
        script = f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec "$@"'
        words = ["-L", f"127.0.0.1:{number}:localhost:{port}", "--via", "ssh://box"]
        before = [needs.program("bash"), "-c", script, "bash"]
        with forwarding(environment, *words, before=before, pass_fds=[listener.fileno()]) as forward:
            assert forward.port(f"localhost:{port}") == number
            listener.close()
            assert talked(number, b"hello") == b"hello"
    assert any("READY=1" in each for each in heard), heard
    assert heard[-1] == "STOPPING=1"


def test_a_file_of_tunnels_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "tunnels.toml"
    kept, gone, new = closed_port(), closed_port(), closed_port()
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        first = f'[tunnel.kept]\nvia = "ssh://box"\nlocal = ["{kept}:localhost:{port}"]\n'
        second = f'[tunnel.gone]\nvia = "ssh://box"\nlocal = "{gone}:localhost:{port}"\ncompress = true\n'
        file.write_text(first + second)
        with forwarding(home(tmp_path, server), "--file", str(file)) as forward:
            forward.said(f":{gone} ->")
            with socket.create_connection(("127.0.0.1", kept)) as stream:
                stream.sendall(b"hel")
                assert stream.recv(3) == b"hel"
                assert talked(gone, b"hello") == b"hello"
                file.write_text(first + f'[tunnel.new]\nvia = "ssh://box"\nlocal = ["{new}:localhost:{port}"]\n')
                forward.process.send_signal(signal.SIGHUP)
                forward.said("new: begun", told=True)
                assert talked(new, b"hello") == b"hello"
                with socket.socket() as probe:
                    assert probe.connect_ex(("127.0.0.1", gone)) != 0
                stream.sendall(b"lo")
                assert stream.recv(2) == b"lo"
                file.write_text("nonsense")
                forward.process.send_signal(signal.SIGHUP)
                forward.said("nothing was changed: .*tunnels.toml is not TOML", told=True)
                file.write_text(f'[tunnel.kept]\nvia = "wg:{tmp_path}/none.conf"\nlocal = "{kept}:localhost:{port}"\n')
                forward.process.send_signal(signal.SIGHUP)
                forward.said("nothing was changed: .*none.conf cannot be read", told=True)
                taken = f'[tunnel.taken]\nvia = "ssh://box"\nlocal = "{port}:localhost:{port}"\n'
                file.write_text(first + taken)
                forward.process.send_signal(signal.SIGHUP)
                forward.said(f"taken: -L {port}:localhost:{port}: TCP port {port} of .* is in use", told=True)
                assert "taken down: -L " in forward.hythe("ps")
                assert talked(kept, b"hello") == b"hello"


def test_one_tunnel_of_a_file_that_fails_keeps_no_other_from_beginning(tmp_path: Path) -> None:
    file = tmp_path / "tunnels.toml"
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        good = f'[tunnel.good]\nvia = "ssh://box"\nlocal = ["0:localhost:{port}"]\n'
        file.write_text(f'[tunnel.bad]\nvia = "ssh://127.0.0.1:{closed_port()}"\nlocal = ["0:a:1"]\n' + good)
        with forwarding(home(tmp_path, server), "--file", str(file), "--name", "two") as forward:
            forward.said("bad: .*connection refused", told=True)
            assert talked(forward.port(f"localhost:{port}"), b"hello") == b"hello"
            assert "[bad down: " in forward.hythe("ps")
            file.write_text(good)
            forward.process.send_signal(signal.SIGHUP)
            forward.said("bad: ended", told=True)
            assert talked(forward.port(f"localhost:{port}"), b"hello") == b"hello"


# --- What does not work is told


def test_one_of_several_that_the_server_does_not_allow(tmp_path: Path) -> None:
    with tcp_server(echo) as port, openssh(tmp_path) as server:
        server.authorize(f'permitopen="localhost:{port}",permitlisten="localhost:1"')
        environment = home(tmp_path, server)
        words = ["-L", f"0:localhost:{port}", "-L", "0:localhost:9", "-R", "0:localhost:9", "--via", "ssh://box"]
        with forwarding(environment, *words) as forward:
            forward.said("-R 0:localhost:9: the server does not listen on localhost port 0", told=True)
            assert talked(forward.port(f"localhost:{port}"), b"hello") == b"hello"
            assert refused(forward.port("localhost:9"))
        status, said = failing(environment, "--exit-on-failure", *words)
        assert (status, "the server does not listen" in said) == (1, True)
