"""Two ends of a stream, each either ours or the standard library's over a kernel socket, under the same verbs.

What a test says of one end it says of the other: the contract suite is run by the standard library against itself first,
which shows that the contract is the library's and not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import hythe
from hythe.config import HostConfig, TcpConfig
from tests.aio.kernel import HOST, KERNEL, Kernel

#: Bytes that a socket's buffers or a connection's may hold between two ends that do not read.
BETWEEN = 16 * 1024 * 1024


class Side(Protocol):
    """One end: `address` is where its servers listen."""

    address: str

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, **options: Any) -> Any: ...
    async def open_connection(self, host: str, port: int, **options: Any) -> Any: ...
    async def create_server(self, factory: Callable[[], Any], port: int = 0, **options: Any) -> Any: ...
    async def start_server(self, callback: Callable[..., Any], port: int = 0, **options: Any) -> Any: ...
    async def create_datagram_endpoint(self, factory: Callable[[], Any], **addresses: Any) -> Any: ...
    def reset(self, transport: asyncio.Transport) -> None: ...


class Ours:
    """A hythe host."""

    def __init__(self, host: hythe.Host, address: str) -> None:
        self.host = host
        self.address = address

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, **options: Any) -> Any:
        return await self.host.create_connection(factory, host, port, **options)

    async def open_connection(self, host: str, port: int, **options: Any) -> Any:
        return await self.host.open_connection(host, port, **options)

    async def create_server(self, factory: Callable[[], Any], port: int = 0, **options: Any) -> Any:
        return await self.host.create_server(factory, self.address, port, **options)

    async def start_server(self, callback: Callable[..., Any], port: int = 0, **options: Any) -> Any:
        return await self.host.start_server(callback, self.address, port, **options)

    async def create_datagram_endpoint(self, factory: Callable[[], Any], **addresses: Any) -> Any:
        return await self.host.create_datagram_endpoint(factory, **addresses)

    def reset(self, transport: asyncio.Transport) -> None:
        transport.abort()


class Theirs:
    """The standard library over kernel sockets, which `make` makes of a type."""

    def __init__(self, make: Callable[[int], socket.socket], address: str) -> None:
        self.make = make
        self.address = address

    async def _connected(self, host: str, port: int) -> socket.socket:
        made = self.make(socket.SOCK_STREAM)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int, **options: Any) -> Any:
        made = await self._connected(host, port)
        return await asyncio.get_running_loop().create_connection(factory, sock=made, **self._named(host, options))

    async def open_connection(self, host: str, port: int, **options: Any) -> Any:
        return await asyncio.open_connection(sock=await self._connected(host, port), **self._named(host, options))

    def _named(self, host: str, options: dict[str, Any]) -> dict[str, Any]:
        return {"server_hostname": host, **options} if "ssl" in options else options

    def _bound(self, port: int) -> socket.socket:
        made = self.make(socket.SOCK_STREAM)
        made.bind((self.address, port))
        return made

    async def create_server(self, factory: Callable[[], Any], port: int = 0, **options: Any) -> Any:
        return await asyncio.get_running_loop().create_server(factory, sock=self._bound(port), **options)

    async def start_server(self, callback: Callable[..., Any], port: int = 0, **options: Any) -> Any:
        return await asyncio.start_server(callback, sock=self._bound(port), **options)

    async def create_datagram_endpoint(self, factory: Callable[[], Any], **addresses: Any) -> Any:
        made = self.make(socket.SOCK_DGRAM)
        if "local_addr" in addresses:
            made.bind(addresses["local_addr"])
        if "remote_addr" in addresses:
            made.connect(addresses["remote_addr"])
        return await asyncio.get_running_loop().create_datagram_endpoint(factory, sock=made)

    def reset(self, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


@dataclass
class Table:
    """What a scenario is given: a client and a server end, and what the loop was told of errors meanwhile."""

    client: Side
    server: Side
    reported: list[dict[str, Any]] = field(default_factory=list)

    async def connected(self, client: Any, server: Any, **options: Any) -> tuple[Any, Any]:
        """Connect protocol `client` to protocol `server`: (client's transport, the listening server)."""
        listening = await self.server.create_server(lambda: server)
        transport, _ = await self.client.create_connection(lambda: client, self.server.address, port_of(listening))
        return transport, listening


Scenario = Callable[[Table], Awaitable[None]]


@dataclass(frozen=True)
class Network:
    """A kind of network and an IP version; `kernel` where one end is the kernel's."""

    kind: str
    version: int
    kernel: Kernel | None = None

    def __str__(self) -> str:
        return f"{self.kind}-ipv{self.version}"

    def play(self, scenario: Scenario, *, expect_reports: bool = False) -> None:
        """Run a scenario in asyncio's debug mode. Afterwards no task, no complaint and no transport may be left."""
        asyncio.run(self._play(scenario, expect_reports), debug=True)
        gc.collect()  # an unclosed transport warns when it is collected, which fails the test

    async def _play(self, scenario: Scenario, expect_reports: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 10  # a busy machine is no news
        async with asyncio.timeout(60), self._table() as table:
            loop.set_exception_handler(lambda _, report: table.reported.append(report))
            await scenario(table)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert expect_reports or not table.reported

    @contextlib.asynccontextmanager
    async def _table(self) -> AsyncIterator[Table]:
        version = self.version
        if self.kind == "loopback":
            address, family = ("127.0.0.1", socket.AF_INET) if version == 4 else ("::1", socket.AF_INET6)
            side = Theirs(lambda kind: _socket(family, kind), address)
            yield Table(side, side)
        elif self.kind.startswith("pair"):
            async with pair_of_hosts(offload=self.kind == "pair") as (left, right):
                yield Table(Ours(left, f"{_NETS[version]}1"), Ours(right, f"{_NETS[version]}2"))
        else:
            kernel = self.kernel
            assert kernel is not None
            theirs = Theirs(lambda kind: kernel.make_socket(version, kind), KERNEL[version])
            async with tun_host(kernel) as host:
                ours = Ours(host, HOST[version])
                yield Table(ours, theirs) if self.kind == "tun-client" else Table(theirs, ours)


_NETS = {4: "10.0.0.", 6: "fd00::"}
QUICK = HostConfig(tcp=TcpConfig(nagle=False))


def _socket(family: int, kind: int) -> socket.socket:
    made = socket.socket(family, kind)
    made.setblocking(False)
    return made


@contextlib.asynccontextmanager
async def pair_of_hosts(*, offload: bool = True, config: HostConfig = QUICK) -> AsyncIterator[tuple[hythe.Host, hythe.Host]]:
    """Two hosts, 10.0.0.1 and 10.0.0.2 (fd00::1, fd00::2), on a link whose ring is poisoned after each turn."""
    left, right = hythe.pair(1500, offload=offload, poison=True)
    async with (
        hythe.Host("10.0.0.1/24", "fd00::1/64", link=left, config=config) as one,
        hythe.Host("10.0.0.2/24", "fd00::2/64", link=right, config=config) as other,
    ):
        yield one, other


@contextlib.asynccontextmanager
async def tun_host(kernel: Kernel) -> AsyncIterator[hythe.Host]:
    """A host at our end of the kernel's TUN device."""
    link = hythe.Tun(os.dup(kernel.tun_fd), 1500, poison=True)
    async with hythe.Host(f"{HOST[4]}/24", f"{HOST[6]}/64", link=link) as host:
        yield host


def port_of(server: Any) -> int:
    """Where a server listens."""
    return int(server.sockets[0].getsockname()[1])


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Let the loop run until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


class Recorder(asyncio.Protocol):
    """Notes what it is told. `half_open`: what `eof_received` returns."""

    def __init__(self, *, half_open: bool = False) -> None:
        self.half_open = half_open
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: Any = None
        self.lost: list[BaseException | None] = []
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.half_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append("lost")
        self.lost.append(exc)

    def pause_writing(self) -> None:
        assert not self.paused
        self.calls.append("pause")
        self.paused = True

    def resume_writing(self) -> None:
        assert self.paused
        self.calls.append("resume")
        self.paused = False


async def close(server: Any) -> None:
    """Close a server and wait until it is."""
    server.close()
    await server.wait_closed()
