"""The proxies that are measured work, each with connections that the client asks for in its way."""

from __future__ import annotations

import pytest

from bench.proxies import CONTENDERS, WIDTH, measure
from tests import needs


@pytest.mark.parametrize(("kind", "programs"), [("map", ("nginx", "haproxy")), ("http", ("tinyproxy",))])
def test_every_contender_carries_something(kind: str, programs: tuple[str, ...]) -> None:
    for each in programs:
        needs.program(each)
    results = measure(kind, 1, 0.05, "connections in turn")
    assert not results.notes
    for name in CONTENDERS[kind]:
        assert (results.median("connections in turn", name) or 0) > 0


def test_socks_is_asked_for_many_at_once_and_what_it_takes_is_told() -> None:
    needs.root()
    for each in ("microsocks", "danted"):
        needs.program(each)
    results = measure("socks", 1, 0.05, "at once")
    for name in ("microsocks", "dante", "hythe"):
        assert (results.median(f"{WIDTH} at once", name) or 0) > 0
        assert results.median("cpu a connection", name) is not None
