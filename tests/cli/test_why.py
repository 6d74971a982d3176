"""`hythe why`: its source, its choices, its sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.view.analysis.situations import SITUATIONS


def why(*words: str | Path, fails: int = 0) -> tuple[str, str]:
    """Output and complaint of one run."""
    command = [sys.executable, "-m", "hythe", "why", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == fails, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout, ran.stderr


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    play = next(each.play for each in SITUATIONS if each.cause.name == "REFUSED")
    (tmp_path / "refused.pcapng").write_bytes(play.run(1)[0])
    return tmp_path / "refused.pcapng"


def test_a_cause_is_told_with_its_packets(refused: Path) -> None:
    lines = why(refused)[0].splitlines()
    assert lines[0].startswith("0  192.0.2.1:")
    assert lines[1].startswith("  ! refused: 192.0.2.2:80 refused the connection")
    assert lines[3] == "    shown by packets 1, 2"


def test_json_has_a_line_for_each_connection(refused: Path) -> None:
    (line,) = why("--json", refused)[0].splitlines()
    assert json.loads(line)["findings"][0]["cause"] == "refused"


def test_what_is_well_is_not_told_of_among_problems(refused: Path, tmp_path: Path) -> None:
    calm = tmp_path / "calm.pcapng"
    calm.write_bytes(next(each.calm for each in SITUATIONS if each.cause.name == "SYN_LOSS").run(1)[0])
    assert "nothing is wrong" in why(calm)[0]
    assert why("--problems", calm) == ("", "")
    assert "refused" in why("--problems", refused)[0]


def test_a_stream_that_is_not_there(refused: Path) -> None:
    assert "1 TCP connection in these packets, none has number 7" in why("--stream", "7", refused, fails=1)[1]


@pytest.mark.parametrize("words", [[], ["a.pcap", "--session", "x"]], ids=["nothing", "two"])
def test_one_source_is_asked_for(words: list[str]) -> None:
    assert "say what to look at, one thing" in why(*words, fails=2)[1]
