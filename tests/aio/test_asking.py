"""One question asked once, however many want to know (RFC 5452, 5)."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from hythe.aio.asking import Sharing


class Slow:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.cancelled = 0
        self.go = asyncio.Event()

    async def find(self, key: str) -> str:
        self.asked[key] += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(0)  # closing takes its time
            raise
        if key == "wrong":
            raise ValueError(key)
        return key.upper()


async def started(count: int, sharing: Sharing[str, str], key: str = "a") -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(sharing.get(key)) for _ in range(count)]
    await asyncio.sleep(0.001)
    return tasks


def test_many_get_the_answer_to_one_question() -> None:
    async def main() -> None:
        slow = Slow()
        sharing = Sharing(slow.find)
        first, second = await started(10, sharing), await started(3, sharing, "b")
        slow.go.set()
        assert await asyncio.gather(*first, *second) == ["A"] * 10 + ["B"] * 3
        assert slow.asked == {"a": 1, "b": 1}
        assert len(sharing) == 0
        assert await sharing.get("a") == "A"
        assert slow.asked["a"] == 2

    asyncio.run(main())


def test_what_fails_fails_for_all() -> None:
    async def main() -> None:
        slow = Slow()
        sharing = Sharing(slow.find)
        tasks = await started(3, sharing, "wrong")
        slow.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(each) for each in found] == ["wrong"] * 3
        assert len(sharing) == 0

    asyncio.run(main())


def test_it_goes_on_as_long_as_one_waits() -> None:
    async def main() -> None:
        slow = Slow()
        sharing = Sharing(slow.find)
        tasks = await started(3, sharing)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.wait(tasks[:2])
        assert (slow.cancelled, len(sharing)) == (0, 1)
        slow.go.set()
        assert await tasks[2] == "A"

    asyncio.run(main())


def test_the_last_to_go_ends_it() -> None:
    async def main() -> None:
        slow = Slow()
        sharing = Sharing(slow.find)
        for task in (tasks := await started(3, sharing)):
            task.cancel()
        later = asyncio.create_task(sharing.get("a"))  # while the first is being ended
        await asyncio.wait(tasks)
        slow.go.set()
        assert await later == "A"
        assert (slow.cancelled, slow.asked["a"], len(sharing)) == (1, 2, 0)
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
