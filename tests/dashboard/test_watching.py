"""One watcher a session, however many look; nothing is asked when nobody does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hythe.dashboard.streams import Stream
from hythe.dashboard.watching import Hub, Watcher
from tests import needs
from tests.dashboard.conftest import talking


async def told(stream: Stream, kind: str) -> Any:
    """Wait for the next event of a kind."""
    async with asyncio.timeout(20):
        async for piece in stream.pieces():
            head, _, data = piece.decode().partition("\ndata: ")
            if head == f"event: {kind}":
                return json.loads(data)
    raise AssertionError(f"there was no {kind}")


@pytest.mark.slow
def test_all_look_through_one_watcher(echo: int, name: str) -> None:
    needs.network()

    async def main() -> Watcher:
        async with Hub() as hub, hub.watcher(name) as first, hub.watcher(name) as second:
            assert first is second
            with first.listen() as one, second.listen() as two:
                whole = [await told(each, "board") for each in (one, two)]
                assert len(whole[0]["rows"]) == 3
                assert whole[0] == whole[1]
                serial = first.board.watch.serial
                news = [await told(each, "board") for each in (one, two)]
                assert news[0] == news[1]
                assert not news[0]["reset"]
                assert first.board.watch.serial > serial
                assert not news[0]["recording"]
                with first.keep():
                    while not (await told(one, "board"))["recording"]:
                        pass
            return first

    with talking(name, echo):
        watcher = asyncio.run(main())
    assert watcher.recording is not None
    assert not watcher.recording.runs


@pytest.mark.slow
def test_a_name_without_a_session_is_said_and_waited_for(echo: int, name: str) -> None:
    needs.network()

    async def main() -> None:
        async with Hub() as hub, hub.watcher(name) as watcher:
            with watcher.listen() as stream:
                while (await told(stream, "state"))["state"] != "absent":
                    pass
                loop = asyncio.get_running_loop()
                session = talking(name, echo)
                await loop.run_in_executor(None, session.__enter__)
                while (await told(stream, "state"))["state"] != "running":
                    pass
                await loop.run_in_executor(None, session.__exit__, None, None, None)
                while (await told(stream, "state"))["state"] != "ended":
                    pass

    asyncio.run(main())
