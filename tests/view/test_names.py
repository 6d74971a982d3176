"""`hythe.view.names`, and the names of `hythe dump`: nothing waits longer than it says for a resolver that is silent."""

from __future__ import annotations

import threading
import time

import pytest

from hythe.view.dump.naming import Names
from hythe.view.names import HostNames

LOCAL = bytes((127, 0, 0, 1))


def address(number: int) -> bytes:
    return bytes((192, 0, 2, number))


class Silent:
    """Answers nothing until it is told to."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.asked: list[bytes] = []

    def __call__(self, wanted: bytes) -> str | None:
        self.asked.append(wanted)
        self.may.wait(20)
        return f"host{wanted[-1]}.test" if wanted[-1] != 9 else None


def test_this_machines_names() -> None:
    names = HostNames()
    assert names.answered(LOCAL, 10)
    assert names.get(LOCAL) == "localhost"
    assert Names(10).host(LOCAL) == "localhost"


def test_a_line_waits_three_times_in_vain_and_then_no_more() -> None:
    silent = Silent()
    names = Names(0.1, HostNames(silent))
    begun = time.monotonic()
    assert [names.host(address(number)) for number in (*range(1, 9), 1, 1)] == [
        *(f"192.0.2.{number}" for number in range(1, 9)),
        "192.0.2.1",
        "192.0.2.1",
    ]
    assert time.monotonic() - begun >= 0.3
    silent.may.set()
    assert names._found.answered(address(8), 10)
    assert names.host(address(8)) == "host8.test"
    assert names._found.answered(address(9), 10)
    assert names.host(address(9)) == "192.0.2.9"
    assert sorted(silent.asked) == [address(number) for number in range(1, 10)]


def test_one_that_is_late_holds_up_no_other() -> None:
    late = threading.Event()
    names = HostNames(lambda wanted: "late.test" if wanted == address(1) and late.wait(20) else "soon.test")
    names.ask([address(1)])
    assert names.answered(address(2), 10)
    assert names.get(address(2)) == "soon.test"
    assert not names.answered(address(1), 0)
    late.set()
    names.wait(10)
    assert names.get(address(1)) == "late.test"


def test_of_very_many_answers_the_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hythe.view.names._REMEMBERED_MAX", 3)
    names = HostNames(lambda wanted: f"host{wanted[-1]}.test")
    for number in (1, 2, 3, 4, 1):
        assert names.answered(address(number), 10)
        assert names.get(address(number)) == f"host{number}.test"
    assert names.get(address(2)) is None
