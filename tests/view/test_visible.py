"""Names that processes and sessions give themselves, in the tables of `hythe ps` and `hythe netstat`."""

from __future__ import annotations

from hythe.session.model import About, Totals
from hythe.view.netstat.sockets import Holder
from hythe.view.netstat.table import program
from hythe.view.sessions import table
from hythe.view.visible import visible


def test_what_is_printable_stays_as_it_is() -> None:
    assert visible("naïve 東京 ' \\n") == "naïve 東京 ' \\n"


def test_what_moves_the_cursor_is_escaped() -> None:
    assert visible("a\nb\t\x1b[31m\x85\udcff\u202e") == r"a\nb\t\x1b[31m\x85\udcff\u202e"


def test_a_session_is_one_line_whatever_its_command() -> None:
    totals = Totals(0, 0, 0, 0, 0, 0)
    about = About("sh", 7, ["sh", "-c", "true\n\x1b[2J\udcff"], 1.0, 1, 65_520, [], [], {}, [], totals)
    heading, line = table([about], now=2.0).split("\n")[:2]
    assert line.index("sh -c") == heading.index("COMMAND")
    assert line.endswith(r"sh -c 'true\n\x1b[2J\udcff'")


def test_a_process_cannot_add_a_socket_to_the_table() -> None:
    assert program([Holder(7, "ev\ntcp 0", 3)]) == r"7/ev\ntcp 0"
