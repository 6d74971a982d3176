"""The direct way: kernel sockets."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from hythe.via.direct import Direct


def test_a_stream_to_a_name_and_to_an_address() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read()).upper())
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            for host in ("localhost", "127.0.0.1", "::ffff:127.0.0.1"):
                stream = await Direct().open(host, port)
                assert not stream.getblocking()
                reader, writer = await asyncio.open_connection(sock=stream)
                writer.write(b"hello")
                writer.write_eof()
                assert await reader.read() == b"HELLO"
                writer.close()
                await writer.wait_closed()

    asyncio.run(main())


def test_refused_tells_both_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as caught:
        asyncio.run(Direct().open("127.0.0.1", port))
    assert caught.value.errno == errno.ECONNREFUSED
    assert f"(direct -> 127.0.0.1:{port})" in str(caught.value)


def test_a_name_that_is_none() -> None:
    with pytest.raises(socket.gaierror):
        asyncio.run(Direct().open("no-such-name.invalid", 80))


def test_datagrams_there_and_back() -> None:
    async def main() -> None:
        came: asyncio.Queue[tuple[bytes, str, int]] = asyncio.Queue()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            far.setblocking(False)
            port = far.getsockname()[1]
            path = await Direct().datagrams(lambda *each: came.put_nowait(each), lambda error: None)
            path.send(b"one", "127.0.0.1", port)
            data, address = await asyncio.get_running_loop().sock_recvfrom(far, 100)
            path.send(b"three", "localhost", port)
            assert await asyncio.get_running_loop().sock_recvfrom(far, 100) == (b"three", address)
            assert data == b"one"
            far.sendto(b"two", address)
            assert await came.get() == (b"two", "127.0.0.1", port)
            path.close()

    asyncio.run(main())
