"""Data classes to JSON and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from hythe.errors import UsageError
from hythe.session.model import End, Event, Listener, Process
from hythe.session.plain import build, plain


class Row(NamedTuple):
    share: float
    word: str | None


@dataclass(frozen=True)
class Everything:
    name: str
    share: float
    on: bool
    ends: list[End]
    words: dict[str, str]
    maybe: Process | None
    rows: list[Row]
    count: int = 7


ROWS = [Row(0.5, "x"), Row(1, None)]
VALUE = Everything("x", 2.0, True, [End("10.0.0.1", 80)], {"loss": "5%"}, Process(1, "sh", 0, 3), ROWS, 8)


def test_a_value_comes_back_as_it_went() -> None:
    assert build(Everything, json.loads(json.dumps(plain(VALUE)))) == VALUE
    listener = Listener("tcp", None, End("::", 80), None)
    assert build(Listener, json.loads(json.dumps(plain(listener)))) == listener
    assert plain([listener]) == [
        {"protocol": "tcp", "outside": None, "inside": {"address": "::", "port": 80}, "process": None, "id": None}
    ]


def test_a_later_versions_fields_are_left_out_and_what_has_a_default_may_lack() -> None:
    value = plain(VALUE) | {"new": [1], "rows": [[0.5, "x", "new"], [1, None]]}
    del value["count"]
    assert (build(Everything, value).count, build(Everything, value).rows) == (7, ROWS)
    assert build(Event, {"kind": "notice", "at": 1, "notice": "n"}) == Event("notice", 1.0, notice="n")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 1}, "Everything.name cannot be 1: str is what belongs there"),
        ({"on": 1}, "Everything.on cannot be 1"),
        ({"count": True}, "Everything.count cannot be True"),
        ({"ends": [{}]}, r"Everything.ends\[0\] lacks 'address'"),
        ({"ends": {}}, "Everything.ends cannot be"),
        ({"words": {"a": 1}}, "Everything.words.a cannot be 1"),
        ({"maybe": 3}, "Everything.maybe cannot be 3: an object"),
        ({"rows": [[1.0]]}, r"Everything.rows\[0\] cannot be \[1.0\]: an array of 2"),
        ({"rows": [[1.0, 2]]}, r"Everything.rows\[0\].word cannot be 2"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build(Everything, plain(VALUE) | change)
