"""Names that clients ask for, looked up by this machine's resolvers, which may take their time.

Theory of operation. The C library's look-up holds a thread until it has an answer or gives up, some ten seconds later. So
there are many threads for it, which nothing else waits for; whoever asks for a name that is being looked up shares the
answer; and of one client only so many are looked up at a time, so that names of a dead zone hold up nobody else's.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from hythe.via.direct import raw_name

#: Look-ups at a time, of all and of one client.
_THREADS: Final = 128
_EACH: Final = 16

#: As `socket.getaddrinfo` has them.
Found = list[tuple[Any, ...]]
#: Host, port, kind of socket, family.
_Asked = tuple[str, int, int, int]


class Names:
    """`busy`: look-ups that go on."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "names")
        self._rooms: dict[str, _Room] = {}
        self.busy: dict[_Asked, asyncio.Future[Found]] = {}

    async def find(self, whose: str, host: str, port: int, kind: int, family: int = 0) -> Found:
        """The addresses of a name, for the client `whose`. `socket.gaierror`."""
        asked = (host, port, kind, family)
        found = self.busy.get(asked)
        if found is not None:
            return await asyncio.shield(found)
        room = self._rooms.setdefault(whose, _Room())
        room.users += 1
        try:
            raw = raw_name(host)
            await room.places.acquire()
            found = self.busy.get(asked)
            if found is not None:
                room.places.release()
            else:
                found = self._begin(asked, raw, whose, room)
            return await asyncio.shield(found)
        finally:
            self._leave(whose, room)

    def _begin(self, asked: _Asked, raw: bytes, whose: str, room: _Room) -> asyncio.Future[Found]:
        _, port, kind, family = asked
        loop = asyncio.get_running_loop()
        found = self.busy[asked] = loop.run_in_executor(self._pool, socket.getaddrinfo, raw, port, family, kind)
        room.users += 1  # it stays one of its client's to its end, even if that does not wait for it

        def end(done: asyncio.Future[Found]) -> None:
            del self.busy[asked]
            room.places.release()
            self._leave(whose, room)
            if not done.cancelled():
                done.exception()  # perhaps nobody waits for it any more

        found.add_done_callback(end)
        return found

    def _leave(self, whose: str, room: _Room) -> None:
        room.users -= 1
        if not room.users:
            del self._rooms[whose]

    def close(self) -> None:
        """Look nothing up any more; what goes on is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Room:
    """Of one client. `users`: who waits in it, and what is looked up."""

    __slots__ = ("places", "users")

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(_EACH)
        self.users = 0
