"""Work that is asked for at any time: one at a time, and once more for what came meanwhile."""

from __future__ import annotations

import asyncio

from hythe.aio.repeating import Repeating


def test_asked_for_meanwhile_it_is_done_once_more() -> None:
    async def main() -> None:
        begun, go = 0, asyncio.Semaphore(0)

        async def work() -> None:
            nonlocal begun
            begun += 1
            await go.acquire()

        repeating = Repeating(work)
        for _ in range(3):
            repeating.ask()
            await asyncio.sleep(0)
        assert begun == 1
        go.release()
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == 2
        go.release()
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == 2
        repeating.ask()
        repeating.ask()
        repeating.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == 2

    asyncio.run(main())
