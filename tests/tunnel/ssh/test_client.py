"""Connecting: is it the server that it should be, and does it let us in?"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from pathlib import Path

import pytest

from hythe.errors import MachineError, UsageError
from hythe.tunnel.ssh.client import RefusedError, Target, UnreachableError, prepare
from hythe.tunnel.ssh.connection import ClientConnection
from hythe.via.direct import Direct
from hythe.via.ssh import Ssh
from tests import needs
from tests.gateway.servers import echo, tcp_server
from tests.tunnel.ssh.peers import Server, certify, key, openssh
from tests.via.test_ssh import carried, through

# --- Who is it?


def failing(server: Server, kind: type[Exception], match: str, **given: object) -> None:
    async def use(way: Ssh) -> None:
        with pytest.raises(kind, match=match):
            await way.up()

    through(server, use, **given)


def test_an_unknown_host_key_is_refused_where_nobody_can_be_asked(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        server.known.write_text("other.example ssh-ed25519 " + server.host_key.with_suffix(".pub").read_text().split()[1])
        failing(
            server, RefusedError, r"the host key of \[127\.0\.0\.1\]:\d+ is not known, .* ssh-ed25519 SHA256:\S+, add it"
        )
        server.write_config("StrictHostKeyChecking no")
        failing(server, RefusedError, "is not known")


def test_no_known_hosts_file_is_no_reason_to_believe_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where ~/.ssh/known_hosts is then
    with openssh(tmp_path) as server:
        server.config.write_text(server.config.read_text().replace(str(server.known), "none"))
        failing(server, RefusedError, "is not known")


def test_a_changed_host_key_is_refused_with_file_and_line(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        server.know(key(tmp_path / "other"))
        server.known.write_text("# a comment\n" + server.known.read_text())
        failing(server, RefusedError, rf"is not the one in {server.known}, line 2: somebody may be in between")


def test_a_revoked_host_key_is_refused(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        line = server.known.read_text()
        server.known.write_text(f"{line}@revoked {line}")
        failing(server, RefusedError, "revoked")


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        server.known.write_text("nonsense\n")
        failing(server, UsageError, rf"{server.known}, line 1 is not one of known_hosts")


def test_a_host_certificate_of_a_known_authority_is_believed(tmp_path: Path) -> None:
    async def use(way: Ssh) -> None:
        assert await carried(way, "127.0.0.1", port, b"hello") == b"hello"

    server = Server(tmp_path, "box")
    authority = key(tmp_path / "authority")
    certify(server.host_key, authority, "-h", "-n", "127.0.0.1")
    with tcp_server(echo) as port, server.running(f"HostCertificate={server.host_key}-cert.pub"):
        kind, public, *_ = authority.with_suffix(".pub").read_text().split()
        server.known.write_text(f"@cert-authority * {kind} {public}\n")
        through(server, use)


# --- May we come in?


def test_a_key_that_the_server_does_not_know_is_refused(tmp_path: Path) -> None:
    with openssh(tmp_path) as server:
        server.authorize(public=key(tmp_path / "other"))
        failing(server, RefusedError, r"does not let us in: our keys \(.*\) are not among those")


def test_another_identity(tmp_path: Path) -> None:
    other = key(tmp_path / "other")

    async def use(way: Ssh) -> None:
        assert isinstance(await way.up(), ClientConnection)

    with openssh(tmp_path) as server:
        server.authorize(public=other)
        through(server, use, identities=(str(other),))
        other.chmod(0o644)
        failing(server, UsageError, f"the key {other} can be read by others", identities=(str(other),))
        failing(server, MachineError, "nowhere cannot be read", identities=(str(tmp_path / "nowhere"),))
        failing(server, UsageError, "Invalid private key|cannot be used", identities=(str(server.host_key) + ".pub",))


def test_an_identity_of_the_configuration_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    async def use(way: Ssh) -> None:
        assert isinstance(await way.up(), ClientConnection)

    with openssh(tmp_path) as server:
        server.write_config(f"IdentityFile {tmp_path}/nowhere")
        assert "IdentityFile" in server.config.read_text().partition("nowhere")[0]
        through(server, use)


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    server = Server(tmp_path, "box")
    server.write_config("ProxyCommand /nowhere %h")
    failing(server, UnreachableError, "broke the connection off while it was made")


def test_a_passphrase_that_nobody_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hythe.tunnel.ssh.client.secret_terminal", lambda _: None)  # as where there is no terminal
    locked = tmp_path / "locked"
    words = [needs.program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)]
    subprocess.run(words, check=True, timeout=20)

    async def refused(server: Server) -> None:
        way = Ssh(Target(server.name, config=(str(server.config),), identities=(str(locked),)), Direct())
        with pytest.raises(RefusedError, match=f"the key {locked} has a passphrase, and nobody has given it"):
            await way.up()
        await way.close()

    with openssh(tmp_path) as server:
        server.authorize(public=locked)
        asyncio.run(refused(server))


def test_a_certificate_and_one_that_has_expired(tmp_path: Path) -> None:
    authority = key(tmp_path / "authority")

    async def use(way: Ssh) -> None:
        assert isinstance(await way.up(), ClientConnection)

    with openssh(tmp_path, f"TrustedUserCAKeys={authority}.pub") as server:
        server.authorized.write_text("")
        certify(server.user_key, authority)
        through(server, use)
        certify(server.user_key, authority, "-V", "20200101:20200102")
        failing(server, RefusedError, "does not let us in: certificate expired")


def test_nobody_there(tmp_path: Path) -> None:
    failing(Server(tmp_path, "box"), UnreachableError, r"connection refused \(direct -> 127\.0\.0\.1:\d+\)")


def test_nobody_who_answers(tmp_path: Path) -> None:
    server = Server(tmp_path, "box")
    server.write_config("ConnectTimeout 1")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):  # its queue is full: whoever comes now is not answered
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        server.config.write_text(server.config.read_text().replace(f"Port {server.port}", f"Port {full.getsockname()[1]}"))
        failing(server, UnreachableError, "does not answer: connection timed out")


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path, "box")
    with tcp_server(lambda client: client.close()) as port:
        server.port = port
        server.write_config()
        failing(server, UnreachableError, "broke the connection off")


def test_a_bad_line_in_the_configuration_is_named(tmp_path: Path) -> None:
    server = Server(tmp_path, "box")
    server.write_config("ServerAliveInterval often")
    failing(server, UsageError, rf"{server.config} line \d+: Invalid ServerAliveInterval")


@pytest.mark.parametrize(
    ("line", "asked", "signs"),
    [
        ("", None, (15, 3)),
        ("ServerAliveInterval 60\nServerAliveCountMax 2", None, (60, 2)),
        ("", 2.5, (2.5, 3)),
        ("", 0, (0, 3)),
    ],
)
def test_signs_of_life(tmp_path: Path, line: str, asked: float | None, signs: tuple[float, int]) -> None:
    """Every 15 s, three of which may be missed, unless it is said otherwise."""
    config = tmp_path / "config"
    config.write_text(f"Host box\n{line}\n")
    prepared = asyncio.run(prepare(Target("box", keepalive=asked, config=(str(config),))))
    assert (prepared.options.keepalive_interval, prepared.options.keepalive_count_max) == signs
