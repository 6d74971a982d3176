"""`hythe services` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hythe.services import etc
from hythe.services.registry import registry
from hythe.view.services import Services, table


def hythe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hythe", "services", *words], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_port_is_told_of() -> None:
    done = hythe("110")
    assert done.returncode == 0
    heading, tcp, udp = done.stdout.splitlines()
    assert heading.split() == ["PORT", "NAME", "CATEGORY", "PRIVILEGED", "/ETC/SERVICES", "COMMENT"]
    assert tcp.split()[:4] == ["110/tcp", "pop3", "well-known", "yes"]
    assert "Post Office Protocol - Version 3" in tcp
    assert "[deprecated: " in tcp
    assert udp.split()[:2] == ["110/udp", "pop3"]


def test_json_has_every_field() -> None:
    found = json.loads(hythe("--json", "www/tcp").stdout)
    assert found["date"] == registry().date
    (web,) = found["services"]
    assert web["port"] == 80
    assert "www" in web["names"]
    assert web["category"] == "well-known"
    assert web["privileged"] is True


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("nosuchthing", "no service is called 'nosuchthing', or described so: write a name, a port or a range"),
        ("70000", "70000 is not a port: they go up to 65535"),
        ("200-100", "200-100 is not a range of ports: write the lower one first; they go up to 65535"),
        ("65530-65540", "65530-65540 is not a range of ports: write the lower one first; they go up to 65535"),
        (" ", "no service is called ' ', or described so: write a name, a port or a range"),
        ("80/ip", "80/ip: 'ip' is not a protocol: write tcp, udp, sctp, dccp, or none"),
    ],
)
def test_what_is_not_there_is_said(word: str, sentence: str) -> None:
    done = hythe(word)
    assert (done.returncode, done.stderr) == (2, f"hythe: {sentence}\n")


def test_a_range_can_be_nobodys() -> None:
    done = hythe("49152-49160")
    assert (done.returncode, done.stdout) == (0, "nobody has any of these ports\n")
    assert json.loads(hythe("--json", "49152-49160").stdout)["services"] == []


def test_another_registry_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "iana.csv"
    path.write_text(
        "Service Name,Port Number,Transport Protocol,Description,Unauthorized Use Reported\n"
        "ours,61000,tcp,Our own,Unauthorized use by others\n"
    )
    assert "ours  private   no" in (shown := hythe("--table", str(path), "ours").stdout)
    assert "[notorious: IANA knows of unauthorized use]" in shown
    done = hythe("--table", str(tmp_path / "none"), "ours")
    assert (done.returncode, "cannot be read: No such file" in done.stderr) == (2, True)


def known(text: str | None, entries: tuple[etc.Entry, ...] = ()) -> list[tuple[int, str]]:
    return [(each.port, each.protocol) for each in Services(registry(), entries, 1024).find(text)]


def test_names_aliases_ranges_and_words() -> None:
    own = (etc.Entry(8123, "tcp", ("mine", "also-mine"), "for me"),)
    assert known("also-mine", own) == known("MINE", own) == [(8123, "tcp")]
    assert known("8123/tcp", own) == [(8123, "tcp")]
    assert known("pop3") == [(110, "tcp"), (110, "udp")]
    assert known("pop3/tcp") == [(110, "tcp")]
    assert (6063, "tcp") in known("x11")
    assert known("20-21/tcp") == known("ftp-data-ftp/tcp") == [(20, "tcp"), (21, "tcp")]
    assert known("60000") == [(60_000, "tcp"), (60_000, "udp")]
    assert known("60000-60010") == []
    assert {(109, "tcp"), (110, "tcp")} <= set(known("Post Office"))
    assert len(known(None)) > 12_000


def test_this_machines_names_stand_beside_ianas() -> None:
    services = Services(registry(), (etc.Entry(80, "tcp", ("web",), "ours"),), 81)
    (found,) = services.find("80/tcp")
    assert (found.names[0], found.etc_names, found.etc_comment, found.privileged) == ("http", ("web",), "ours", True)
    assert "World Wide Web HTTP (# ours)" in table([found])
    assert not services.find("81/tcp")[0].privileged
