"""`hythe.host.dhcp` on a segment with a server that the test plays: RFC 2131's states, one by one."""

from __future__ import annotations

import dataclasses
import itertools

from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from hythe.host.dhcp import BOUND, CHECKING, INIT, REBINDING, RENEWING, REQUESTING, SELECTING, DhcpClient
from hythe.units import NEVER, SECOND
from hythe.wire import dhcp, ethernet, udp
from tests.host.hosts import packed
from tests.host.stations import OURS, World, quick

SERVER, MINE, ROUTER, ANYBODY = map(packed, ("192.0.2.1", "192.0.2.50", "192.0.2.9", "255.255.255.255"))
HOUR = 3600 * SECOND


class Play:
    """A client, and the server's side of the story. The server answers ARP for itself."""

    def __init__(self, **config: int) -> None:
        self.world = World()
        self.side = self.world.add(lease=True, ethernet=quick(dhcp_delay=0, **config))
        self.seen: list[Ether] = []
        self.wait(0)

    @property
    def client(self) -> DhcpClient:
        assert self.side.station.dhcp is not None
        return self.side.station.dhcp

    def wait(self, time: int) -> list[dhcp.Message]:
        """What the client sends to servers meanwhile, the server being there to answer ARP once a second."""
        step = max(SECOND, time // 4_000)
        found = self._read(self.world.run(time % step))
        for _ in range(time // step):
            found += self._read(self.world.run(step))
        return found

    def _read(self, frames: list[Ether]) -> list[dhcp.Message]:
        found = []
        for frame in frames:
            if ARP in frame and frame.pdst == "192.0.2.1" and frame.op == 1:
                answer = ARP(op=2, hwsrc=OURS.hex(":"), psrc=frame.pdst, hwdst=frame.src, pdst=frame.psrc)
                found += self._read(self.world.say(Ether(src=OURS.hex(":"), dst=frame.src) / answer))
            elif BOOTP in frame:
                self.seen.append(frame)
                data = bytes(frame[UDP].payload)
                found.append(dhcp.parse(data, len(data)))
        return found

    def answer(self, kind: int, to: dhcp.Message, lease: int = 3600, **changes: object) -> list[dhcp.Message]:
        """Unicast to the address that is not the client's yet, as servers do."""
        message = dhcp.Message(dhcp.BOOT_REPLY, to.transaction, self.side.mac, yours=MINE)
        message.options = {
            dhcp.MESSAGE_TYPE: bytes((kind,)),
            dhcp.SERVER: SERVER,
            dhcp.LEASE_TIME: lease.to_bytes(4, "big"),
            dhcp.SUBNET_MASK: packed("255.255.255.0"),
            dhcp.ROUTER: ROUTER,
            dhcp.NAME_SERVERS: SERVER + ROUTER,
            dhcp.INTERFACE_MTU: (1400).to_bytes(2, "big"),
        }
        message = dataclasses.replace(message, **changes)  # type: ignore[arg-type]
        packet = udp.Envelope4(SERVER, MINE, 67, 68).packet(dhcp.build(message))
        return self._read(self.world.say(ethernet.build(self.side.mac, OURS, ethernet.IPV4) + packet))

    def discover(self) -> dhcp.Message:
        data = bytes(self.seen[0][UDP].payload)
        return dhcp.parse(data, len(data))

    def bound(self, lease: int = 3600) -> dhcp.Message:
        """All the way; the REQUEST that led there."""
        (request,) = self.answer(dhcp.OFFER, self.discover())
        assert self.client.state == REQUESTING
        self.answer(dhcp.ACK, request, lease)
        assert self.client.state == BOUND
        return request


def test_discover_offer_request_ack_3_1() -> None:
    play = Play()
    (frame,) = play.seen
    assert (frame.dst, frame[IP].src, frame[IP].dst) == ("ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255")
    assert (frame[UDP].sport, frame[UDP].dport) == (68, 67)
    discover = play.discover()
    assert (discover.kind, discover.hardware, discover.broadcast) == (dhcp.DISCOVER, play.side.mac, False)
    assert not play.side.station.is_settled
    request = play.bound()
    assert (request.kind, request.client, request.transaction) == (dhcp.REQUEST, bytes(4), discover.transaction)
    assert request.address(dhcp.REQUESTED_ADDRESS) == MINE
    assert request.address(dhcp.SERVER) == SERVER
    assert play.side.addresses == ["192.0.2.50/24"]
    assert play.side.station.is_settled
    assert play.side.station.name_servers == [SERVER, ROUTER]
    assert play.side.station.link.mtu == 1400
    route = play.side.host.routes.find(packed("203.0.113.1"))
    assert route is not None
    assert route.gateway == ROUTER


def test_discover_is_repeated_ever_more_rarely_4_1() -> None:
    play = Play()
    play.wait(200 * SECOND)
    times = [round(frame[BOOTP].secs) for frame in play.seen]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len({frame[BOOTP].xid for frame in play.seen}) == 1
    for gap, expected in zip(gaps, (4, 8, 16, 32, 64, 64), strict=False):
        assert abs(gap - expected) <= 2
    assert len(gaps) >= 5


def test_a_server_that_goes_away_after_its_offer_is_forgotten() -> None:
    play = Play()
    (request,) = play.answer(dhcp.OFFER, play.discover())
    sent = play.wait(120 * SECOND)
    kinds = [message.kind for message in sent]
    assert kinds[0] == dhcp.REQUEST
    assert dhcp.DISCOVER in kinds
    assert sent[kinds.index(dhcp.DISCOVER)].transaction != request.transaction
    assert play.client.state == SELECTING


def test_the_address_is_probed_and_declined_when_taken_4_4_1() -> None:
    play = Play(arp_probes=3)
    (request,) = play.answer(dhcp.OFFER, play.discover())
    play.answer(dhcp.ACK, request)
    assert play.client.state == CHECKING
    rival = ARP(op=2, hwsrc=OURS.hex(":"), psrc="192.0.2.50", hwdst="02:00:00:00:00:01", pdst="0.0.0.0")
    (decline,) = play._read(play.world.say(Ether(src=OURS.hex(":"), dst="ff:ff:ff:ff:ff:ff") / rival))
    assert (decline.kind, decline.client) == (dhcp.DECLINE, bytes(4))
    assert decline.address(dhcp.REQUESTED_ADDRESS) == MINE
    assert decline.address(dhcp.SERVER) == SERVER
    assert play.wait(9 * SECOND) == []
    (again,) = play.wait(2 * SECOND)
    assert again.kind == dhcp.DISCOVER
    assert play.side.addresses == []


def test_an_address_that_is_lost_later_is_given_up_rfc_5227_2_4() -> None:
    play = Play()
    play.bound()
    attack = Ether(src=OURS.hex(":"), dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=OURS.hex(":"), psrc="192.0.2.50", pdst="192.0.2.50"
    )
    assert play._read(play.world.say(attack)) == []
    assert play.side.addresses == ["192.0.2.50/24"]
    (decline,) = play._read(play.world.say(attack))
    assert decline.kind == dhcp.DECLINE
    assert play.side.addresses == []
    assert play.side.host.routes.find(packed("203.0.113.1")) is None


def test_renewing_at_t1_asks_the_server_alone_4_4_5() -> None:
    play = Play()
    play.bound()
    assert play.wait(1799 * SECOND) == []
    (request,) = play.wait(2 * SECOND)
    assert play.client.state == RENEWING
    assert (request.kind, request.client) == (dhcp.REQUEST, MINE)
    assert dhcp.SERVER not in request.options
    assert dhcp.REQUESTED_ADDRESS not in request.options
    frame = play.seen[-1]
    assert (frame.dst, frame[IP].src, frame[IP].dst) == (OURS.hex(":"), "192.0.2.50", "192.0.2.1")
    play.answer(dhcp.ACK, request, 7200)
    assert play.client.state == BOUND
    lease = play.client.lease
    assert lease is not None
    assert lease.ends_at == (1800 + 7200) * SECOND  # from when it was asked for
    assert play.wait(3598 * SECOND) == []


def test_rebinding_at_t2_asks_all_then_the_lease_ends() -> None:
    play = Play()
    play.bound()
    renewing = play.wait(3149 * SECOND)
    # Half of what remains until T2 each time, a minute at least: 1800 (T1), 2475, 2812, 2981, 3065, 3125.
    assert len(renewing) == 6
    assert play.client.state == RENEWING
    play.seen.clear()
    rebinding = play.wait(450 * SECOND)
    assert play.client.state == REBINDING
    assert len(rebinding) >= 4
    assert {frame.dst for frame in play.seen} == {"ff:ff:ff:ff:ff:ff"}
    assert {frame[IP].src for frame in play.seen} == {"192.0.2.50"}
    assert play.side.addresses == ["192.0.2.50/24"]
    play.wait(2 * SECOND)
    assert play.side.addresses == []
    assert play.client.state == SELECTING


def test_another_server_may_answer_while_rebinding() -> None:
    play = Play()
    play.bound()
    request = play.wait(3155 * SECOND)[-1]
    assert play.client.state == REBINDING
    play.answer(dhcp.ACK, request)
    assert play.client.state == BOUND


def test_t1_and_t2_as_the_server_says() -> None:
    play = Play()
    (request,) = play.answer(dhcp.OFFER, play.discover())
    options = {
        53: b"\x05",
        54: SERVER,
        51: (100).to_bytes(4, "big"),
        58: (20).to_bytes(4, "big"),
        59: (30).to_bytes(4, "big"),
    }
    play.answer(dhcp.ACK, request, options=options)
    lease = play.client.lease
    assert lease is not None
    assert [at // SECOND for at in (lease.renew_at, lease.rebind_at, lease.ends_at)] == [20, 30, 100]
    assert str(lease.prefix) == "192.0.2.50/24"  # no mask: what its class has


def test_classless_routes_count_instead_of_routers_rfc_3442() -> None:
    play = Play()
    (request,) = play.answer(dhcp.OFFER, play.discover())
    routes = bytes((0, *ROUTER, 12, 172, 16, *SERVER, 32, *packed("198.51.100.7"), *bytes(4)))
    play.answer(dhcp.ACK, request, options={53: b"\x05", 54: SERVER, 51: b"\0\0\x0f\0", 3: SERVER, 121: routes})
    for destination, expected in (("203.0.113.1", ROUTER), ("172.31.0.1", SERVER), ("198.51.100.7", None)):
        route = play.side.host.routes.find(packed(destination))
        assert route is not None
        assert route.gateway == expected


def test_for_ever_is_for_ever() -> None:
    play = Play()
    play.bound(dhcp.INFINITE)
    assert play.client.deadline == NEVER
    assert play.wait(1000 * HOUR) == []


def test_nak_while_requesting_and_renewing_3_1_5() -> None:
    play = Play()
    (request,) = play.answer(dhcp.OFFER, play.discover())
    play.answer(dhcp.NAK, request)
    assert play.client.state == INIT
    (discover,) = play.wait(11 * SECOND)
    (request,) = play.answer(dhcp.OFFER, discover)
    play.answer(dhcp.ACK, request)
    assert play.client.state == BOUND
    request = play.wait(1801 * SECOND)[-1]
    play.answer(dhcp.NAK, request)
    assert play.client.state == INIT
    assert play.side.addresses == []
    assert play.side.host.routes.find(packed("203.0.113.1")) is None


def test_what_is_not_for_this_client_is_ignored() -> None:
    play = Play()
    discover = play.discover()
    assert play.answer(dhcp.OFFER, discover, transaction=discover.transaction ^ 1) == []
    assert play.answer(dhcp.OFFER, discover, hardware=OURS) == []
    assert play.answer(dhcp.OFFER, discover, operation=dhcp.BOOT_REQUEST) == []
    assert play.answer(dhcp.OFFER, discover, options={53: b"\x02"}) == []
    for address in ("0.0.0.0", "224.0.0.1", "127.0.0.1", "255.255.255.255"):
        assert play.answer(dhcp.OFFER, discover, yours=packed(address)) == []
    assert play.answer(dhcp.ACK, discover) == []
    assert play.client.state == SELECTING
    (request,) = play.answer(dhcp.OFFER, discover)
    play.answer(dhcp.ACK, request, yours=packed("192.0.2.51"))
    play.answer(dhcp.ACK, request, lease=0)
    before = play.side.station.link.dropped
    play.answer(dhcp.ACK, request, options={53: b"\x05", 54: SERVER, 51: b"abc"})
    assert play.side.station.link.dropped == before + 1
    assert play.client.state == REQUESTING


def test_closing_gives_the_address_back_4_4_6() -> None:
    play = Play()
    play.bound()
    play.wait(1801 * SECOND)  # it has asked for the server's MAC address by now
    play.side.station.close(play.world.now)
    (release,) = play.wait(0)
    assert (release.kind, release.client, release.address(dhcp.SERVER)) == (dhcp.RELEASE, MINE, SERVER)
    assert play.wait(HOUR) == []
