"""What waits for a page that does not read: not more than a little, and then everything anew."""

from __future__ import annotations

import asyncio

from hythe.dashboard.streams import Stream, encode


def test_an_event_is_two_lines() -> None:
    assert encode("said", {"text": "one\ntwo"}) == b'event: said\ndata: {"text":"one\\ntwo"}\n\n'


def test_pages_get_what_is_said_in_order_until_the_end() -> None:
    async def main() -> None:
        stream = Stream(lambda: [b"all"])
        pieces = stream.pieces()
        assert await anext(pieces) == b"all"
        waiting = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        stream.put(b"news")
        assert await waiting == b"news"
        stream.put(b"last")
        stream.finish()
        assert [piece async for piece in pieces] == [b"last"]

    asyncio.run(main())


def test_who_does_not_read_is_told_everything_anew() -> None:
    async def main() -> None:
        known = 0
        stream = Stream(lambda: [b"all up to %d" % known])
        for known in range(1, 1_000):
            stream.put(b"news %d" % known)
        stream.finish()
        told = [piece async for piece in stream.pieces()]
        assert len(told) <= 20
        first = int(told[0].removeprefix(b"all up to "))
        assert [int(piece.removeprefix(b"news ")) for piece in told[1:]] == list(range(first + 1, 1_000))

    asyncio.run(main())


def test_who_waits_for_room_loses_nothing() -> None:
    async def main() -> None:
        stream = Stream(list)

        async def say() -> None:
            for number in range(100):
                await stream.room()
                stream.put(b"%d" % number)
            stream.finish()

        saying = asyncio.create_task(say())
        assert [int(piece) async for piece in stream.pieces()] == list(range(100))
        await saying

    asyncio.run(main())
