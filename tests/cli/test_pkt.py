"""`hythe pkt` as a person uses it: what is printed, and the status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import needs

SCRIPTS = Path(__file__).parents[1] / "pkt"
GOOD = SCRIPTS / "rfc9293" / "handshake-passive.pkt"


def hythe(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hythe", "pkt", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_script_that_holds() -> None:
    result = hythe(str(GOOD))
    assert (result.returncode, result.stdout) == (0, f"{GOOD}: ok\n")


def test_a_folder_quietly() -> None:
    result = hythe("-q", str(SCRIPTS / "rfc3042"))
    assert (result.returncode, result.stdout) == (0, "2 ok, 0 failed, 0 skipped\n")


def test_a_script_that_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pkt"
    bad.write_text(GOOD.read_text().replace("ack 1 <mss 1460>", "ack 2 <mss 1460>"))
    result = hythe(str(bad))
    assert result.returncode == 1
    assert "bad.pkt:8: the packet is another: ack 1, expected 2" in result.stdout
    assert "> Flags [S.], seq 0, ack 2, options [mss 1460], length 0" in result.stdout


def test_a_script_that_cannot_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pkt"
    bad.write_text("0 sock et\n")
    result = hythe(str(bad))
    assert result.returncode == 1
    assert f"{bad}:1: expected a packet (< or >), a system call" in result.stdout


def test_words_are_defined(tmp_path: Path) -> None:
    script = tmp_path / "word.pkt"
    script.write_text(GOOD.read_text().replace("ack 1 <mss 1460>", "ack WHICH <mss 1460>"))
    assert hythe("-D", "WHICH=1", str(script)).returncode == 0
    result = hythe("-D", "1=WHICH", str(script))
    assert (result.returncode, result.stderr) == (2, "hythe: -D '1=WHICH' defines nothing: write -D NAME=VALUE\n")


def test_a_file_that_is_not_there() -> None:
    result = hythe("nowhere.pkt")
    assert result.returncode == 2
    assert result.stderr == "hythe: there is no file 'nowhere.pkt': name a packet script or a folder of them\n"


def test_against_linux(tmp_path: Path) -> None:
    needs.network()
    other = tmp_path / "other.pkt"
    other.write_text("// hythe-only: so\n" + GOOD.read_text())
    result = hythe("--against", "linux", str(GOOD), str(other))
    assert result.returncode == 0
    assert result.stdout == f"{GOOD}: ok\n{other}: skipped, hythe only: so\n1 ok, 0 failed, 1 skipped\n"
