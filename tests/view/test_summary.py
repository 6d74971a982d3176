"""The table of connections."""

from __future__ import annotations

import errno
import json

from hythe.gateway.session import FlowRecord, Session
from hythe.units import MILLISECOND, SECOND
from hythe.view import summary
from hythe.wire.segment import make_key

KEY4 = make_key(bytes([10, 83, 64, 100]), 51262, bytes([93, 184, 216, 34]), 443)
KEY6 = make_key(bytes(15) + b"\x01", 4064, bytes(15) + b"\x02", 80)


def record(**changes: object) -> FlowRecord:
    values: dict[str, object] = {
        "number": 1,
        "protocol": "tcp",
        "key": KEY4,
        "outside": ("93.184.216.34", 443),
        "began": 5 * SECOND,
        "ended": 6 * SECOND,
        "bytes_up": 512,
        "bytes_down": 3 << 20,
        "rtt": 87_000,
        "retransmits": 2,
        "state": "CLOSED",
        **changes,
    }
    return FlowRecord(**values)  # type: ignore[arg-type]


def test_a_row_tells_who_where_bytes_round_trip_retransmissions_and_state() -> None:
    header, row, total = summary.table([record()], 7 * SECOND).splitlines()
    assert header.split() == ["#", "PROTO", "FROM", "TO", "UP", "DOWN", "RTT", "RETR", "LASTED", "STATE"]
    assert row.split("  ")[0] == "1"
    for part in ("tcp", "10.83.64.100:51262", "93.184.216.34:443", "512 B", "3.0 MiB", "87 µs", " 2 ", "1.0 s", "CLOSED"):
        assert part in row
    assert total == "1 connection, 512 B up, 3.0 MiB down"


def test_ipv6_endpoints_are_bracketed_and_names_shown() -> None:
    text = summary.table([record(key=KEY6, outside=("::2", 80), name="example.org")], 7 * SECOND)
    assert "[::1]:4064" in text
    assert "[::2]:80 (example.org)" in text


def test_a_client_from_outside_is_the_one_it_comes_from() -> None:
    row = summary.table([record(inbound=True, outside=("127.0.0.1", 40000))], 7 * SECOND).splitlines()[1]
    assert row.index("127.0.0.1:40000") < row.index("10.83.64.100:51262")


def test_a_flow_that_goes_on_lasts_until_now() -> None:
    assert "250.00 ms" in summary.table([record(ended=0, state="ESTABLISHED")], 5 * SECOND + 250 * MILLISECOND)


def test_errors_are_told_in_words() -> None:
    assert summary.outcome(record(error=errno.ECONNREFUSED)) == "connection refused"
    assert summary.outcome(record(error=errno.EACCES)) == "not allowed"
    assert summary.outcome(record(error=errno.EPIPE)) == "broken pipe"


def test_a_refused_destination_is_shown_as_it_was_asked_for() -> None:
    assert "93.184.216.34:443" in summary.table([record(outside=None, error=errno.EACCES)], 7 * SECOND)


def test_columns_line_up() -> None:
    rows = [record(), record(number=12345, bytes_up=1 << 40, rtt=0)]
    lines = summary.table(rows, 7 * SECOND).splitlines()
    assert len({line.index("tcp") for line in lines[1:3]}) == 1
    assert len({line.index("CLOSED") for line in lines[1:3]}) == 1


def test_of_very_many_the_last_are_shown_and_all_are_counted() -> None:
    lines = summary.table([record(number=n) for n in range(1, 301)], 7 * SECOND).splitlines()
    assert lines[1] == "... 100 earlier ones ..."
    assert lines[2].split()[0] == "101"
    assert lines[-1].startswith("300 connections")


def test_what_the_session_has_forgotten_counts() -> None:
    session = Session(0)
    for number in range(20_002):
        each = session.begin("tcp", KEY4, None, 0)
        each.bytes_up = 1 if number else 1 << 20
        session.end(each, SECOND)
    lines = summary.table(session.records(), 7 * SECOND, session.forgotten()).splitlines()
    assert session.forgotten() == (2, (1 << 20) + 1, 0)
    assert lines[1] == "... 19802 earlier ones ..."
    assert lines[-1] == "20002 connections, 1.0 MiB up, 0 B down"


def test_they_are_shown_as_they_began() -> None:
    lines = summary.table([record(number=2), record(number=1)], 7 * SECOND).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]


def test_nothing_is_one_sentence() -> None:
    assert summary.table([], 0) == "no connections\n"


def test_json_gives_numbers_in_seconds_and_bytes() -> None:
    records = [record(error=errno.ECONNRESET), record(key=KEY6, rtt=0, outside=None)]
    data = json.loads(summary.as_json(records, 4 * SECOND, 9))
    first, second = data["connections"]
    assert first["local"] == {"address": "10.83.64.100", "port": 51262}
    assert first["remote"] == {"address": "93.184.216.34", "port": 443}
    assert first["began"] == 1.0
    assert first["duration"] == 1.0
    assert first["rtt"] == 87e-6
    assert first["error"] == "ECONNRESET"
    assert second["outside"] is None
    assert second["rtt"] is None
