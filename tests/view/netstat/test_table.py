"""Sockets in netstat's columns."""

from __future__ import annotations

import dataclasses

from hythe.view.netstat.sockets import Row
from hythe.view.netstat.table import Shown, table

CLIENT = Row("tcp", 4, 0, 0, b"\x0a\0\0\1", 64_751, b"\xc6\x33\x64\x09", 443, "ESTABLISHED", None, session="web")


def test_the_way_is_told_where_it_is_not_direct() -> None:
    direct = dataclasses.replace(CLIENT, via="direct")
    assert table([CLIENT, direct], Shown(), processes=False).splitlines()[0].endswith("User")
    rows = [CLIENT, direct, dataclasses.replace(CLIENT, via="ssh://box\x1b")]
    for processes in (False, True):
        lines = [each.split() for each in table(rows, Shown(), processes=processes).splitlines()]
        assert [each[-1] for each in lines] == ["Via", "-", "direct", "ssh://box\\x1b"]
