"""The watching model: what was told becomes rates, histories and a log, within bounds."""

from __future__ import annotations

import pytest

from hythe.errors import UsageError
from hythe.session.model import Changes, Connection, End, Figures, Holding, Query, Totals
from hythe.units import SECOND
from hythe.view.watch.arrange import Arrangement, wanted
from hythe.view.watch.model import ENDED_FOR, ENDED_MAX, LOGGED_MAX, Watch
from hythe.view.watch.series import TICKS


def connection(number: int, **changed: object) -> Connection:
    found = Connection(
        number, "tcp", False, End("10.0.0.1", 40_000 + number), End("192.0.2.1", 443), None, End("192.0.2.1", 443),
        "www.example.com", None, "ESTABLISHED", None, 100.0 + number, None, 0, 0, 0, 0, None, 0, None,
    )  # fmt: skip
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def figures(number: int, up: int = 0, down: int = 0, ended: float | None = None, error: str | None = None) -> Figures:
    return Figures(number, "CLOSED" if ended else "ESTABLISHED", error, ended, up, down, 0, 0, 0.01, 2)


def told(*news: Connection | Figures, serial: int = 1, complete: bool = False, up: int = 0, **more: object) -> Changes:
    found = Changes(
        serial, complete, Totals(1, 1, 0, up, 0, 0), {}, [], [],
        [each for each in news if isinstance(each, Connection)], [each for each in news if isinstance(each, Figures)], 0,
    )  # fmt: skip
    for name, value in more.items():
        setattr(found, name, value)
    return found


def test_bytes_become_rates_and_a_history() -> None:
    watch = Watch()
    assert watch.feed(0, told(connection(1, bytes_up=10_000), connection(2), complete=True, serial=7, up=10_000))
    one = watch.connections[1]
    assert (one.up, watch.serial, watch.moments[-1].up) == (0.0, 7, 0.0)  # nobody knows since when
    watch.feed(2 * SECOND, told(figures(1, up=14_000, down=600), connection(3, bytes_down=50), up=14_000))
    assert (one.up, one.down, one.connection.bytes_up, one.connection.rtt) == (2_000.0, 300.0, 14_000, 0.01)
    assert (watch.connections[3].down, watch.moments[-1].up) == (25.0, 2_000.0)
    watch.feed(3 * SECOND, told())
    assert (one.up, one.down, watch.connections[3].down) == (0.0, 0.0, 0.0)
    watch.feed(4 * SECOND, told(figures(1, up=14_000, down=700)))
    assert one.history is not None
    assert one.history.last(watch.tick, 4) == [(0.0, 0.0), (2_000.0, 300.0), (0.0, 0.0), (0.0, 100.0)]
    assert one.history.last(watch.tick + 2, 3) == [(0.0, 100.0), (0.0, 0.0), (0.0, 0.0)]
    assert watch.connections[2].history is None
    assert [each.kind for each in watch.happenings] == ["opened"]


def test_when_nothing_moves_any_more_there_is_nothing_to_draw() -> None:
    watch = Watch()
    assert watch.feed(0, told(connection(1), complete=True))
    still = [watch.feed(number * SECOND, told()) for number in range(1, 3 * TICKS)]
    assert still[:TICKS] == [True] * TICKS
    assert not any(still[TICKS:])
    assert watch.feed(1_000 * SECOND, told(figures(1, up=1)))
    assert watch.feed(1_001 * SECOND, told(queries=[Query(1.0, "a.example", "A", "NOERROR", [], None)]))


def test_what_has_ended_stays_for_a_while() -> None:
    watch = Watch()
    watch.feed(0, told(connection(1), connection(2), complete=True))
    gone = connection(3, ended=103.5, error="ECONNREFUSED", outside=None, state="CLOSED")
    watch.feed(SECOND, told(figures(1, up=5, ended=104.0), gone, figures(99)))
    assert watch.connections[1].connection.ended == 104.0
    assert [(each.kind, each.connection and each.connection.id) for each in watch.happenings] == [
        ("opened", 3),
        ("refused", 3),
        ("closed", 1),
    ]
    assert watch.feed(SECOND + ENDED_FOR, told())
    assert set(watch.connections) == {1, 2, 3}
    assert watch.feed(2 * SECOND + ENDED_FOR, told())
    assert set(watch.connections) == {2}


def test_it_is_bounded() -> None:
    watch = Watch()
    watch.feed(0, told(complete=True))
    for number in range(1, 3 * ENDED_MAX):
        watch.feed(number, told(connection(number, ended=1.0)))
    assert len(watch.connections) == ENDED_MAX
    assert len(watch.happenings) == LOGGED_MAX
    assert not watch.unowned
    watch.feed(9 * SECOND, told(connection(9_999), notices=["x"]))
    for number in range(10, 3 * TICKS):
        watch.feed(number * SECOND, told(figures(9_999, up=number)))
    assert watch.connections[9_999].history is not None
    assert len(watch.connections[9_999].history.last(watch.tick, 10 * TICKS)) == 10 * TICKS
    assert len(watch.moments) == TICKS


def test_a_session_that_came_back_is_told_anew() -> None:
    watch = Watch()
    watch.feed(0, told(connection(1, bytes_up=9), complete=True, notices=["n"]))
    watch.feed(SECOND, told(connection(2)))
    watch.feed(2 * SECOND, told(connection(1, bytes_up=4), complete=True, notices=["n"]))
    assert set(watch.connections) == {1}
    assert watch.connections[1].up == 0.0
    assert [each.kind for each in watch.happenings] == ["opened", "notice"]


def test_owners_are_asked_for_once() -> None:
    watch = Watch()
    watch.feed(0, told(connection(1), connection(2), complete=True))
    assert watch.unowned == {1, 2}
    watch.hold([Holding(17, "curl", 0, [1, 5])])
    assert not watch.unowned
    owner = watch.connections[1].owner
    assert owner is not None
    assert (owner.pid, owner.program, watch.connections[2].owner) == (17, "curl", None)
    watch.feed(SECOND, told(connection(3)))
    asked = frozenset(watch.unowned)
    watch.feed(2 * SECOND, told(connection(4)))
    watch.hold([], asked)
    assert watch.unowned == {4}  # which came while they were looked for


def arranged(watch: Watch, order: str = "id", text: str = "", *, turned: bool = False) -> list[int]:
    rows = Arrangement(order, turned, wanted(text)).of(watch.connections.values())
    return [each.connection.id for each in rows]


def test_connections_are_sorted_and_filtered() -> None:
    watch = Watch()
    watch.feed(0, told(connection(1), connection(2, protocol="udp", name=None), connection(3, rtt=0.5), complete=True))
    watch.feed(SECOND, told(figures(2, up=10), figures(3, down=99, ended=4.0, error="ECONNRESET")))
    watch.hold([Holding(17, "Firefox", 0, [1]), Holding(18, "curl", 0, [3])])
    assert arranged(watch) == [1, 2, 3]
    assert arranged(watch, turned=True) == [3, 2, 1]
    assert arranged(watch, "rate") == [3, 2, 1]
    assert arranged(watch, "owner") == [1, 3, 2]
    assert arranged(watch, text="udp") == [2]
    assert arranged(watch, text="WWW.example -state:closed") == [1]
    assert arranged(watch, text="owner:fire to:443") == [1]
    assert arranged(watch, text="192.0.2.1:443 econnreset") == [3]
    assert arranged(watch, text="state:econn") == [3]
    assert arranged(watch, text="fe80:") == []
    with pytest.raises(UsageError, match="port: is no place to look in: proto, from, to"):
        wanted("port:443")
