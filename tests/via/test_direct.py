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


def test_only_permitted_addresses_of_a_name_are_connected_to(echo_port: int) -> None:
    asked: list[tuple[str, int]] = []

    def only_ipv4(host: str, address: str, port: int) -> None:
        assert host == "localhost"
        asked.append((address, port))
        if ":" in address:
            raise OSError(errno.EACCES, "not there")

    async def main() -> None:
        with await Direct(permit=only_ipv4).open("localhost", echo_port) as stream:
            assert stream.getpeername()[:2] == ("127.0.0.1", echo_port)

        def nowhere(host: str, address: str, port: int) -> None:
            raise OSError(errno.EACCES, f"not to {address}")

        with pytest.raises(PermissionError, match="not to "):
            await Direct(permit=nowhere).open("localhost", echo_port)

    asyncio.run(main())
    assert ("127.0.0.1", echo_port) in asked


def test_connections_come_from_the_source_that_was_named(echo_port: int) -> None:
    async def main() -> None:
        way = Direct(source="127.0.0.77")
        assert way.name == "direct from 127.0.0.77"
        with await way.open("localhost", echo_port) as stream:
            assert stream.getsockname()[0] == "127.0.0.77"
        with pytest.raises(OSError, match=r"direct from 203\.0\.113\.9 -> 127\.0\.0\.1"):
            await Direct(source="203.0.113.9").open("127.0.0.1", echo_port)

    asyncio.run(main())
