"""`tests.needs`: a lack skips on a developer's machine and fails where CI=true."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lack_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(BaseException, match="needs the program no-such-program") as caught:
        needs.program("no-such-program")
    assert caught.typename == "Skipped"


def test_a_lack_fails_where_nothing_may_be_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(BaseException, match="needs the program no-such-program") as caught:
        needs.program("no-such-program")
    assert caught.typename == "Failed"


def test_a_child_reports_what_its_action_returned() -> None:
    assert needs.in_child(lambda: 7) == 7


def test_nobody_has_no_rights(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o000)
    script = f"id -u; grep CapEff /proc/self/status; ls {shut} 2>&1"
    answer = subprocess.run([*needs.nobody(), "sh", "-c", script], capture_output=True, text=True, timeout=10, check=False)
    user, capabilities, refusal = answer.stdout.splitlines()
    assert user == str(needs.NOBODY if os.geteuid() == 0 else os.geteuid())
    assert capabilities.split() == ["CapEff:", "0" * 16]
    assert "Permission denied" in refusal


def test_the_public_python_runs_hythe_without_rights(public_python: Path) -> None:
    command = [*needs.nobody(), str(public_python), "-c", "import click, hythe; print(click.__file__, hythe.__file__)"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, cwd="/")
    assert answer.returncode == 0, answer.stderr
    assert all(path.startswith(str(public_python.parents[1])) for path in answer.stdout.split())
