"""`hythe dashboard`: what it says of what cannot be."""

from __future__ import annotations

import socket
import sys

import pytest

from hythe.cli.group import invoke


def dashboard(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["hythe", "dashboard", "--no-open", *words])
    return invoke()


@pytest.mark.parametrize("name", ["../up", "a b", "-", ""])
def test_a_name_that_cannot_be_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert dashboard(monkeypatch, "--", name) == 2
    assert capsys.readouterr().err == f"hythe: {name!r} cannot be a session: hythe ps shows which run\n"


def test_a_port_that_is_taken_gets_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert dashboard(monkeypatch, "--port", str(port)) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"hythe: port {port} of 127.0.0.1")
    assert told.count("\n") == 1
