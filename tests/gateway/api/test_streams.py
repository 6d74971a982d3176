"""Streams to callers who read too slowly: bounded, and what was left out is told."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import subprocess
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from hythe.gateway.api import capturing
from hythe.gateway.api.broadcast import QUEUE, Broadcast
from hythe.gateway.api.capturing import Capturing, Place
from hythe.gateway.capture.reasons import Reasons
from hythe.gateway.session import Session
from hythe.session.model import Event
from hythe.wire import pcapng
from hythe.wire.packet import VERIFIED
from tests import needs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

    from hythe.link.watch import Watcher

PACKET = bytes.fromhex("45000028000100004006f97c0a0000010a000002") + bytes(20)


def events(data: bytes) -> list[dict[str, Any]]:
    """Return the objects in a piece of a stream of server-sent events."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in lines:
            found.append(json.loads(lines["data"]))
            assert found[-1]["kind"] == lines["event"]
    return found


def test_events_that_find_no_room_are_counted_in_their_place() -> None:
    async def main() -> None:
        session = Session(0)
        described: list[object] = []

        def describe(kind: str, about: object) -> Event:
            described.append(about)
            return Event(kind, 0.0, notice=str(about))

        broadcast = Broadcast(session, describe)
        assert not session.observers
        async with aclosing(broadcast.listen()) as slow, aclosing(broadcast.listen()) as quick:
            assert not events(await anext(slow)) + events(await anext(quick))
            assert len(session.observers) == 1
            heard: list[dict[str, Any]] = []
            for number in range(QUEUE + 500):
                session.tell("notice", number)
                if number % 50 == 49:
                    heard += events(await anext(quick))
            assert [each["notice"] for each in heard] == [str(number) for number in range(QUEUE + 500)]
            assert len(described) == QUEUE + 500  # once, however many listen
            late: list[dict[str, Any]] = []
            while len(late) < QUEUE + 1:
                late += events(await anext(slow))
            assert [each["kind"] for each in late] == ["notice"] * QUEUE + ["dropped"]
            assert late[-1]["count"] == 500
            session.tell("notice", "last")
            broadcast.finish()
            assert [each["notice"] for each in events(await anext(slow))] == ["last"]
            assert await anext(slow, b"") == b""
            assert broadcast.busy
        assert not session.observers
        assert not broadcast.busy

    asyncio.run(main())


class Watched:
    """Stands for the gateway and its wiring: what is watched is what `show` shows."""

    wire = None

    def __init__(self) -> None:
        self.session = Session(0)
        self.watchers: list[Watcher] = []
        self.watch = self.watchers.append
        self.unwatch = self.watchers.remove

    def show(self, now: int, sent: bool, packet: bytes) -> None:
        for watch in self.watchers:
            watch(now, sent, memoryview(packet), 0, VERIFIED)


def capturing_of(watched: Any) -> Capturing:
    """Return what streams its packets; the command's network is our own."""
    return Capturing(watched, watched.session, Reasons(watched), None, Place(os.getpid(), [], 1_000))


async def read_on(stream: AsyncGenerator[bytes, None], out: bytes, packets: int) -> bytes:
    """Read what follows `out`, until there are so many packets."""
    while len(list(pcapng.Reader().feed(out))) < packets:
        out += await anext(stream)
    return out


def test_packets_that_find_no_room_are_counted_in_a_comment_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """He reads nothing for a while: what the pipe and the memory have no room for is missing."""
    monkeypatch.setattr(capturing, "ROOM", 1 << 16)
    monkeypatch.setattr(capturing, "_PIPE", 1 << 12)
    monkeypatch.setattr(capturing, "_PIECE", 1 << 12)
    watched = Watched()
    count = 3_000

    async def main() -> bytes:
        capture = capturing_of(watched)
        async with aclosing(capture.stream(30)) as stream:
            out = await anext(stream)
            for number in range(count):
                watched.show(number, number % 2 == 1, PACKET)
            (caller,) = capture._callers
            out = await read_on(stream, out, count - caller._scribe.dropped)  # so that there is room again
            watched.show(count, False, PACKET)
            for number in range(1, count):  # of these, the last are missing
                watched.show(count + number, False, PACKET)
            assert capture.busy
            capture.finish()
            async for piece in stream:
                out += piece
        assert not capture.busy
        return out

    written = asyncio.run(main())
    assert not watched.watchers
    assert not watched.session.observers
    reader = pcapng.Reader()
    found = list(reader.feed(written))
    reader.end()
    assert [each.timestamp for each in found[:1_000]] == [*range(1_000, 2_000)]
    assert {each.data for each in found} == {PACKET[:30]}
    assert {each.length for each in found} == {40}
    assert [each.flags & 3 for each in found[:2]] == [pcapng.OUTBOUND, pcapng.INBOUND]
    said = "\n".join(each.comment for each in found)
    told = sum(map(int, re.findall(r"^(\d+) packets before this one were not captured$", said, re.MULTILINE)))
    assert 0 < told < reader.dropped
    assert len(found) + reader.dropped == 2 * count


def answer(label: str, address: bytes) -> bytes:
    """Return a DNS message (RFC 1035, 4.1): LABEL.test has that IPv4 address."""
    name = bytes((len(label),)) + label.encode() + b"\x04test\0"
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0)
    return head + name + struct.pack(">HH", 1, 1) + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + address


def test_names_stand_before_the_packets_that_use_them(tmp_path: Path) -> None:
    """Those that were looked up before anybody listened, and those of meanwhile; each once."""
    watched = Watched()
    session = watched.session
    near, far = PACKET[12:16], PACKET[16:20]

    async def main() -> bytes:
        session.answer(1, 0, answer("near", near))
        async with aclosing(capturing_of(watched).stream(0)) as stream:
            out = await anext(stream)
            for _ in range(2):
                session.answer(5, 0, answer("far", far))
                session.answer(5, 0, b"garbage")
                watched.show(7, False, PACKET)
            out = await read_on(stream, out, 2)
        assert not session.observers
        return out

    written = asyncio.run(main())
    assert [written.count(each) for each in (b"near.test", b"far.test")] == [1, 1]
    path = tmp_path / "capture.pcapng"
    path.write_bytes(written)
    words = [needs.program("tshark"), "-r", str(path), "-N", "n", "-T", "fields", "-e", "ip.src_host", "-e", "ip.dst_host"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "near.test\tfar.test\n" * 2
