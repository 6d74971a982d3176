"""Numbers in a few cells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hythe.session.model import Connection, Detail, End, Info
from hythe.view.terminal.cells import Canvas, lapse, quantity, rate, spark
from hythe.view.terminal.columns import fitting, headings, line
from hythe.view.terminal.trail import KEPT, RESENT, SACKED, Trail
from hythe.view.watch.model import Watched
from hythe.view.watch.series import History

INFO = Info(
    "cubic", 100_000, None, 0.02, 0.02, 0.001, 0.2, 1_448, 1_448, 80_000, 0, 0, 60_000, 60_000,
    0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, False,
)  # fmt: skip


def connection(**changed: object) -> Connection:
    found = Connection(
        7, "tcp", False, End("10.0.0.1", 40_000), End("192.0.2.1", 443), None, End("192.0.2.1", 443),
        "a-rather-long-name.example.com", None, "ESTABLISHED", None, 100.0, None, 0, 0, 0, 0, 0.0123, 3, None,
    )  # fmt: skip
    for name, value in changed.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1_000, "1.0K"), (10_188, "9.9K"), (10_240, "10K"), (1 << 20, "1.0M"), (5 << 40, "5.0T")],
)
def test_quantities(value: int, text: str) -> None:
    assert quantity(value) == text


@pytest.mark.parametrize("power", range(18))
def test_every_quantity_and_time_fits(power: int) -> None:
    for digit in (1, 9.4, 9.95, 9.999):
        assert len(quantity(digit * 10**power)) <= 5
        assert power > 12 or len(lapse(digit * 10 ** (power - 9))) <= 6


def test_times_and_rates() -> None:
    assert [lapse(each) for each in (None, 87e-6, 0.00142, 0.0995, 12.34, 99.6, 11_100.0)] == [
        *("", "87µs", "1.4ms", "100ms", "12s", "1m40", "3h05"),
    ]
    assert [rate(each) for each in (0.0, 0.4, 2_048.0)] == ["", "", "2.0K"]


def test_sparklines_show_whatever_is_not_nothing() -> None:
    assert spark([0, 1, 500, 1_000]) == " ▁▄█"
    assert spark([0, 0]) == "  "
    assert spark([50], highest=100) == "▄"


def test_a_canvas_has_dots_where_they_were_put() -> None:
    canvas = Canvas(2, 1)
    canvas.steps([(0, 0), (2, 3)], "red")
    assert canvas.row(0) == [("⣀⡇", "red")]
    canvas.dot(3, 3, "blue")
    canvas.dot(4, 0, "blue")
    canvas.dot(0, 4, "blue")
    assert canvas.row(0) == [("⣀", "red"), ("⡏", "blue")]


def test_a_line_is_as_wide_as_there_is_room() -> None:
    watched = Watched(connection(), up=1_500.0, history=History())
    assert watched.history is not None
    watched.history.note(4, 1_500.0, 0.0)
    for width in (30, 60, 79, 120, 200):
        columns = fitting(width)
        assert len(line(watched, 4, columns)) == len(headings(columns, "id", turned=False)) == width
    assert "192.0.2.1" not in line(watched, 4, fitting(200))
    row = line(watched, 4, fitting(79))
    assert row.split() == ["7", "a-rather-long-n…:443", "1.5K", "█", "12ms", "3", "ESTAB"]
    assert headings(fitting(79), "rate", turned=True).split() == [
        *("ID", "TO", "UP/s▴", "DOWN/s", "RATE", "RTT", "RTX", "STATE", "OWNER"),
    ]
    for error, short in (("ECONNREFUSED", "refused"), ("ENETUNREACH", "no network"), ("EPIPE", "broken pi…")):
        assert f" {short} " in line(Watched(connection(error=error, state="CLOSED")), 4, fitting(79))


def test_a_trail_draws_what_was_sent_acknowledged_and_sent_again() -> None:
    trail = Trail()
    for second in range(2 * KEPT):
        told = connection(bytes_down=1_000 * second, held_down=5_000, retransmits=second // (2 * KEPT - 3))
        trail.note(float(second), Detail(told, None))
    assert len(trail.down) == KEPT
    canvas, low, high = trail.drawn(599.0, 10.0, 20, 4, up=False)
    assert (low, high) == (583_000, 599_000)
    colours = {colour for number in range(4) for _, colour in canvas.row(number) if colour}
    assert colours == {"bright_green", "bright_blue", RESENT}
    bottom = "".join(text for text, _ in canvas.row(3))
    top = "".join(text for text, _ in canvas.row(0))
    assert bottom.strip() == bottom.rstrip()  # it rises from the left
    assert top.startswith(" " * 10)
    assert Trail().drawn(0.0, 10.0, 5, 2, up=True)[1:] == (0, 0)


def test_what_lies_behind_a_gap_stands_above_what_is_lost() -> None:
    trail = Trail()
    told = connection(bytes_down=100_000, held_down=80_000)
    for second in range(4):
        sacked = 40_000 if second == 2 else 0
        info = replace(INFO, lost=10_000 if sacked else 0, sacked=sacked)
        trail.note(float(second), Detail(told, info))
    assert [each.sacked for each in trail.down] == [(20_000, 20_000), (20_000, 20_000), (30_000, 70_000), (20_000, 20_000)]
    canvas, low, high = trail.drawn(3.0, 4.0, 8, 8, up=False)
    assert (low, high) == (20_000, 100_000)
    there = [number for number in range(8) if any(colour == SACKED for _, colour in canvas.row(number))]
    assert there == [3, 4, 5, 6]  # of rows from the top, each 10,000
