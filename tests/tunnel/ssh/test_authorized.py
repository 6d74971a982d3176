"""Lines of authorized_keys, as sshd(8) has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hythe.errors import MachineError, UsageError
from hythe.tunnel.ssh.authorized import AuthorizedKeys, parse

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxvl1aUL+zqDcUK4gvkLRPlOWyNNjIjX5EjN3L6ZPbV me@here"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_key_alone_may_all() -> None:
    entry = parse(KEY)
    assert entry.may_open("example.com", 80)
    assert entry.may_listen("", 80)
    assert entry.may_use_paths()
    assert entry.welcome("203.0.113.7", NOW)
    assert not entry.authority


def test_permitopen_confines_to_hosts_as_they_are_written() -> None:
    entry = parse(f'permitopen="localhost:80",permitopen="[fd00::1]:*",permitopen="*:443" {KEY}')
    assert entry.may_open("localhost", 80)
    assert entry.may_open("fd00::1", 22)
    assert entry.may_open("example.com", 443)
    assert not entry.may_open("127.0.0.1", 80)
    assert not entry.may_open("localhost", 81)
    assert entry.may_listen("", 80)
    assert not entry.may_use_paths()


def test_permitlisten() -> None:
    entry = parse(f'permitlisten="8080",permitlisten="localhost:9090" {KEY}')
    assert entry.may_listen("", 8080)
    assert entry.may_listen("localhost", 9090)
    assert not entry.may_listen("0.0.0.0", 9090)
    assert not entry.may_listen("", 80)
    assert entry.may_open("localhost", 80)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ("restrict", False),
        ("no-port-forwarding", False),
        ("restrict,port-forwarding", True),
        ('restrict,permitopen="localhost:80",port-forwarding', True),
        ('no-pty,no-agent-forwarding,no-X11-forwarding,no-user-rc,command="echo \\"hi, you\\""', True),
    ],
)
def test_restrict(options: str, allowed: bool) -> None:
    entry = parse(f"{options} {KEY}")
    assert entry.may_open("localhost", 80) == allowed
    assert entry.may_listen("", 80) == allowed


def test_from() -> None:
    entry = parse(f'from="192.0.2.0/24,!192.0.2.9,203.0.113.*" {KEY}')
    assert entry.welcome("192.0.2.1", NOW)
    assert entry.welcome("203.0.113.80", NOW)
    assert not entry.welcome("192.0.2.9", NOW)
    assert not entry.welcome("198.51.100.1", NOW)


@pytest.mark.parametrize("text", ["20260601Z", "202606010000Z", "20260601000000Z"])
def test_expiry(text: str) -> None:
    entry = parse(f'expiry-time="{text}" {KEY}')
    assert not entry.welcome("192.0.2.1", NOW)
    assert entry.welcome("192.0.2.1", NOW - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "no public key is there"),
        ("!", "neither a key nor options"),
        (f'permitopen="localhost" {KEY}', "names no host and port"),
        (f'permitopen="localhost:99999" {KEY}', "names no host and port"),
        (f'expiry-time="tomorrow" {KEY}', "is no time"),
        (f'expiry-time="20261350" {KEY}', "no time of any calendar"),
        (f"verify-required {KEY}", "verify-required is not known here"),
        (f'principals="me" {KEY}', "principals is not known here"),
        (f'permitopen="a:1 {KEY}', "neither a key nor options"),
        ("restrict ssh-ed25519 AAAA", "no public key is there"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "authorized_keys"
    path.write_text(f"# who may come in\n\n{line}\n")
    path.chmod(0o600)
    with pytest.raises(UsageError, match=rf"authorized_keys, line 3: .*{said}"):
        AuthorizedKeys(str(path)).entries()


def test_the_file_is_read_anew_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    keys = AuthorizedKeys(str(path))
    key = keys.entries()[0].key
    assert keys.find(key, "192.0.2.1", authority=False)[0] is not None
    path.write_text(f'from="198.51.100.1" {KEY}\n')
    found, reason = keys.find(key, "192.0.2.1", authority=False)
    assert found is None
    assert "line 1 of" in reason
    path.write_text("# nobody any more\n")
    assert keys.find(key, "192.0.2.1", authority=False) == (None, "the key is not known")
    path.chmod(0o666)
    path.write_text(f"{KEY}\n\n")
    with pytest.raises(MachineError, match="can be written by others"):
        keys.entries()
