"""The link: hosts that speak through a tunnel over loopback."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest

import hythe
from hythe.config import WireguardConfig
from hythe.errors import MachineError, UsageError
from hythe.link.base import DelayingLink
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.keys import Secret
from hythe.tunnel.wireguard.link import WireguardLink
from hythe.tunnel.wireguard.renewal import Renewal
from hythe.units import MILLISECOND, SECOND
from hythe.wire.packet import VNET_PLAIN
from tests.tunnel.wireguard.pairing import addresses, echo, exchange, server_and_clients, towards
from tests.tunnel.wireguard.world import packet

QUICK = WireguardConfig(rekey_timeout=200 * MILLISECOND, rekey_jitter=20 * MILLISECOND)


@contextmanager
def links(server: Configuration, clients: list[Configuration], outer: str = "127.0.0.1") -> Iterator[list[WireguardLink]]:
    with ExitStack() as stack:
        made = [WireguardLink(server, settings=QUICK, poison=True)]
        stack.callback(made[0].close)
        for each in clients:
            made.append(WireguardLink(towards(each, outer, made[0].port), settings=QUICK, poison=True))
            stack.callback(made[-1].close)
        yield made


@pytest.mark.parametrize(
    ("outer", "inner", "mtu"),
    [
        ("127.0.0.1", "10.7.0.1", 1_420),
        ("127.0.0.1", "fd07::1", 1_280),
        ("::1", "10.7.0.1", 1_280),
        ("::1", "fd07::1", 9_000),
    ],
)
def test_a_stream_each_way(rng: random.Random, outer: str, inner: str, mtu: int) -> None:
    server, (client,) = server_and_clients(rng, mtu=mtu)

    async def scenario(far: WireguardLink, near: WireguardLink) -> None:
        async with hythe.Host(*addresses(server), link=far) as there, hythe.Host(*addresses(client), link=near) as here:
            await there.start_server(echo, port=8007)
            await exchange(rng, here, inner, 8007, 3_000_000)
            for link in (far, near):
                counters = link.counters
                assert counters.handshakes == 1
                assert (counters.forged, counters.bad_packet, counters.bad_source, counters.replayed) == (0, 0, 0, 0)
                (report,) = link.peers(time.monotonic_ns())
                assert min(report.received, report.sent) > 3_000_000
                assert report.handshake is not None
                assert 0 <= report.handshake < 100 * SECOND
                assert report.preshared
                assert not report.trying

    with links(server, [client], outer) as (far, near):
        asyncio.run(scenario(far, near))


def test_several_peers(rng: random.Random) -> None:
    server, clients = server_and_clients(rng, 3)

    async def scenario(far: WireguardLink, nears: list[WireguardLink]) -> None:
        async with AsyncExitStack() as stack:
            there = await stack.enter_async_context(hythe.Host(*addresses(server), link=far))
            await there.start_server(echo, port=8007)
            here = [hythe.Host(*addresses(each), link=near) for each, near in zip(clients, nears, strict=True)]
            for each in here:
                await stack.enter_async_context(each)
            await asyncio.gather(*(exchange(rng, each, "10.7.0.1", 8007, 300_000) for each in here))
            assert far.counters.handshakes == 3
            assert {each.endpoint for each in far.peers(0)} == {f"127.0.0.1:{near.port}" for near in nears}

    with links(server, clients) as (far, *nears):
        asyncio.run(scenario(far, nears))


def turn(*made: WireguardLink) -> list[bytes]:
    """Let each receive for a while, until somebody has a packet."""
    for _ in range(200):
        for link in made:
            found = [each.keep() for each in link.receive(time.monotonic_ns(), 8)]
            if found:
                return found
        time.sleep(0.001)
    return []


def test_it_is_a_delaying_link(rng: random.Random) -> None:
    server, (client,) = server_and_clients(rng)
    with links(server, [client]) as (far, near):
        assert isinstance(far, DelayingLink)
        near.greet(time.monotonic_ns())
        assert turn(far, near) == []
        assert near.counters.handshakes == far.counters.handshakes == 1


def renew(link: WireguardLink, wanted: Configuration) -> None:
    """Have it go by that from now on."""
    renewal = Renewal.between(link.configuration, wanted)
    link.renew(renewal, link.locate(renewal.moved))


def test_peers_come_and_go_while_it_runs(rng: random.Random) -> None:
    server, (client,) = server_and_clients(rng)
    data = packet("10.7.0.2", "10.7.0.1")
    with links(replace(server, peers=()), [client]) as (far, near):
        near.send(time.monotonic_ns(), VNET_PLAIN + data)
        assert turn(far, near) == []
        assert far.counters.bad_handshake == 1
        renew(far, server)
        near.release(time.monotonic_ns() + SECOND)
        assert turn(far, near) == [data]
        with pytest.raises(UsageError, match="there is a peer"):
            far.renew(Renewal.between(replace(server, peers=()), server), {})
        with pytest.raises(UsageError, match="is no public key"):
            renew(far, replace(server, peers=(PeerConfig(bytes(32)),)))
        # It may be elsewhere, have other addresses, and be anything but another: its session goes on.
        changed = replace(server.peers[0], keepalive=25 * SECOND, name="laptop", allowed_ips=(ip_network("10.7.0.9/32"),))
        renew(far, replace(server, peers=(changed,)))
        near.send(time.monotonic_ns(), VNET_PLAIN + data)
        assert turn(far, near) == []
        assert far.counters.bad_source == 1
        moved = packet("10.7.0.9", "10.7.0.1")
        near.send(time.monotonic_ns(), VNET_PLAIN + moved)
        assert turn(far, near) == [moved]
        assert (far.counters.handshakes, far.peers(0)[0].keepalive) == (1, 25 * SECOND)
        shared = Secret(rng.randbytes(32))
        renew(far, replace(server, peers=(replace(changed, preshared_key=shared),)))
        near.send(time.monotonic_ns(), VNET_PLAIN + moved)
        assert turn(far, near) == []
        renew(far, replace(server, peers=()))
        assert far.peers(0) == []
        near.send(time.monotonic_ns(), VNET_PLAIN + data)
        assert turn(far, near) == []
        assert far.counters.unknown_session == 2


def test_what_is_no_packet_does_not_hold_up_time_and_others(rng: random.Random) -> None:
    server, _ = server_and_clients(rng)
    with links(server, []) as (far,), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(300):
            sock.sendto(b"nothing", ("127.0.0.1", far.port))
        assert far.receive(time.monotonic_ns(), 8) == []
        assert far.counters.malformed == 256
        assert far.receive(time.monotonic_ns(), 8) == []
        assert far.counters.malformed == 300


def test_a_public_key_that_gives_no_secret_is_refused(rng: random.Random) -> None:
    server, _ = server_and_clients(rng)
    with pytest.raises(UsageError, match="is no public key"):
        WireguardLink(replace(server, peers=(PeerConfig(bytes(32)),)))


def test_a_port_in_use_is_said(rng: random.Random) -> None:
    server, _ = server_and_clients(rng)
    with (
        links(server, []) as (link,),
        pytest.raises(MachineError, match=r"^work\.conf:3: UDP port \d+ cannot be listened on \(Addr"),
    ):
        WireguardLink(replace(server, listen_port=link.port, listen_line=3, source="work.conf"))


@pytest.mark.parametrize("name", ["no-such-name.invalid", "a..b", "x" * 64])
def test_a_name_that_is_none_is_said(rng: random.Random, name: str) -> None:
    _, (client,) = server_and_clients(rng)
    wrong = towards(replace(client, source="work.conf"), name, 51_820)
    with pytest.raises(MachineError, match=rf"work\.conf.*: Endpoint {name}:51820 cannot be found \(.+\): check"):
        WireguardLink(wrong)


def test_a_name_is_looked_up_again_when_nobody_answers(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    server, (client,) = server_and_clients(rng)
    known = {"address": "127.0.0.3"}
    real = socket.getaddrinfo

    def moving(host: str, *rest: object) -> object:
        return real(known["address"] if host == "vpn.example" else host, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    far = WireguardLink(server, settings=QUICK)
    near = WireguardLink(towards(client, "vpn.example", far.port), settings=QUICK)
    try:
        far._outer._sock.close()
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", far.port))
        far._outer = type(far._outer)(sock=bound)
        known["address"] = "127.0.0.1"
        now = time.monotonic_ns()
        near.send(now, VNET_PLAIN + packet("10.7.0.2", "10.7.0.1"))
        found: list[bytes] = []
        for _ in range(8):
            now += 250 * MILLISECOND
            near.release(now)
            for thread in [each._thread for each in near._whereabouts.values() if each._thread is not None]:
                thread.join(10)
            found += [each.keep() for link in (far, near, far) for each in link.receive(now, 8)]
        assert found == [packet("10.7.0.2", "10.7.0.1")]
    finally:
        near.close()
        far.close()


def test_a_machine_that_slept_makes_new_keys_at_once(rng: random.Random) -> None:
    server, (client,) = server_and_clients(rng)
    slept = [0]
    far = WireguardLink(server, settings=replace(QUICK, initiation_interval=0))
    near = WireguardLink(towards(client, "127.0.0.1", far.port), asleep=lambda: slept[0])
    data = VNET_PLAIN + packet("10.7.0.2", "10.7.0.1")
    try:
        near.send(time.monotonic_ns(), data)
        assert turn(far, near)
        slept[0] = 3_600 * SECOND
        near.send(time.monotonic_ns(), data)
        assert near.counters.initiations_sent == 2
        assert turn(far, near)
    finally:
        near.close()
        far.close()


def test_what_is_read_in_one_go_is_given_in_parts(rng: random.Random) -> None:
    """More packets than were asked for wait, and the link asks to be called again."""
    server, (client,) = server_and_clients(rng)
    with links(server, [client]) as (far, near):
        near.greet(time.monotonic_ns())
        turn(far, near)
        sent = [packet("10.7.0.2", "10.7.0.1", bytes([number]) * 100) for number in range(20)]
        near._device.send(near._device.route(sent[0]), sent, time.monotonic_ns() + near._offset)  # type: ignore[arg-type]
        near._depart()
        found: list[bytes] = []
        deadlines = set()
        while len(found) < 20:
            got = [each.keep() for each in far.receive(time.monotonic_ns(), 3)]
            assert 0 < len(got) <= 3
            deadlines.add(far.next_deadline() == 0)
            found += got
        assert found == sent
        assert True in deadlines
        assert far.next_deadline() > 0
