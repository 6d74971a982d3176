"""Accounts that processes share."""

from __future__ import annotations

import os

import pytest

from hythe.proxy.config import LimitConfig
from hythe.proxy.ledger import CONNECTIONS, VOLUME, Ledger
from hythe.proxy.limits import Limits


def test_processes_count_together() -> None:
    ledger = Ledger(shared=True)
    limits = Limits(LimitConfig(connections=1_000, bytes=1 << 40), "this client", lambda: 1, ledger)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            status = 1
            try:
                for _ in range(200):
                    share = limits.begin("me")
                    assert share is not None
                    share.pace(1)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    share = limits.begin("me")
    assert share is not None
    share.pace(0)
    with ledger.account("this client\0me", 1) as account:
        assert account is not None
        assert (account.cells[CONNECTIONS], account.cells[VOLUME]) == (601, 600)


def test_one_that_dies_with_an_account_locked_keeps_nobody_from_it() -> None:
    ledger = Ledger(shared=True)
    child = os.fork()
    if not child:
        with ledger.account("me", 1):
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with ledger.account("me", 2) as account:
        assert account is not None


def test_who_was_seen_longest_ago_is_forgotten_and_who_has_connections_never() -> None:
    ledger = Ledger(buckets=4)  # 64 places
    connected = range(0, 1_000, 50)
    for number in range(1_000):
        with ledger.account(f"client {number}", number) as account:
            assert account is not None
            account.cells[CONNECTIONS] = int(number in connected)
            account.cells[VOLUME] = number + 1
    for number in (*connected, 999):
        with ledger.account(f"client {number}", 1_000) as account:
            assert account is not None
            assert account.cells[VOLUME] == number + 1
    with ledger.account("client 1", 1_001) as account:
        assert account is not None
        assert account.cells[VOLUME] == 0


def test_where_all_have_connections_there_is_no_room_for_another() -> None:
    ledger = Ledger(buckets=1)
    limits = Limits(LimitConfig(connections=1), "this client", lambda: 1, ledger)
    shares = [limits.begin(f"client {number}") for number in range(16)]
    with pytest.raises(OSError, match="this client comes with too many others"):
        limits.begin("one more")
    shares[0].end()  # type: ignore[union-attr]
    assert limits.begin("one more") is not None
