"""The demo where no namespace can be made: a web server and its client on two hythe hosts in this process."""

from __future__ import annotations

import asyncio
import ipaddress

import click

import hythe
from hythe.tcp.info import Info
from hythe.units import format_bytes, format_duration

_PORT = 8080


def exchange(page: str) -> int:
    """Serve `page` on one host, fetch it on the other, and print both ends of the connection. 0 when it arrived."""
    return asyncio.run(_exchange(page))


async def _exchange(page: str) -> int:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0].decode()
        click.echo(f"  the server says: {writer.get_extra_info('peername')[0]} {first}")
        body = page.encode()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    near, far = hythe.pair()
    async with hythe.Host("10.0.0.1/24", link=near) as client, hythe.Host("10.0.0.2/24", link=far) as server:
        await server.start_server(answer, port=_PORT)
        reader, writer = await client.open_connection("10.0.0.2", _PORT)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer_bytes = await reader.read()
        info = writer.get_extra_info("connection").info()
        writer.close()
    body = answer_bytes.partition(b"\r\n\r\n")[2].decode()
    click.echo(f"\nThe page:\n  {body}")
    click.echo(f"What happened, as hythe's stack saw it:\n  {_row(info)}\n")
    return 0 if body == page else 1


def _row(info: Info) -> str:
    return (
        f"tcp  {_endpoint(info.local)} -> {_endpoint(info.remote)}  {format_bytes(info.bytes_sent)} sent, "
        f"{format_bytes(info.bytes_received)} received, round trip {format_duration(info.rtt)}, "
        f"{info.retransmits} retransmissions, {info.state.label}"
    )


def _endpoint(end: tuple[bytes, int]) -> str:
    return f"{ipaddress.ip_address(end[0])}:{end[1]}"
