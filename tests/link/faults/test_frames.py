"""The faulty wire under Ethernet: what frames carry meets faults, their headers travel along."""

from __future__ import annotations

import asyncio

import pytest

import hythe
from hythe.link.base import DelayingLink
from hythe.link.faults import FaultFrameLink, FaultLink, NthLoss, Plan, RandomLoss
from hythe.link.frames import DelayingFrameLink, FrameLink
from hythe.link.hub import Hub, HubPort
from hythe.units import MILLISECOND, NEVER
from hythe.wire import arp, ethernet
from hythe.wire.packet import PARTIAL, VNET_PLAIN
from hythe.wire.segment import ACK, Envelope4
from tests.link.faults.wires import FAR, NEAR, answer, datagram, number

A, B = bytes.fromhex("0200000000a1"), bytes.fromhex("0200000000b2")
UP, DOWN = ethernet.build(B, A, ethernet.IPV4), ethernet.build(A, B, ethernet.IPV4)
QUESTION = VNET_PLAIN + arp.probe(A, NEAR)
ASKING = ethernet.build(ethernet.BROADCAST, A, ethernet.ARP)
PAYLOAD = bytes(range(250)) * 20
SUPER = Envelope4(NEAR, FAR, 40_000, 80).head(1, 1, ACK, 500, len(PAYLOAD), 1_000)


def wire(up: Plan | None = None, down: Plan | None = None) -> tuple[FaultFrameLink, HubPort]:
    hub = Hub(poison=True)
    return FaultFrameLink(hub.port(), up, down, seed=1), hub.port()


def test_super_segments_and_their_pieces_have_the_header() -> None:
    link, far = wire()
    assert isinstance(link, FrameLink)
    assert isinstance(link, DelayingFrameLink)
    assert (link.mtu, link.next_deadline()) == (1_500, NEVER)
    link.send_frame(0, UP, SUPER, (memoryview(PAYLOAD),))
    far.send_frame(0, DOWN, SUPER, (PAYLOAD,))
    for frames, header in ((far.receive(0, 100), UP), (link.receive(0, 100), DOWN)):
        found = [(bytes(each.header), each.length, each.gso_size, each.checksum) for each in frames]
        assert found == [(header, 5_040, 1_000, PARTIAL)]
    link, far = wire(Plan(loss=NthLoss(frozenset({2}))))
    link.send_frame(0, UP, SUPER, (memoryview(PAYLOAD),))
    frames = far.receive(0, 100)
    found = [(bytes(each.header), each.length, each.gso_size, each.checksum) for each in frames]
    assert found == [(UP, 1_040, 0, PARTIAL), (UP, 3_040, 1_000, PARTIAL)]
    assert b"".join(each.keep()[40:] for each in frames) == PAYLOAD[:1_000] + PAYLOAD[2_000:]


def test_each_at_its_time_with_its_own_header() -> None:
    link, far = wire(Plan(delay=MILLISECOND, reorder=0.5, reorder_by=MILLISECOND), Plan(delay=3 * MILLISECOND))
    deadlines: list[int] = []
    link.on_deadline = deadlines.append
    headers = [ethernet.build(B, bytes((2, 0, 0, 0, 0, each)), ethernet.IPV4) for each in range(20)]
    for each, header in enumerate(headers):
        link.send_frame(0, header, VNET_PLAIN + datagram(each))
    far.send_frame(0, DOWN, VNET_PLAIN + answer(7))
    assert (link.receive(0, 8), deadlines[-1]) == ([], MILLISECOND)
    link.release(2 * MILLISECOND)
    arrived = [(bytes(each.header), number(each.keep())) for each in far.receive(0, 100)]
    assert sorted(each for _, each in arrived) == list(range(20)) != [each for _, each in arrived]
    assert all(header == headers[each] for header, each in arrived)
    assert deadlines[-1] == 3 * MILLISECOND
    (received,) = link.receive(3 * MILLISECOND, 8)
    assert (bytes(received.header), number(received.keep())) == (DOWN, 7)


def test_arp_meets_faults_too() -> None:
    link, far = wire(Plan(loss=RandomLoss(1)))
    link.send_frame(0, ASKING, QUESTION)
    assert far.receive(0, 8) == []
    link.up.plan = Plan(delay=5, duplicate=1)
    link.send_frame(0, ASKING, QUESTION)
    link.release(5)
    assert [each.keep() for each in far.receive(5, 8)] == [arp.probe(A, NEAR)] * 2


def test_a_corrupt_frame_without_a_checksum_inside_is_the_devices_to_drop() -> None:
    """A flipped bit in ARP would be believed; on Ethernet the check sequence of the frame keeps it from anybody."""
    link, far = wire(Plan(corrupt=1))
    link.send_frame(0, ASKING, QUESTION)
    link.send_frame(0, UP, VNET_PLAIN + datagram(1))
    (spoilt,) = far.receive(0, 8)
    assert (spoilt.keep() != datagram(1), link.up.tally.corrupted) == (True, 2)


@pytest.mark.parametrize("version", [4, 6])
def test_stations_talk_over_a_bad_segment(version: int) -> None:
    plan = Plan(delay=MILLISECOND, loss=RandomLoss(0.1), reorder=0.05, duplicate=0.05, corrupt=0.02)
    data = bytes(range(251)) * 400
    there = "10.0.0.2" if version == 4 else "fd00::2"
    config = hythe.HostConfig(ethernet=hythe.EthernetConfig(dad_transmits=0, arp_probes=0, multicast_solicits=9))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(-1))
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        hub = Hub()
        faulty = FaultFrameLink(hub.port(), plan, plan, seed=version)
        async with (
            asyncio.timeout(30),
            hythe.Host("10.0.0.1/24", "fd00::1/64", link=faulty, config=config) as one,
            hythe.Host("10.0.0.2/24", "fd00::2/64", link=hub.port(), config=config) as other,
        ):
            await other.start_server(serve, port=7007)  # fates hang on the far port
            reader, writer = await one.open_connection(there, 7007)
            writer.write(data)
            writer.write_eof()
            assert await reader.read(-1) == data
            writer.close()
            await writer.wait_closed()
        assert faulty.up.tally.lost
        assert faulty.down.tally.lost

    asyncio.run(main(), debug=True)


def test_only_what_delays_is_driven_so() -> None:
    """A station without faults costs its driver no microsecond timer; a link without frames is no station's."""
    hub = Hub()
    plain = hythe.Host("10.0.0.1/24", link=hub.port())
    faulty = hythe.Host("10.0.0.2/24", link=FaultFrameLink(hub.port()))
    links = [host.core.interfaces[0].link for host in (plain, faulty)]
    assert [isinstance(each, DelayingLink) for each in links] == [False, True]
    assert not isinstance(FaultLink(hythe.pair()[0]), FrameLink)
