"""The door of a session: who is let in, how many, and what a failure behind it costs."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hythe.gateway.api import door as module
from hythe.gateway.api.door import Door
from hythe.session import places
from hythe.session.places import Claim

REQUEST = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Claim]:
    monkeypatch.setattr(places, "directories", lambda: [f"{tmp_path}/hythe"])
    taken = places.claim("test")
    yield taken
    taken.close()


class Described:
    """Stands for a session's resources: what it can do without a gateway."""

    async def openapi(self) -> dict[str, Any]:
        return {"openapi": "3.1.0"}

    async def finish(self) -> None:
        return


async def ask(claim: Claim) -> bytes:
    reader, writer = await asyncio.open_unix_connection(claim.path)
    writer.write(REQUEST)
    writer.write_eof()
    try:
        answer = await reader.read()
    except ConnectionResetError:  # its request was not even read
        return b""
    writer.close()
    await writer.wait_closed()
    return answer


def with_door(claim: Claim, make: Callable[[], Any], use: Callable[[], Any]) -> list[str]:
    """Run `use` in front of a door; return the notices."""
    notices: list[str] = []

    async def main() -> None:
        door = Door(claim.listener, make, notices.append)
        try:
            async with asyncio.timeout(20):
                await use()
        finally:
            await door.close()

    asyncio.run(main())
    return notices


def test_no_more_than_so_many_are_let_in(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLERS", 2)

    async def use() -> None:
        silent = [await asyncio.open_unix_connection(claim.path) for _ in range(2)]
        third = asyncio.create_task(ask(claim))
        await asyncio.sleep(0.05)
        assert not third.done()
        silent[0][1].close()
        assert (await third).startswith(b"HTTP/1.1 200 OK")
        silent[1][1].close()

    assert with_door(claim, Described, use) == []


def test_who_is_silent_for_long_makes_room(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLERS", 2)
    monkeypatch.setattr(module, "SILENCE", 0.05)

    async def use() -> None:
        silent = [await asyncio.open_unix_connection(claim.path) for _ in range(5)]
        assert [await reader.read() for reader, _ in silent] == [b""] * 5
        assert (await ask(claim)).startswith(b"HTTP/1.1 200 OK")
        for _, writer in silent:
            writer.close()

    assert with_door(claim, Described, use) == []


def test_who_does_not_read_a_list_is_turned_out(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that listens to events may pause as long as it likes."""
    from hythe.gateway.api import serving

    monkeypatch.setattr(serving, "PATIENCE", 0.1)
    ended: list[str] = []

    class Endless(Described):
        async def _pieces(self, name: str) -> AsyncGenerator[bytes, None]:
            try:
                while True:
                    yield bytes(65_536)
            finally:
                ended.append(name)

        async def queries(self) -> AsyncGenerator[bytes, None]:
            return self._pieces("queries")

        async def events(self) -> AsyncGenerator[bytes, None]:
            return self._pieces("events")

    async def use() -> None:
        for path in ("/events", "/dns"):
            caller = places.connect(claim.path, 10)
            callers.append(caller)
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not ended:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert ended == ["queries"]

    callers: list[socket.socket] = []
    assert with_door(claim, Endless, use) == []
    assert ended == ["queries", "events"]
    for caller in callers:
        caller.close()


def test_without_descriptors_callers_wait(claim: Claim) -> None:
    """And the loop does not run in circles meanwhile."""

    async def use() -> None:
        caller = places.connect(claim.path, 10)
        taken = [os.open(os.devnull, os.O_RDONLY)]
        while taken[-1] < caller.fileno():
            taken.append(os.open(os.devnull, os.O_RDONLY))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1, hard))
        try:
            caller.sendall(REQUEST)
            await asyncio.sleep(0)
            before = time.process_time()
            await asyncio.sleep(0.3)
            assert time.process_time() - before < 0.1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for fd in taken:
                os.close(fd)
        assert (await asyncio.to_thread(caller.recv, 100)).startswith(b"HTTP/1.1 200 OK")
        caller.close()

    assert with_door(claim, Described, use) == []


def test_a_failure_costs_its_caller_alone(claim: Claim) -> None:
    made: list[Described] = []

    def make() -> Described:
        made.append(Described())
        if len(made) == 1:
            raise RuntimeError("not today")
        return made[-1]

    async def use() -> None:
        assert await ask(claim) == b""
        assert (await ask(claim)).endswith(b'{"openapi": "3.1.0"}\n')

    (notice,) = with_door(claim, make, use)
    assert notice.endswith("RuntimeError: not today\n")


def test_a_missing_library_is_told(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h11", None)
    monkeypatch.delitem(sys.modules, "hythe.gateway.api.serving", raising=False)

    async def use() -> None:
        assert await ask(claim) == b""

    sentence = "this session cannot be asked or controlled, for h11 is missing: pip install h11"
    assert with_door(claim, Described, use) == [sentence]
