"""Fast Open with the Linux kernel, each as client and as server (RFC 7413)."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tests.aio.kernel import HOST, KERNEL, Kernel
from tests.aio.sides import port_of, tun_host

#: linux/tcp.h: of tcp_info's sixth byte, that the SYN's data was acknowledged with it.
TCPI_OPT_SYN_DATA = 32
TCP_FASTOPEN = 23


def ask(sock: socket.socket, address: tuple[str, int]) -> tuple[bytes, bool]:
    """Send a line with the SYN; the answer, and whether the line went with it."""
    with sock:
        sock.setblocking(True)  # or the kernel would ask us to come again
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", 10, 0))
        sock.sendto(b"ping", socket.MSG_FASTOPEN, address)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while part := sock.recv(100):
            answer += part
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    return answer, bool(info[5] & TCPI_OPT_SYN_DATA)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()
    await writer.wait_closed()


def test_the_kernel_opens_fast_to_us(kernel: Kernel) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), tun_host(kernel) as host:
            for version in (4, 6):
                server = await host.start_server(echo, HOST[version], fast_open=4)
                seen = []
                for _ in range(3):
                    sock = kernel.make_socket(version, socket.SOCK_STREAM)
                    seen.append(await asyncio.to_thread(ask, sock, (HOST[version], port_of(server))))
                assert seen == [(b"ping", False), (b"ping", True), (b"ping", True)]  # the first fetches the cookie

    asyncio.run(main(), debug=True)


def serve(listening: socket.socket, count: int) -> list[bool]:
    """Answer so many connections; of each, whether its SYN brought data."""
    fast = []
    for _ in range(count):
        connected, _ = listening.accept()
        with connected:
            connected.settimeout(10)
            data = b""
            while part := connected.recv(100):
                data += part
            info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
            connected.sendall(data[::-1])
            fast.append(bool(info[5] & TCPI_OPT_SYN_DATA))
    return fast


@pytest.mark.parametrize("delay", [None, 0.25], ids=["in turn", "as a race"])
def test_we_open_fast_to_the_kernel(kernel: Kernel, delay: float | None) -> None:
    status, _, complaints = kernel.run("sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen")
    assert (status, complaints) == (0, "")

    async def main() -> None:
        async with asyncio.timeout(30), tun_host(kernel) as host:
            for version in (4, 6):
                with kernel.make_socket(version, socket.SOCK_STREAM) as listening:
                    listening.bind((KERNEL[version], 0))
                    listening.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
                    listening.listen()
                    listening.settimeout(10)
                    serving = asyncio.create_task(asyncio.to_thread(serve, listening, 3))
                    for _ in range(3):
                        reader, writer = await host.open_connection(
                            KERNEL[version], listening.getsockname()[1], fast_open=b"pi", happy_eyeballs_delay=delay
                        )
                        writer.write(b"ng")
                        writer.write_eof()
                        assert await reader.read() == b"gnip"
                        writer.close()
                        await writer.wait_closed()
                    assert await serving == [False, True, True]  # the first fetches the cookie

    try:
        asyncio.run(main(), debug=True)
    finally:
        kernel.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_fastopen")


def test_it_does_not_go_with_tls(kernel: Kernel) -> None:
    async def main() -> None:
        async with tun_host(kernel) as host:
            with pytest.raises(ValueError, match="ssl"):
                await host.open_connection(KERNEL[4], 443, ssl=True, fast_open=b"")

    asyncio.run(main(), debug=True)
