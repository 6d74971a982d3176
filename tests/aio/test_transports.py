"""The stream contract: asyncio over the kernel's loopback, then ours over pairs and TUN, all held to one text."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.aio.sides import BETWEEN, Network, Ours, Recorder, Table, close, port_of, until

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 65_536


async def send_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    for at in range(0, len(data), PIECE):
        writer.write(data[at : at + PIECE])
        await writer.drain()
    writer.write_eof()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(PIECE):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("size", [2_000_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_megabytes_both_ways_at_once(network: Network, rng: random.Random, size: int) -> None:
    data = rng.randbytes(size)

    async def scenario(table: Table) -> None:
        server = await table.server.start_server(echo)
        reader, writer = await table.client.open_connection(table.server.address, port_of(server))
        sending = asyncio.create_task(send_all(writer, data))
        received = await reader.read(-1)
        await sending
        assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
        writer.close()
        await writer.wait_closed()
        await close(server)

    network.play(scenario)


def test_half_close_leaves_the_other_direction_open(network: Network) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read(-1)
        writer.write(question.upper() * 1000)
        writer.close()
        await writer.wait_closed()

    async def scenario(table: Table) -> None:
        server = await table.server.start_server(answer)
        reader, writer = await table.client.open_connection(table.server.address, port_of(server))
        assert writer.can_write_eof()
        writer.write(b"question")
        writer.write_eof()
        writer.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            writer.write(b"more")
        assert not writer.is_closing()
        assert await reader.read(-1) == b"QUESTION" * 1000
        writer.close()
        await writer.wait_closed()
        await close(server)

    network.play(scenario)


@pytest.mark.parametrize("half_open", [False, True])
def test_the_answer_of_eof_received_decides(network: Network, half_open: bool) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(half_open=True), Recorder(half_open=half_open)
        transport, server = await table.connected(here, there)
        transport.write(b"x")
        transport.write_eof()
        await until(lambda: "eof" in there.calls)
        assert there.transport.is_closing() is not half_open
        if half_open:
            there.transport.write(b"late")
            await until(lambda: here.data == b"late")
            there.transport.close()
        await until(lambda: there.lost and "eof" in here.calls)
        transport.close()
        await until(lambda: here.lost)
        assert (here.lost, there.lost) == ([None], [None])
        assert there.calls == ["made", "data", "eof", "lost"]
        await close(server)

    network.play(scenario)


def test_what_is_written_before_close_arrives(network: Network, rng: random.Random) -> None:
    data = rng.randbytes(3_000_000)

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        transport.write(data)
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert not transport.is_reading()
        assert here.lost == []  # never from inside `close`
        await until(lambda: there.lost and here.lost)
        assert there.data == data
        assert (here.lost, there.lost) == ([None], [None])
        await close(server)

    network.play(scenario)


def test_a_reset_is_a_connection_reset_error(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        transport.write(b"x")
        await until(lambda: there.data)
        table.client.reset(transport)
        transport.abort()
        await until(lambda: there.lost and here.lost)
        assert here.lost == [None]
        assert [type(each) for each in there.lost] == [ConnectionResetError]
        await close(server)

    network.play(scenario)


def test_a_refused_connection_is_a_connection_refused_error(network: Network) -> None:
    async def scenario(table: Table) -> None:
        server = await table.server.start_server(echo)
        port = port_of(server)
        await close(server)
        with pytest.raises(ConnectionRefusedError):
            await table.client.open_connection(table.server.address, port)

    network.play(scenario)


def test_a_reader_that_pauses_stops_the_writer(network: Network) -> None:
    chunk = bytes(256 * 1024)

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        await until(lambda: there.transport)
        there.transport.pause_reading()
        there.transport.pause_reading()
        assert not there.transport.is_reading()
        written = idle = 0
        while idle < 50:  # stopped for good, and not only until the next turn
            if here.paused:
                idle += 1
            else:
                idle = 0
                transport.write(chunk)
                written += len(chunk)
                assert written < BETWEEN
            await asyncio.sleep(0.001)
        assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[0]
        received = len(there.data)
        there.transport.resume_reading()
        await until(lambda: len(there.data) == written and not here.paused)
        assert received < written
        assert here.calls.count("pause") == here.calls.count("resume")
        transport.close()
        await until(lambda: here.lost and there.lost)
        await close(server)

    network.play(scenario)


def test_write_buffer_limits(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        assert transport.get_write_buffer_limits() == (16_384, 65_536)
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        with pytest.raises(ValueError, match="must be"):
            transport.set_write_buffer_limits(high=1, low=2)
        transport.set_write_buffer_limits(high=0)
        for _ in range(20):  # with no buffer at all every write is waited for, and comes through
            transport.write(b"y" * 5000)
            await until(lambda: not here.paused)
        await until(lambda: len(there.data) == 100_000)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await until(lambda: here.lost and there.lost)
        await close(server)

    network.play(scenario)


class Buffered(asyncio.BufferedProtocol):
    """Receives into one small buffer of its own."""

    def __init__(self, size: int) -> None:
        self.buffer = bytearray(size)
        self.data = bytearray()
        self.made = 0
        self.lost: list[BaseException | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made += 1

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.buffer)
        self.data += self.buffer[:nbytes]
        self.buffer.append(0)  # it is the protocol's own: it may grow and shrink
        del self.buffer[-1:]

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


@pytest.mark.parametrize("size", [1, 1000, 1_000_000])
def test_a_buffered_protocol_gets_everything(network: Network, rng: random.Random, size: int) -> None:
    data = rng.randbytes(min(400_000, size * 1000))

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Buffered(size)
        transport, server = await table.connected(here, there)
        transport.write(data)
        transport.write_eof()
        await until(lambda: there.lost and here.lost)
        assert there.data == data
        assert (there.made, there.lost) == (1, [None])
        await close(server)

    network.play(scenario)


def test_the_protocol_can_be_changed_between_streaming_and_buffered(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, first, second, third = Recorder(), Recorder(), Buffered(3), Recorder()
        transport, server = await table.connected(here, first)
        transport.write(b"first")
        await until(lambda: first.data == b"first")
        below = first.transport
        assert below.get_protocol() is first
        below.set_protocol(second)
        transport.write(b"second")
        await until(lambda: second.data == b"second")
        below.set_protocol(third)
        transport.write(b"third")
        transport.close()
        await until(lambda: third.lost and here.lost)
        assert (third.data, third.calls[-2:]) == (b"third", ["eof", "lost"])
        assert (second.made, second.lost, first.lost) == (0, [], [])
        await close(server)

    network.play(scenario)


class Ungiving(Buffered):
    """Has no buffer to give."""

    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray()


def test_a_buffered_protocol_without_room_is_an_error(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Ungiving(1)
        transport, server = await table.connected(here, there)
        transport.write(b"x")
        await until(lambda: there.lost and here.lost)
        assert [type(each) for each in there.lost] == [RuntimeError]
        assert [type(each["exception"]) for each in table.reported] == [RuntimeError]
        await close(server)

    network.play(scenario, expect_reports=True)


class Raising(Recorder):
    """Raises in one of its methods."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.where == "data":
            raise ZeroDivisionError("on purpose")

    def eof_received(self) -> bool:
        if self.where == "eof":
            raise ZeroDivisionError("on purpose")
        return False


@pytest.mark.parametrize("where", ["data", "eof"])
def test_what_a_protocol_raises_is_reported_and_ends_the_connection(network: Network, where: str) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Raising(where)
        transport, server = await table.connected(here, there)
        transport.write(b"x")
        if where == "eof":
            transport.write_eof()
        await until(lambda: here.lost and there.lost)
        assert [type(each) for each in there.lost] == [ZeroDivisionError]
        (report,) = table.reported
        assert isinstance(report["exception"], ZeroDivisionError)
        assert report["protocol"] is there
        assert report["transport"] is there.transport
        assert f"{where}_received" in report["message"]
        await close(server)

    network.play(scenario, expect_reports=True)


def test_every_kind_of_bytes_can_be_written(network: Network, rng: random.Random) -> None:
    data = rng.randbytes(20_000)
    mutable = bytearray(data)

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        transport.write(mutable)
        mutable[:] = bytes(len(mutable))  # what was written is what it was when it was written
        transport.write(b"")
        transport.write(memoryview(data)[5:])
        transport.writelines([data, bytearray(data), memoryview(data)[:7]])
        if isinstance(table.client, Ours):  # asyncio 3.12 and 3.13 wait for ever once nothing is among the lines
            transport.writelines([b"", b""])
            transport.writelines([])
        with pytest.raises(TypeError, match="bytes-like"):
            transport.write("text")
        transport.close()
        await until(lambda: there.lost and here.lost)
        assert there.data == data + data[5:] + data + data + data[:7]
        await close(server)

    network.play(scenario)


def test_extra_info_names_both_ends(network: Network) -> None:
    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        await until(lambda: there.transport)
        assert transport.get_extra_info("peername")[:2] == (table.server.address, port_of(server))
        assert there.transport.get_extra_info("sockname") == transport.get_extra_info("peername")
        assert there.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
        assert len(transport.get_extra_info("sockname")) == (2 if network.version == 4 else 4)
        assert transport.get_extra_info("sslcontext") is None
        assert transport.get_extra_info("nothing", "of the kind") == "of the kind"
        transport.close()
        await until(lambda: here.lost and there.lost)
        await close(server)

    network.play(scenario)


def test_a_file_is_sent(network: Network, tmp_path: Path, rng: random.Random) -> None:
    data = rng.randbytes(700_000)
    path = tmp_path / "file"
    path.write_bytes(data)

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Recorder()
        transport, server = await table.connected(here, there)
        with path.open("rb") as file:
            assert await asyncio.get_running_loop().sendfile(transport, file) == len(data)
        transport.close()
        await until(lambda: here.lost and there.lost)
        assert there.data == data
        await close(server)

    network.play(scenario)


VISITOR: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="nobody")


def test_callbacks_run_in_the_context_of_whoever_asked(network: Network) -> None:
    seen: list[str] = []

    class Curious(Recorder):
        def connection_made(self, transport: Any) -> None:
            seen.append(VISITOR.get())
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            seen.append(VISITOR.get())
            super().data_received(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            seen.append(VISITOR.get())
            super().connection_lost(exc)

    async def scenario(table: Table) -> None:
        here, there = Recorder(), Curious()
        VISITOR.set("server")
        server = await table.server.create_server(lambda: there)
        VISITOR.set("client")
        transport, _ = await table.client.create_connection(lambda: here, table.server.address, port_of(server))
        transport.write(b"x")
        await until(lambda: there.data)
        transport.close()
        await until(lambda: here.lost and there.lost)
        assert seen[:2] == ["server", "server"]
        await close(server)

    network.play(scenario)


@pytest.mark.parametrize(
    "network", [("pair", 4), ("pair-wire", 6), ("tun-client", 6), ("tun-server", 4)], indirect=True, ids=lambda each: each[0]
)
@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_hundreds_of_connections_at_once(network: Network, count: int) -> None:
    async def one(table: Table, port: int, number: int) -> None:
        reader, writer = await table.client.open_connection(table.server.address, port)
        writer.write(b"%06d" % number * 100)
        assert await reader.readexactly(600) == b"%06d" % number * 100
        writer.close()
        await writer.wait_closed()

    async def scenario(table: Table) -> None:
        server = await table.server.start_server(echo, backlog=1000)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one(table, port_of(server), number))
        await until(lambda: len(asyncio.all_tasks()) == 1)
        await close(server)

    network.play(scenario)
