"""`hythe.link.inbox`: bounded, in order, and a descriptor that says what is there."""

from __future__ import annotations

import os
import select

from hythe.link.inbox import QUEUE, Inbox


def readable(inbox: Inbox[int]) -> bool:
    return bool(select.select([inbox.fileno()], [], [], 0)[0])


def test_in_order_and_in_batches() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(5):
        inbox.put(number)
    assert [inbox.take(2), inbox.take(10), inbox.take(1)] == [[0, 1], [2, 3, 4], []]


def test_what_finds_no_room_is_counted() -> None:
    inbox: Inbox[int] = Inbox()
    for number in range(QUEUE + 3):
        inbox.put(number)
    assert (inbox.dropped, inbox.take(QUEUE + 3)) == (3, list(range(QUEUE)))


def test_the_descriptor_is_readable_while_anything_waits() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    assert readable(inbox), "made while something waits"
    inbox.put(2)
    inbox.take(1)
    assert readable(inbox)
    inbox.take(1)
    assert not readable(inbox)
    inbox.put(3)
    assert readable(inbox)
    inbox.close()


def test_close_gives_the_descriptor_back_and_may_be_repeated() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    descriptor = inbox.fileno()
    inbox.close()
    inbox.close()
    assert inbox.take(5) == []
    assert not os.path.exists(f"/proc/self/fd/{descriptor}")
