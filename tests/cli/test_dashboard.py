"""`hythe dashboard`: what it says of what cannot be."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.slow
def test_a_browser_is_given_an_address_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "opened"
    browser = f"sh -c {shlex.quote(f'echo %s > {file}.new && mv {file}.new {file}')}"
    process = subprocess.Popen(
        [sys.executable, "-m", "hythe", "dashboard", "--open"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "BROWSER": browser},
        text=True,
    )
    with process:
        assert process.stdout is not None
        printed = re.search(r"http://127\.0\.0\.1:\d+/enter\?token=\S+", process.stdout.readline())
        until = time.monotonic() + 20
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert printed
    opened = file.read_text().strip()
    assert opened.partition("=")[0] == printed[0].partition("=")[0]
    assert opened != printed[0]
