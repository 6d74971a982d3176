"""Limits of clients and users, on a clock of the test's own."""

from __future__ import annotations

import errno

import pytest

from hythe.proxy.config import LimitConfig
from hythe.proxy.limits import Limits, Share, client_key
from hythe.units import SECOND


class Clock:
    now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


def limits(clock: Clock, **config: int) -> Limits:
    return Limits(LimitConfig(**config), "this client", clock)


def begun(found: Limits, who: str = "me") -> Share:
    share = found.begin(who)
    assert share is not None
    return share


def test_none_unless_asked_for() -> None:
    assert limits(Clock()).begin("me") is None


def test_connections_at_a_time() -> None:
    found = limits(Clock(), connections=2)
    first = begun(found)
    begun(found)
    with pytest.raises(OSError, match="this client has 2 connections already") as error:
        found.begin("me")
    assert error.value.errno == errno.EDQUOT
    begun(found, "another")
    first.end()
    begun(found)


def test_connections_in_a_minute() -> None:
    clock = Clock()
    found = limits(clock, opens=3)
    for _ in range(3):
        begun(found).end()
    with pytest.raises(OSError, match="3 connections within a minute"):
        found.begin("me")
    clock.now += 20 * SECOND
    begun(found).end()
    with pytest.raises(OSError, match="within a minute"):
        found.begin("me")
    clock.now += 3_600 * SECOND
    for _ in range(3):
        begun(found).end()


def test_the_rate_is_kept_by_pauses_of_all_connections_together() -> None:
    clock = Clock()
    found = limits(clock, rate=8_000)  # 1,000 bytes a second
    one, other = begun(found), begun(found)
    assert one.paces
    assert one.pace(100) == 0.0
    assert one.pace(1_000) == pytest.approx(1.0)
    assert other.pace(500) == pytest.approx(1.5)
    clock.now += 2 * SECOND
    assert one.pace(0) == 0.0


def test_the_bytes_of_an_hour() -> None:
    clock = Clock()
    found = limits(clock, bytes=1_000)
    share = begun(found)
    share.pace(1_200)
    with pytest.raises(OSError, match="used up"):
        share.pace(1)
    with pytest.raises(OSError, match="used up its bytes of this hour"):
        found.begin("me")
    clock.now += 3_600 * SECOND
    assert begun(found).pace(10) == 0.0


def test_a_reload_with_the_same_limits_forgets_nothing() -> None:
    found = limits(Clock(), connections=1)
    begun(found)
    with pytest.raises(OSError, match="already"):
        found.changed(LimitConfig(connections=1)).begin("me")
    begun(found.changed(LimitConfig(connections=2)))


def test_whose_an_address_is() -> None:
    assert client_key("192.0.2.1") == "192.0.2.1"
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:3::4") != client_key("2001:db8:1:3::1")
