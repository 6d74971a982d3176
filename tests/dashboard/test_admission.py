"""Tokens work once; a cookie opens nothing without its own key."""

from __future__ import annotations

import pytest

from hythe.dashboard.admission import Admission


def test_a_token_works_once() -> None:
    admission = Admission()
    token, other = admission.invite(), admission.invite()
    assert admission.enter(token + "x") is None
    assert admission.enter("") is None
    admitted = admission.enter(token)
    assert admitted is not None
    assert admission.enter(token) is None
    assert admission.enter(other) not in (None, admitted)
    cookie, key = admitted
    assert admission.knows(cookie)
    assert admission.opens(cookie, key)


@pytest.mark.parametrize("wrong", ["", "x", "é", "key"])
def test_a_cookie_and_a_key_belong_together(wrong: str) -> None:
    admission = Admission()
    first, second = admission.enter(admission.invite()), admission.enter(admission.invite())
    assert first is not None
    assert second is not None
    assert not admission.opens(first[0], second[1])
    assert not admission.opens(first[0], wrong)
    assert not admission.opens(wrong, first[1])
    assert not admission.knows(wrong)
    assert not admission.knows(first[1])


def test_the_oldest_makes_room() -> None:
    admission = Admission()
    old = admission.invite()
    tokens = [admission.invite() for _ in range(64)]
    assert admission.enter(old) is None
    admitted = [admission.enter(each) for each in tokens]
    assert all(each is not None and admission.opens(*each) for each in admitted)
    assert admission.enter(admission.invite()) is not None
    assert admitted[0] is not None
    assert not admission.knows(admitted[0][0])
