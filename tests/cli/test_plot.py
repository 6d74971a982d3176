"""`hythe plot`: what it writes, and what it says of what it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.view import packets
from tests.view.analysis.situations import SITUATIONS


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plot") / "tail.pcapng"
    path.write_bytes(next(each.play for each in SITUATIONS if each.cause.name == "TAIL_LOSS").run(1)[0])
    return path


def plot(*words: str | Path, fails: int = 0) -> str:
    """The complaint of one run, which prints nothing else."""
    command = [sys.executable, "-m", "hythe", "plot", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == fails, ran.stderr
    assert not ran.stdout
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_images_are_what_their_names_say_and_the_same_each_time(capture: Path, tmp_path: Path) -> None:
    for name in ("a.png", "a.svg", "b.svg"):
        assert not plot(capture, "--kind", "sequence", "--kind", "flight", "-o", tmp_path / name)
    png, svg = (tmp_path / "a.png").read_bytes(), (tmp_path / "a.svg").read_bytes()
    assert png.startswith(b"\x89PNG\r\n")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert svg == (tmp_path / "b.svg").read_bytes()


def test_a_page(capture: Path, tmp_path: Path) -> None:
    plot(capture, "--stream", "0", "-o", tmp_path / "a.html")
    assert "sent again" in (tmp_path / "a.html").read_text()


def test_what_cannot_be_drawn_is_told(capture: Path, tmp_path: Path) -> None:
    assert "ends in .png, .svg or .html" in plot(capture, "-o", tmp_path / "a.gif", fails=2)
    assert "--stream 3 is not there: 1 TCP connection" in plot(capture, "--stream", "3", "-o", tmp_path / "a.html", fails=2)
    assert "cannot be written" in plot(capture, "-o", tmp_path / "no" / "a.html", fails=2)
    assert "cannot be written" in plot(capture, "-o", tmp_path / "no" / "a.png", fails=1)
    refused = tmp_path / "refused.pcapng"
    refused.write_bytes(next(each.play for each in SITUATIONS if each.cause.name == "REFUSED").run(1)[0])
    assert "nothing to draw" in plot(refused, "--way", "back", "-o", tmp_path / "a.html", fails=2)
    attempt = packets.tcp_conversation(packets.ETHER / packets.SIX, packets.BACK / packets.SIX_BACK)[:1]
    both = packets.write_pcap(tmp_path / "both.pcap", attempt + packets.tcp_conversation())
    assert "connection 1 is drawn, the first with data" in plot(both, "-o", tmp_path / "a.html")
    assert "nothing to draw" in plot(both, "--stream", "0", "-o", tmp_path / "a.html", fails=2)
    assert "say what to look at" in plot("-o", tmp_path / "a.html", fails=2)
