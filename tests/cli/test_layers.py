"""`hythe layers`: its sources, its choices, its sentences, and that its page shows what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.view import packets

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return packets.write_pcap(tmp_path / "a.pcap", packets.tcp_conversation() + packets.udp()[:2])


def layers(*words: str | Path, fails: int = 0) -> tuple[str, str]:
    """Output and complaint of one run."""
    command = [sys.executable, "-m", "hythe", "layers", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == fails, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout, ran.stderr


def test_the_page_shows_what_the_demo_prints() -> None:
    printed = layers("--demo", "--width", "115")[0].rstrip()
    indented = "\n".join(f"    {line}".rstrip() for line in printed.splitlines())
    assert printed.count("At the") == 6
    assert indented in PAGE.read_text()


def test_into_a_pipe_rows_are_whole() -> None:
    for line in layers("--demo")[0].splitlines():
        if line.startswith("Transport"):
            assert "Src Port 35310, Dst Port 80" in line or "Src Port 80, Dst Port 35310" in line
        if line.startswith("Physical"):
            assert len(line.split("bits", 1)[1].split()) in (66, 74)


def test_the_first_conversation_is_shown_and_others_are_told_of(capture: Path) -> None:
    out, complaint = layers(capture, "--json")
    shown = [json.loads(line) for line in out.splitlines()]
    assert [each["title"] for each in shown[:3]] == ["SYN", "SYN/ACK", "ACK"]
    assert len(shown) == len(packets.tcp_conversation())
    assert "--stream N chooses" in complaint


def test_conversations_are_listed_and_chosen(capture: Path) -> None:
    lines = layers(capture, "--list")[0].splitlines()
    assert lines[0].split()[:5] == ["0", "TCP", "192.0.2.1:40000", "<->", "198.51.100.7:8081"]
    assert lines[1].split()[:2] == ["1", "UDP"]
    chosen = [json.loads(line) for line in layers(capture, "--stream", "1", "--json")[0].splitlines()]
    assert len(chosen) == int(lines[1].split()[5])
    assert all("UDP" in [header["name"] for header in each["headers"]] for each in chosen)
    pair = "198.51.100.7:8081,192.0.2.1:40000"
    assert layers(capture, "--pair", pair)[0] == layers(capture, "--stream", "0")[0]
    assert layers(capture, "-c", "2", "tcp")[0].count("At the sender") == 2


def test_json_has_every_field_with_its_place(capture: Path) -> None:
    syn = json.loads(layers(capture, "-c", "1", "--json")[0])
    tcp = syn["headers"][-1]
    port = next(field for field in tcp["fields"] if field["name"] == "Destination Port")
    assert port == {
        "name": "Destination Port",
        "offset_bits": 16,
        "width_bits": 16,
        "value": 8081,
        "text": "8081",
        "meaning": port["meaning"],
        "reference": "RFC 9293, 3.1",
    }
    assert [table["direction"] for table in syn["tables"]] == ["down", "up"]


def test_a_page_is_written(capture: Path, tmp_path: Path) -> None:
    layers(capture, "--html", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<section") == len(packets.tcp_conversation())


def test_a_file_that_breaks_off_is_shown_as_far_as_it_goes(capture: Path) -> None:
    whole = capture.read_bytes()
    capture.write_bytes(whole[:250])
    out, complaint = layers(capture, fails=1)
    assert out.startswith("1. SYN")
    assert "breaks off after" in complaint


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say what to show"),
        (("--demo", "--session", "x"), "one thing"),
        (("--demo", "--json", "--html", "-"), "exclude each other"),
        (("--demo", "--pair", "here"), "is no socket pair"),
        (("--demo", "--stream", "1", "--pair", "a,b"), "give one of them"),
        (("--session", "nobody-is-called-so"), "no session is called"),
        (("--demo", "--html", "/nowhere/page.html"), "cannot be written"),
        (("--demo", "tcp", "prot", "80"), "^^^^"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in layers(*words, fails=2)[1]


def test_a_running_session(tmp_path: Path) -> None:
    """What it does from the moment that it is watched: a program asks for a name until that has been seen."""
    needs.network()
    ask = "while ! test -e stop; do getent hosts gateway.hythe.internal; sleep 0.1; done"
    running = subprocess.Popen(
        [sys.executable, "-m", "hythe", "run", "-q", "--name", "layers-test", "--", "sh", "-c", f"echo up; {ask}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        out, _ = layers("--session", "layers-test", "-c", "1", "udp", "dst", "port", "53")
    finally:
        (tmp_path / "stop").touch()
        running.communicate(timeout=30)
    assert "gateway.hythe.internal" in out
    assert "the capture has no link-layer header" in out
