"""Configurations that know each other, and transfers that are checked."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import random
from dataclasses import replace

import hythe
from hythe.tunnel.wireguard.config import Configuration, Endpoint, PeerConfig
from hythe.tunnel.wireguard.keys import Secret, clamp, public_key


def server_and_clients(rng: random.Random, count: int = 1, mtu: int = 1_420) -> tuple[Configuration, list[Configuration]]:
    """A server at 10.7.0.1 and fd07::1 on loopback, and its clients at .2 and so on."""
    keys = [clamp(rng.randbytes(32)) for _ in range(count + 1)]
    shared = Secret(rng.randbytes(32))
    peers = tuple(
        PeerConfig(public_key(key), (_net(f"10.7.0.{number}/32"), _net(f"fd07::{number}/128")), None, shared)
        for number, key in enumerate(keys[1:], 2)
    )
    everything = (_net("0.0.0.0/0"), _net("::/0"))
    clients = [
        Configuration(key, (PeerConfig(public_key(keys[0]), everything, None, shared),), _own(number), mtu=mtu)
        for number, key in enumerate(keys[1:], 2)
    ]
    return Configuration(keys[0], peers, _own(1), mtu=mtu), clients


def _net(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def _own(number: int) -> tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...]:
    return ipaddress.ip_interface(f"10.7.0.{number}/24"), ipaddress.ip_interface(f"fd07::{number}/64")


def towards(configuration: Configuration, host: str, port: int) -> Configuration:
    """The configuration with the endpoint of its first peer."""
    first, *rest = configuration.peers
    return replace(configuration, peers=(replace(first, endpoint=Endpoint(host, port)), *rest))


def addresses(configuration: Configuration) -> list[str]:
    """What a host is given."""
    return [str(each) for each in configuration.addresses]


async def exchange(rng: random.Random, host: hythe.Host, target: str, port: int, size: int) -> None:
    """Send `size` random bytes to an echoing server; its answer is what it has received, and their SHA-256."""
    reader, writer = await host.open_connection(target, port)
    block = rng.randbytes(1 << 16)
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def send() -> None:
        left = size
        while left:
            some = block[:left]
            sent.update(some)
            writer.write(some)
            await writer.drain()
            left -= len(some)
        writer.write_eof()

    async def receive() -> int:
        count = 0
        while data := await reader.read(1 << 18):
            received.update(data)
            count += len(data)
        return count

    async with asyncio.timeout(100):
        _, count = await asyncio.gather(send(), receive())
    assert (count, received.digest()) == (size, sent.digest())
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()
    writer.close()
