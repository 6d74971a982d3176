"""What `hythe run` decides before it forks."""

from __future__ import annotations

import os
import shutil

import pytest

from hythe.gateway.run import runtime_directories
from tests import needs
from tests.gateway.conftest import Person


def test_the_runtime_directory_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/somewhere")
    assert runtime_directories() == ["/somewhere/hythe", f"/run/user/{os.getuid()}/hythe", f"/tmp/hythe-{os.getuid()}"]
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_directories()[0] == f"/run/user/{os.getuid()}/hythe"


def test_the_command_cannot_look_into_the_runtime_directory(person: Person) -> None:
    place = needs.public_folder()
    try:
        (place / "hythe").mkdir()
        (place / "hythe" / "session.sock").write_text("not for the command")
        ran = person.run("", "ls", "-A", str(place / "hythe"), XDG_RUNTIME_DIR=str(place))
    finally:
        shutil.rmtree(place)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
