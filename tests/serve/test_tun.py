"""The web server on a hythe host at a TUN device, with the kernel's TCP and Debian's programs at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import hythe
from hythe.serve.files import Files
from hythe.serve.grounds import DatagramFactory, Factory, Place
from hythe.serve.web import WebServer
from tests import needs
from tests.aio.kernel import HOST, Kernel
from tests.aio.sides import tun_host

PORT = 8_080
MIB = 1_024 * 1_024


class TunGround:
    """A host on the device, with no gateway between it and its clients."""

    def __init__(self, host: hythe.Host) -> None:
        self._host = host
        self.places: Sequence[Place] = [Place(HOST[4], PORT), Place(HOST[6], PORT)]

    async def streams(self, factory: Factory, tls: ssl.SSLContext | None = None) -> Sequence[asyncio.AbstractServer]:
        return [await self._host.create_server(factory, None, PORT, ssl=tls)]

    async def datagrams(self, factory: DatagramFactory) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with contextlib.closing(Kernel()) as made:
        yield made


def served(kernel: Kernel, folder: Path, clients: Callable[[], None]) -> list[str]:
    """What the server said while `clients`, in a thread, had their turn."""
    said: list[str] = []

    async def main() -> None:
        async with asyncio.timeout(60), tun_host(kernel) as host:
            begun = asyncio.Event()
            server = WebServer(Files(directory=str(folder)), TunGround(host), None, said.append, begun.set)
            serving = asyncio.create_task(server.serve())
            waiting = asyncio.create_task(begun.wait())
            try:
                await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if begun.is_set():
                    await asyncio.to_thread(clients)
            finally:
                waiting.cancel()
                server.should_exit = True
                await serving

    asyncio.run(main())
    return said


def test_curl_nc_and_telnet(kernel: Kernel, folder: Path, tmp_path: Path) -> None:
    blob = (folder / "blob.bin").read_bytes()
    curl = [needs.program("curl"), "-sS", "--max-time", "20", "--noproxy", "*"]
    nc, telnet = needs.program("nc"), needs.program("telnet")

    def run(*argv: str) -> bytes:
        status, output, complaints = kernel.run(*argv)
        assert (status, complaints) == (0, "")
        return output

    def clients() -> None:
        for address in (HOST[4], f"[{HOST[6]}]"):
            assert run(*curl, f"http://{address}:{PORT}/blob.bin") == blob
            assert run(*curl, "-r", "1000-1999", f"http://{address}:{PORT}/blob.bin") == blob[1000:2000]
            assert run(*curl, "--compressed", f"http://{address}:{PORT}/long.txt") == (folder / "long.txt").read_bytes()
        asked = "printf 'GET /a.txt HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nGET /blob.bin HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'"
        assert run("sh", "-c", f"{asked} | {nc} -N -w 10 {HOST[4]} {PORT}").endswith(blob)
        keyboard = tmp_path / "keyboard"  # one that stays open: telnet ends when the far side does, and with 1
        typed = f"mkfifo {keyboard}; exec 3<>{keyboard}; printf 'GET /a.txt HTTP/1.0\\n\\n' >&3;"
        _, page, _ = kernel.run("sh", "-c", f"{typed} exec {telnet} {HOST[4]} {PORT} <&3")
        assert page.endswith(b"hello\n")

    said = served(kernel, folder, clients)
    assert len(said) == 9
    assert sum(line.endswith(f"GET /blob.bin HTTP/1.1 200 {3 * MIB}") for line in said) == 3
    assert said[-1].endswith("GET /a.txt HTTP/1.0 200 6")
