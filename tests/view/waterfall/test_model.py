"""What becomes of moments: spans in order, on one axis, and what took most of the time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from hythe.session.model import Connection, Moments
from hythe.session.plain import build, plain
from hythe.view.waterfall.groups import grouped
from hythe.view.waterfall.model import Line, Waterfall, waterfall
from tests.view.waterfall.sessions import ALL, BEGAN, DATAGRAMS, FULL, INBOUND, NOW, PLAIN, QUERIES, REFUSED, SLOW, called


def only(connection: Connection) -> Line:
    (line,) = [each for each in waterfall([connection], QUERIES[:2], BEGAN, NOW).lines if each.id]
    return line


def spans(line: Line) -> list[tuple[str, float, float]]:
    return [(each.kind, round(each.start, 6), round(each.end, 6)) for each in line.spans]


def test_a_connection_is_its_look_up_its_handshakes_its_waits_and_its_transfer() -> None:
    line = only(FULL)
    assert spans(line) == [
        ("dns", 0.6, 0.95),  # both families, which were asked for together
        ("connect", 1.0, 1.2),
        ("tls", 1.2, 1.5),
        ("wait", 1.5, 2.0),
        ("transfer", 2.0, 2.2),
        ("stall", 2.2, 3.2),
        ("transfer", 3.2, 3.5),
        ("idle", 3.5, 4.0),
    ]
    assert (line.name, line.address, line.port, line.process) == ("www.example", "192.0.2.1", 443, "curl[4321]")
    assert (line.failed, line.open, line.outcome) == (False, False, "CLOSED")
    assert line.limits == pytest.approx(
        {"dns": 0.35, "connect": 0.1, "wire": 0.1, "tls": 0.3, "remote": 1.9, "command": 0.1}
    )
    assert line.limited == "67% of the time waiting for www.example to say something"


def test_what_failed_was_only_connecting() -> None:
    line = only(REFUSED)
    assert spans(line) == [("connect", 5.0, 5.1)]
    assert (line.failed, line.outcome, line.limited) == (True, "connection refused", "")


def test_what_passed_by_as_packets_was_open_all_the_time() -> None:
    """Nothing but its size shows that it had come to be."""
    line = only(replace(FULL, name=None, moments=Moments()))
    assert spans(line) == [("transfer", 1.0, 4.0)]
    assert (line.limited, line.limits) == ("", {})
    nothing = only(replace(FULL, name=None, moments=Moments(), bytes_up=0, bytes_down=0))
    assert spans(nothing) == [("connect", 1.0, 4.0)]


def test_of_names_with_one_address_it_is_the_one_that_tls_asks_for() -> None:
    other = replace(FULL, name="static.example")  # looked up later, of the same address
    assert (only(other).name, spans(only(other))[0][0]) == ("www.example", "dns")
    assert only(replace(other, inbound=True)).name == "static.example"


def test_datagrams_end_with_the_last() -> None:
    assert spans(only(DATAGRAMS)) == [("wait", 6.0, 6.25), ("transfer", 6.25, 7.0)]
    unanswered = only(replace(DATAGRAMS, moments=Moments(last_up=1006.5)))
    assert spans(unanswered) == [("wait", 6.0, 6.5)]
    assert unanswered.spans[0].text == "www.example did not answer"


def test_of_an_inbound_one_the_command_answers() -> None:
    line = only(INBOUND)
    assert spans(line) == [("connect", 7.0, 7.1), ("wait", 7.1, 7.6), ("transfer", 7.6, 7.7), ("idle", 7.7, 10.0)]
    assert line.spans[1].text == "waiting for the first byte of the command"
    assert (line.open, line.address, line.port) == (True, "127.0.0.1", 50000)


def test_a_long_question_is_transferred_before_its_answer_is_waited_for() -> None:
    assert spans(only(SLOW)) == [
        ("connect", 2.0, 2.3),
        ("transfer", 2.3, 4.0),
        ("stall", 4.0, 5.5),
        ("transfer", 5.5, 8.5),
        ("wait", 8.5, 8.8),
        ("idle", 8.8, 9.0),
    ]


def test_without_moments_it_was_open() -> None:
    assert spans(only(PLAIN))[1:] == [("transfer", 1.0, 4.0)]


def test_silence_is_waited_through_to_the_end() -> None:
    """The command asked, and nobody answered until it gave up."""
    line = only(replace(FULL, moments=Moments(connected=1001.2, first_up=1001.2, last_up=1001.2, waits={"remote": 2.8})))
    assert spans(line)[1:] == [("connect", 1.0, 1.2), ("wait", 1.2, 4.0)]
    assert line.limited.startswith("84% of the time waiting for www.example")


def test_a_look_up_stands_with_the_first_connection_alone_and_one_without_any_by_itself() -> None:
    later = replace(FULL, id=9, began=1001.5)
    lines = waterfall([FULL, later], QUERIES, BEGAN, NOW).lines
    assert [[each.kind for each in line.spans].count("dns") for line in lines] == [1, 0, 1]
    assert (lines[2].protocol, lines[2].name, lines[2].outcome, lines[2].failed) == (
        "dns",
        "nowhere.example",
        "no such name",
        True,
    )


def test_spans_never_overlap_nor_leave_the_axis() -> None:
    found = waterfall(ALL, QUERIES, BEGAN, NOW)
    assert found.connections == len(ALL)
    for line in found.lines:
        for one, other in pairwise(line.spans):
            assert one.end <= other.start
        assert all(0 <= each.start <= each.end <= found.seconds for each in line.spans)


def test_its_json_is_its_fields() -> None:
    found = waterfall(ALL, QUERIES, BEGAN, NOW)
    assert build(Waterfall, plain(found)) == found


def test_many_become_few_and_it_says_so() -> None:
    many = [replace(FULL, id=number, began=1001.0 + number / 1000) for number in range(1, 3000)]
    found = grouped(waterfall([*many, REFUSED], (), BEGAN, NOW), 200)
    assert [(each.count, each.bytes_down) for each in found.lines] == [(2999, 2999 * 70_000), (1, 0)]
    assert found.lines[0].spans[0].text.startswith("2999 connections, ")
    assert found.notes == ["3000 lines are too many to show: alike connections are one line"]
    others = [called(each, f"{each.id}.example") for each in many]
    found = grouped(waterfall(others, (), BEGAN, NOW), 200)
    assert len(found.lines) == 200
    assert found.notes[1] == "2799 of 2999 such lines are left out; --summary=waterfall-json has all"
