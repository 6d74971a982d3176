"""A second turn for tests that failed, by themselves, after all others: `python -m tests.again STATUS`, for `make test`.

Most tests here run real programs against each other, and wait for them no longer than someone would who has lost patience.
On a machine that is busy with something else that can be too short, in one test of six thousand. So whoever failed is tried
once more, when nothing else runs. Nothing is hidden by that: what failed is printed where it failed, with all it said, and
named at the end, since a test that passes only the second time is a defect too, of itself or of what it tests. And it is for
accidents alone: not for the core, which has no clock and does the same each time, and not where more than a few failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Where pytest keeps the names of the tests that failed (`cache_dir` in pyproject.toml); `make test` removes it beforehand.
LAST_FAILED = Path(".cache/pytest/v/cache/lastfailed")
#: Tests of what reads no clock and opens no socket.
CORE = ("tests/wire/", "tests/tcp/", "tests/host/", "tests/house/")
AT_MOST = 3


def reason_against(failed: list[str]) -> str | None:
    """Return why these tests get no second turn, or None."""
    if len(failed) > AT_MOST:
        return f"{len(failed)} tests failed: too many to be accidents"
    if core := [each for each in failed if each.startswith(CORE)]:
        return f"{core[0]} does the same each time"
    return None


def main(status: int, words: list[str]) -> int:
    """Try again what failed in a run of pytest that ended with *status*; return the status of both."""
    if status != pytest.ExitCode.TESTS_FAILED:
        return status
    failed = sorted(json.loads(LAST_FAILED.read_text()))
    if reason := reason_against(failed):
        print(f"no second turn: {reason}")
        return status
    print(f"a second turn, alone: {', '.join(failed)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "pytest", *words, *failed], check=False).returncode
    if status == pytest.ExitCode.OK:
        print(f"passed only in a second turn, which is a defect: {', '.join(failed)}")
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
