"""Who failed gets a second turn, and no more: with pytest in processes of its own, as `make test` has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import LAST_FAILED, main, reason_against

ROOT = Path(__file__).parent.parent
#: Fails the first time, if it is asked to fail at all.
TEST = """
import pathlib, pytest

@pytest.mark.parametrize("times", [0, 1, 2])
def test_of_some_process(times):
    runs = pathlib.Path(f"runs{times}")
    runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
    assert len(runs.read_text()) > times
"""


def run_twice(folder: Path, chosen: str) -> tuple[int, str]:
    """The status and the output of `make test`'s last line, where *chosen* of the tests above are all there are."""
    (folder / "test_it.py").write_text(TEST)
    (folder / "pytest.ini").write_text(f"[pytest]\ncache_dir = {LAST_FAILED.parents[2]}\n")
    line = f'{sys.executable} -m pytest -k "{chosen}" || {sys.executable} -m tests.again $?'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_who_failed_once_passes_and_is_named(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, "0 or 1")
    assert status == 0
    assert "1 failed, 1 passed" in said
    assert said.splitlines()[-1] == "passed only in a second turn, which is a defect: test_it.py::test_of_some_process[1]"


def test_who_failed_twice_has_failed(tmp_path: Path) -> None:
    status, said = run_twice(tmp_path, "1 or 2")
    assert status == 1
    assert "1 failed, 1 passed" in said.splitlines()[-1]
    assert (tmp_path / "runs2").read_text() == "xx"


def test_a_run_that_did_not_come_to_its_end_is_no_accident() -> None:
    assert main(pytest.ExitCode.INTERRUPTED, []) == pytest.ExitCode.INTERRUPTED


def test_there_is_no_second_turn_for_the_core_nor_for_many() -> None:
    some = [f"tests/gateway/test_run.py::test_{number}" for number in range(4)]
    assert reason_against(some[:3]) is None
    assert reason_against(some) == "4 tests failed: too many to be accidents"
    assert (
        reason_against([some[0], "tests/tcp/test_it.py::test_it"]) == "tests/tcp/test_it.py::test_it does the same each time"
    )
