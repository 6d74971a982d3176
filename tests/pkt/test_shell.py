"""Shell lines of scripts: what they set, which scripts they call, and what is none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from hythe.pkt import virtual
from hythe.pkt.cookies import LinuxCookies, siphash
from hythe.pkt.parser import parse
from hythe.pkt.script import Script, ScriptError, Shell
from hythe.pkt.shell import settings_of

SYN = """
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS
"""


def found(text: str, folder: Path = Path("/nowhere")) -> list[tuple[str, str]]:
    settings = settings_of(Script(str(folder / "a.pkt")), 1, Shell(text))
    return [(each.name, each.value) for each in settings]


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("sysctl -q net.a=1 net/b=2", [("net.a", "1"), ("net.b", "2")]),
        ("sysctl -w net.a='1 2' > /dev/null 2>&1; sysctl net.b=$((2*3 * 4))", [("net.a", "1 2"), ("net.b", "24")]),
        ("../set_sysctls.py /proc/sys/net/a=1 \\\n /proc/sys/net/b=2", [("net.a", "1"), ("net.b", "2")]),
        ("echo 1 > /proc/sys/net/a", [("net.a", "1")]),
        ("# nothing\nip tcp_metrics flush all > /dev/null 2>&1 && sysctl a=1", [("tcp_metrics", ""), ("a", "1")]),
        ("sysctl a=1 &> /dev/null || sysctl b=1 || true", [("a", "1"), ("b", "1")]),
        ("tc qdisc add dev tun0 root pfifo", []),
    ],
)
def test_what_a_line_sets(text: str, settings: list[tuple[str, str]]) -> None:
    assert found(text) == settings


@pytest.mark.parametrize("text", ["echo x", "tc qdisc add dev t root netem", "sysctl -q", "sysctl a"])
def test_what_is_none_of_ours(text: str) -> None:
    with pytest.raises(ScriptError, match=r"a\.pkt:1: expected "):
        found(text)


def test_a_script_that_is_called(tmp_path: Path) -> None:
    (tmp_path / "defaults.sh").write_text("#!/bin/sh\n# all\nsysctl -q a=1 \\\n  b=2\nrm x\n")
    with pytest.raises(ScriptError, match=r"defaults\.sh:5: expected sysctl NAME=VALUE in a shell line, found 'rm x'"):
        found("./defaults.sh\nsysctl c=3", tmp_path)
    (tmp_path / "defaults.sh").write_text("sysctl -q a=1 \\\n  b=2\n")
    assert found("./defaults.sh\nsysctl c=3", tmp_path) == [("a", "1"), ("b", "2"), ("c", "3")]


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"a\.pkt:1: expected a shell script that can be read: .*defaults\.sh"):
        found("../common/defaults.sh", tmp_path)


def test_a_setting_counts_from_where_it_stands() -> None:
    later = SYN.replace("3", "4") + "+0 > S 0:0(0) <mss 1460,nop,nop,sackOK,nop,wscale 8>\n"
    first = SYN + "+0 > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>\n"
    virtual.run(parse("a.pkt", first + "`sysctl -q net.ipv4.tcp_timestamps=0`" + later))


def test_siphash_of_its_authors() -> None:
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


@pytest.mark.parametrize("text", ["", "1-2-3", "1-2-3-x", "1-2-3-100000000"])
def test_a_key_that_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        LinuxCookies(text, 1)
