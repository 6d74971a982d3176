"""Names of sessions: taken by making a socket, given back, and found out to be a dead one's."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from hythe.errors import MachineError, UsageError
from hythe.session import places


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the runtime directory of these tests; sessions of this machine are out of sight."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(places, "directories", lambda: [f"{tmp_path}/hythe"])
    return tmp_path


def test_the_directory_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/somewhere")
    here = [f"/run/user/{os.getuid()}/hythe", f"/tmp/hythe-{os.getuid()}"]
    assert places.directories() == ["/somewhere/hythe", *here]
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert places.directories() == here


def test_another_users_directory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    theirs = "/proc/1" if os.getuid() else str(tmp_path / "theirs")
    if not os.getuid():
        os.mkdir(theirs)
        os.chown(theirs, 1, 1)
    found = ["/nowhere/hythe", f"{theirs}/hythe", f"{ours}/hythe", "/tmp/hythe-x"]
    monkeypatch.setattr(places, "directories", lambda: found)
    assert places.directory() == f"{ours}/hythe"


def test_a_claim_is_its_users_alone_and_leaves_nothing(runtime: Path) -> None:
    umask = os.umask(0)
    try:
        claim = places.claim("/usr/bin/curl")
    finally:
        os.umask(umask)
    assert (claim.name, claim.path) == ("curl", f"{runtime}/hythe/curl.sock")
    assert stat.S_IMODE(os.stat(claim.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(runtime / "hythe").st_mode) == 0o700
    assert places.sockets() == [("curl", claim.path)]
    with places.connect(claim.path, 1.0):
        claim.listener.accept()[0].close()
    claim.close()
    claim.close()
    assert os.listdir(runtime) == []
    assert places.sockets() == []


def test_names_are_made_of_the_commands_and_differ() -> None:
    claims = [places.claim(command) for command in ("sh", "/bin/sh", "./my prog!", "...", "sh", "")]
    assert [each.name for each in claims] == ["sh", "sh-2", "my-prog-", "session", "sh-3", "session-2"]
    claims[1].close()
    again = places.claim("sh")
    assert again.name == "sh-2"
    for each in (*claims, again):
        each.close()


def test_a_name_that_is_taken_or_none_is_refused() -> None:
    claim = places.claim("sh", "web")
    with pytest.raises(UsageError, match="--name web is taken by a session that runs"):
        places.claim("sh", "web")
    claim.close()
    for name in ("", "-x", ".x", "a/b", "a b", "x" * 65):
        with pytest.raises(UsageError, match="is not possible: write up to 64 letters"):
            places.claim("sh", name)


def test_what_a_killed_session_left_goes(runtime: Path) -> None:
    first = places.claim("sh")
    first.listener.close()  # as its end does, and nothing else
    second = places.claim("sh")
    assert second.name == "sh"
    second.listener.close()
    assert places.sockets() == []
    assert os.listdir(runtime) == []


def test_of_one_name_twice_that_of_the_own_environment_is_first(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = f"{runtime}/near/hythe", f"{runtime}/a/hythe"
    for each in (near, far):
        os.makedirs(each, mode=0o700)
    monkeypatch.setattr(places, "directory", lambda: far)
    claims = [places.claim("sh"), places.claim("curl")]
    monkeypatch.setattr(places, "directory", lambda: near)
    claims.append(places.claim("sh"))
    monkeypatch.setattr(places, "directories", lambda: [near, far])
    assert places.sockets() == [("curl", f"{far}/curl.sock"), ("sh", f"{near}/sh.sock"), ("sh", f"{far}/sh.sock")]
    for claim in claims:
        claim.close()


def test_a_claim_does_not_remove_anothers_socket() -> None:
    first = places.claim("sh")
    os.unlink(first.path)
    second = places.claim("sh")
    first.close()
    assert places.sockets() == [("sh", second.path)]
    second.close()


def test_a_session_that_is_too_busy_to_answer_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_BACKLOG", 1)
    claim = places.claim("sh")
    callers = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(4)]
    for each in callers:
        each.connect_ex(claim.path)
    assert places.sockets() == [("sh", claim.path)]
    for each in callers:
        each.close()
    claim.close()


def test_callers_wait_while_a_session_has_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for ever."""
    monkeypatch.setattr(places, "_BACKLOG", 1)
    claim = places.claim("web")
    first = [places.connect(claim.path, 10) for _ in range(2)]
    with pytest.raises(TimeoutError):
        places.connect(claim.path, 0.05)
    calling = [threading.Thread(target=lambda: first.append(places.connect(claim.path, 10))) for _ in range(20)]
    for each in calling:
        each.start()
    claim.listener.setblocking(True)
    for _ in range(22):
        claim.listener.accept()[0].close()
    for each in calling:
        each.join(10)
    assert len(first) == 22
    for caller in first:
        assert caller.gettimeout() == 10
        caller.close()
    claim.close()


def test_a_directory_that_others_can_enter_is_refused(runtime: Path) -> None:
    (runtime / "hythe").mkdir(mode=0o755)
    with pytest.raises(MachineError, match="is not this user's alone"):
        places.claim("sh")
    assert places.sockets() == []


def test_a_long_path_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = tmp_path / ("long" * 30)
    far.mkdir()
    monkeypatch.setattr(places, "directories", lambda: [f"{far}/hythe"])
    claim = places.claim("sh", "n" * 64)
    with places.connect(claim.path, 1.0):
        assert places.sockets() == [("n" * 64, claim.path)]
    claim.close()
    assert os.listdir(far) == []
