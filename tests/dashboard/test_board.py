"""What pages are told of a session: everything, then what changed and nothing else."""

from __future__ import annotations

from typing import Any

from hythe.dashboard.board import COLUMNS, FIGURES, Board
from hythe.session.model import Changes, Connection, End, Figures, Holding, Query, Totals

BEGAN = 1_700_000_000.0


def connection(number: int, **given: Any) -> Connection:
    ends = (End("10.0.0.2", 40_000 + number), End("192.0.2.1", 443))
    known: dict[str, Any] = {
        "name": "example.com",
        "via": None,
        "state": "ESTABLISHED",
        "error": None,
        "began": BEGAN,
        "ended": None,
    }
    known |= {"bytes_up": 0, "bytes_down": 0, "held_up": 0, "held_down": 0, "rtt": None, "retransmits": 0, "process": None}
    return Connection(number, "tcp", False, *ends, None, None, **(known | given))


def changes(serial: int, *, complete: bool = False, **given: Any) -> Changes:
    known: dict[str, Any] = {
        "totals": Totals(2, 2, 0, 0, 0, 0),
        "faults": {},
        "notices": [],
        "queries": [],
        "connections": [],
    }
    return Changes(serial=serial, complete=complete, **(known | {"figures": [], "left_out": 0} | given))


def figures(number: int, up: int, down: int, ended: float | None = None) -> Figures:
    return Figures(number, "ESTABLISHED" if ended is None else "CLOSED", None, ended, up, down, 0, 0, 0.01, 1)


def named(names: tuple[str, ...], row: list[Any]) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))


def begun() -> Board:
    board = Board()
    told = board.take(changes(1, complete=True, connections=[connection(1), connection(2)]), 100.0)
    assert told["reset"]
    assert [row[0] for row in told["rows"]] == [1, 2]
    assert named(COLUMNS, told["rows"][0])["remote"] == ["192.0.2.1", 443]
    return board


def test_only_what_changed_is_told() -> None:
    board = begun()
    totals = Totals(2, 2, 0, 3_000, 500, 0)
    told = board.take(changes(2, totals=totals, figures=[figures(1, 3_000, 500)]), 102.0)
    assert not told["reset"]
    assert told["rows"] == told["gone"] == []
    (row,) = told["figures"]
    assert named(FIGURES, row)["up"] == 3_000
    assert (named(FIGURES, row)["up_rate"], named(FIGURES, row)["down_rate"]) == (1_500, 250)
    assert told["moment"] == (102.0, 1_500, 250, 2)
    assert told["totals"]["bytes_up"] == 3_000


def test_what_comes_to_rest_is_told_once_more() -> None:
    board = begun()
    board.take(changes(2, figures=[figures(1, 3_000, 0)]), 101.0)
    (row,) = board.take(changes(3), 102.0)["figures"]
    assert named(FIGURES, row)["up_rate"] == 0
    assert named(FIGURES, row)["up"] == 3_000
    assert board.take(changes(4), 103.0)["figures"] == []


def test_what_ended_goes_after_a_while() -> None:
    board = begun()
    (row,) = board.take(changes(2, figures=[figures(2, 1, 1, ended=BEGAN + 9)]), 101.0)["figures"]
    assert named(FIGURES, row)["ended"] == BEGAN + 9
    assert board.take(changes(3), 120.0)["gone"] == []
    assert board.take(changes(4), 162.0)["gone"] == [2]
    assert [each[0] for each in board.whole()["rows"]] == [1]


def test_a_page_that_comes_later_is_told_everything() -> None:
    board = begun()
    query = Query(BEGAN, "example.com", "A", "NOERROR", ["A 192.0.2.1"], 0.01)
    board.take(changes(2, figures=[figures(1, 1_000, 0)], queries=[query], notices=["mind the gap"]), 101.0)
    told = board.whole()
    assert told["reset"]
    assert told["queries"] == [[BEGAN, "example.com", "A", "NOERROR", ["A 192.0.2.1"], 0.01]]
    assert told["notices"] == ["mind the gap"]
    assert [each.at for each in told["history"]] == [100.0, 101.0]
    first = named(COLUMNS, told["rows"][0])
    assert first["rates"][-1] == 1_000
    assert sum(first["rates"]) == 1_000
    assert named(COLUMNS, told["rows"][1])["rates"] is None


def test_owners_are_told_when_they_are_news() -> None:
    board = begun()
    holding = Holding(77, "curl", 0, [1, 9])
    assert board.hold([holding]) == [(1, "curl (77)")]
    assert board.hold([holding]) == []
    assert named(COLUMNS, board.whole()["rows"][0])["owner"] == "curl (77)"
