"""The way by WireGuard: a host of ours in the tunnel, another one behind it."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import hythe
from hythe.errors import MachineError, UsageError
from hythe.tunnel.wireguard.config import parse as parse_configuration
from hythe.tunnel.wireguard.keys import clamp, key_text, public_key
from hythe.tunnel.wireguard.link import WireguardLink
from hythe.via.base import Way
from hythe.via.make import make
from hythe.via.spec import parse
from hythe.wire import dns

FILE = """
[Interface]
PrivateKey = {private}
Address = 10.7.0.2/24, fd07::2/64
{dns}
[Peer]
PublicKey = {peer}
AllowedIPs = 10.7.0.0/24, fd07::/64
Endpoint = 127.0.0.1:{port}
"""
SERVER = """
[Interface]
PrivateKey = {private}
Address = 10.7.0.1/24, fd07::1/64
[Peer]
PublicKey = {peer}
AllowedIPs = 10.7.0.2/32, fd07::2/128
"""


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes, in capitals."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data.upper(), addr)


class Names(Echo):
    """Knows that far.test is this very host."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.parse_query(data, len(data))
        known = {dns.A: bytes((10, 7, 0, 1))} if query.text == "far.test" else None
        records = [known[query.kind]] if known and query.kind in known else []
        rcode = dns.NOERROR if known else dns.NXDOMAIN
        self.transport.sendto(dns.build_answer(query, records, rcode=rcode, ttl=60), addr)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()
    writer.close()


async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"half of a stor")
    await reader.read(1)
    writer.transport.abort()


@asynccontextmanager
async def far_end(rng: random.Random, file: Path, dns: str = "") -> AsyncIterator[tuple[hythe.Host, int]]:
    """A host behind a tunnel, and the tunnel's port; `file` is written for who goes there."""
    keys = [clamp(rng.randbytes(32)) for _ in range(2)]
    texts = [(key_text(key.reveal()), key_text(public_key(key))) for key in keys]
    server = parse_configuration(SERVER.format(private=texts[0][0], peer=texts[1][1]), "server", ())
    link = WireguardLink(server)
    file.write_text(FILE.format(private=texts[1][0], peer=texts[0][1], port=link.port, dns=dns))
    file.chmod(0o600)
    async with hythe.Host(*map(str, server.addresses), link=link, allow_privileged_ports=True) as far:
        yield far, link.port


def through(rng: random.Random, place: Path, use: Callable[[Way], Awaitable[None]], *, names: bool = True) -> None:
    """Do something with a way to 10.7.0.1, which echoes at ports 7 (TCP and UDP), and breaks off at 8."""

    async def main() -> None:
        file = place / "client.conf"
        async with far_end(rng, file, "DNS = 10.7.0.1" if names else "") as (far, _):
            await far.start_server(echo, port=7)
            await far.start_server(abort, port=8)
            await far.create_datagram_endpoint(Echo, local_addr=("10.7.0.1", 7))
            await far.create_datagram_endpoint(Names, local_addr=("10.7.0.1", 53))
            way = make(parse(f"wg:{file}"))
            try:
                async with asyncio.timeout(20):
                    await use(way)
            finally:
                await way.close()

    asyncio.run(main())


@pytest.mark.parametrize("host", ["10.7.0.1", "fd07::1", "far.test"])
def test_a_stream_there_and_back(rng: random.Random, tmp_path: Path, host: str) -> None:
    data = rng.randbytes(2_000_000)

    async def use(way: Way) -> None:
        reader, writer = await asyncio.open_connection(sock=await way.open(host, 7))

        async def send() -> None:
            writer.write(data)
            await writer.drain()
            writer.write_eof()

        _, got = await asyncio.gather(send(), reader.read())
        assert got == data
        writer.close()

    through(rng, tmp_path, use)


def test_what_breaks_off_does_not_look_like_an_end(rng: random.Random, tmp_path: Path) -> None:
    async def use(way: Way) -> None:
        reader, writer = await asyncio.open_connection(sock=await way.open("10.7.0.1", 8))
        assert await reader.readexactly(14) == b"half of a stor"
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    through(rng, tmp_path, use)


def test_failures(rng: random.Random, tmp_path: Path) -> None:
    async def use(way: Way) -> None:
        with pytest.raises(ConnectionRefusedError, match=r"\(wg:.*client.conf -> 10.7.0.1:9\)"):
            await way.open("10.7.0.1", 9)
        with pytest.raises(OSError) as caught:
            await way.open("nowhere.test", 7)
        assert caught.value.errno == errno.EHOSTUNREACH
        with pytest.raises(OSError) as caught:
            await way.open("192.0.2.1", 7)
        assert caught.value.errno == errno.ENETUNREACH, "no peer has that network"

    through(rng, tmp_path, use)


def test_without_servers_there_are_no_names(rng: random.Random, tmp_path: Path) -> None:
    async def use(way: Way) -> None:
        with pytest.raises(OSError, match="has no DNS = line") as caught:
            await way.open("far.test", 7)
        assert caught.value.errno == errno.EHOSTUNREACH

    through(rng, tmp_path, use, names=False)


def test_datagrams(rng: random.Random, tmp_path: Path) -> None:
    async def use(way: Way) -> None:
        came: asyncio.Queue[tuple[bytes, str, int]] = asyncio.Queue()
        path = await way.datagrams(lambda *each: came.put_nowait(each), lambda error: None)
        for host in ("10.7.0.1", "far.test"):
            path.send(b"hello", host, 7)
            assert await came.get() == (b"HELLO", "10.7.0.1", 7)
        path.close()

    through(rng, tmp_path, use)


def test_it_comes_first_in_a_chain(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write it first in a chain"):
        make(parse(f"socks5://127.0.0.1,wg:{tmp_path}/client.conf"))


def test_a_file_that_has_changed_is_gone_by(rng: random.Random, tmp_path: Path) -> None:
    file = tmp_path / "client.conf"
    other = key_text(public_key(clamp(rng.randbytes(32))))

    async def use(way: Way) -> None:
        text = file.read_text()

        async def changed(text: str) -> str:
            file.write_text(text)
            return await way.reread()

        assert await way.reread() == ""
        reader, writer = await asyncio.open_connection(sock=await way.open("10.7.0.1", 7))

        async def goes_on() -> None:
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"

        await goes_on()
        more = f"# other\n[Peer]\nPublicKey = {other}\nAllowedIPs = 10.9.0.0/24\nEndpoint = 127.0.0.1:9\n"
        assert await changed(text + more) == "+other"
        await goes_on()
        with pytest.raises(UsageError, match=r"client\.conf:7: "):
            await changed(text.replace("PublicKey = ", "PublicKey = x"))
        with pytest.raises(MachineError, match=r"client\.conf:\d: Endpoint a{64}:1 cannot be found"):
            await changed(text.replace("Endpoint = 127.0.0.1:", f"Endpoint = {'a' * 64}:1\n#"))
        await goes_on()
        assert await changed(text.replace("DNS = 10.7.0.1", "")) == "-other, names are asked elsewhere"
        with pytest.raises(OSError, match="no DNS = line"):
            await way.open("far.test", 7)
        await goes_on()
        # Who has gone takes his streams along, and they do not seem to have come to their ends.
        assert (await changed(text.replace("10.7.0.0/24, ", ""))).startswith("~")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(OSError, match="unreachable"):
            await way.open("10.7.0.1", 7)
        assert (await changed(text)).startswith("~")
        reader, writer = await asyncio.open_connection(sock=await way.open("far.test", 7))
        await goes_on()
        assert await changed(text.replace("10.7.0.2/24", "10.7.0.2/28")) == "[Interface] has changed, so it begins anew"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        reader, writer = await asyncio.open_connection(sock=await way.open("10.7.0.1", 7))
        await goes_on()
        writer.close()

    through(rng, tmp_path, use)
