"""`hythe.host.pathmtu`, and what connections and endpoints make of it (RFC 1191, RFC 8201)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.packet import Packet as Scapy

from hythe.host import pathmtu
from hythe.host.pathmtu import FLOOR4, FLOOR6, LIMIT, PathMtus
from hythe.tcp.connection import Connection
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER, SECOND
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone, packed

HERE, THERE = packed(RIGHT4), packed("203.0.113.1")


class Fresh:
    """A table, its timers, and whom it has told."""

    def __init__(self) -> None:
        self.timers = TimerQueue()
        self.told: list[bytes] = []
        self.paths = PathMtus(600 * SECOND, self.timers, self.told.append)


def test_what_is_learned_is_believed_and_forgotten() -> None:
    fresh = Fresh()
    paths = fresh.paths
    assert paths.learn(HERE, 1400, 1500, now=0)
    assert paths.learn(THERE, 1300, 1500, now=10 * SECOND)
    assert (paths.get(HERE, 1500), paths.get(THERE, 1500), paths.get(packed(LEFT4), 1500)) == (1400, 1300, 1500)
    assert paths.get(HERE, 1000) == 1000
    assert fresh.timers.next_deadline() == 600 * SECOND
    fresh.timers.fire(600 * SECOND)
    assert (paths.get(HERE, 1500), paths.get(THERE, 1500)) == (1500, 1300)
    fresh.timers.fire(fresh.timers.next_deadline())
    assert fresh.told == [HERE, THERE, HERE, THERE]
    assert (len(paths), paths.deadline) == (0, NEVER)


def test_a_larger_or_an_equal_mtu_is_no_news() -> None:
    fresh = Fresh()
    assert fresh.paths.learn(HERE, 1400, 1500, now=0)
    assert not fresh.paths.learn(HERE, 1400, 1500, now=0)
    assert not fresh.paths.learn(HERE, 1450, 1500, now=0)
    assert not fresh.paths.learn(THERE, 1500, 1500, now=0)
    assert fresh.told == [HERE]


def test_a_smaller_one_is_believed_anew() -> None:
    fresh = Fresh()
    fresh.paths.learn(HERE, 1400, 1500, now=0)
    assert fresh.paths.learn(HERE, 1300, 1500, now=500 * SECOND)
    fresh.timers.fire(600 * SECOND)
    assert fresh.paths.get(HERE, 1500) == 1300


@pytest.mark.parametrize(("destination", "floor"), [(HERE, FLOOR4), (packed(RIGHT6), FLOOR6)])
def test_there_is_a_floor(destination: bytes, floor: int) -> None:
    fresh = Fresh()
    assert fresh.paths.learn(destination, 68, 1500, now=0)
    assert fresh.paths.get(destination, 1500) == floor
    assert not fresh.paths.learn(destination, 1, 1500, now=0)


def test_a_router_that_does_not_tell_leaves_the_plateaus() -> None:
    """RFC 1191, 7.1."""
    fresh = Fresh()
    seen = []
    while fresh.paths.learn(HERE, 0, 65_535, now=0):
        seen.append(fresh.paths.get(HERE, 65_535))
    assert seen == [*pathmtu.PLATEAUS[1:], FLOOR4]


def test_the_table_is_bounded() -> None:
    fresh = Fresh()
    for number in range(LIMIT + 10):
        fresh.paths.learn(number.to_bytes(4, "big"), 1400, 1500, now=number)
    assert len(fresh.paths) == LIMIT
    assert fresh.paths.get((9).to_bytes(4, "big"), 1500) == 1500
    assert fresh.paths.get((10).to_bytes(4, "big"), 1500) == 1400


# --- A host that is told


def established(lone: Lone, version: int) -> tuple[Connection, list[Scapy]]:
    """A connection with its initial window outstanding, and those segments."""
    us, them = (RIGHT4, LEFT4) if version == 4 else (RIGHT6, LEFT6)
    ip = IP if version == 4 else IPv6
    connection = lone.host.connect(packed(us), 80, lone.now)
    (syn,) = lone.run()
    mss = 1460 if version == 4 else 1440
    lone.send(
        ip(src=us, dst=them)
        / TCP(
            sport=80, dport=syn[TCP].sport, flags="SA", seq=1000, ack=syn[TCP].seq + 1, window=65000, options=[("MSS", mss)]
        )
    )
    connection.write(bytes(10 * mss))
    return connection, lone.run()


def too_big(segment: Scapy, mtu: int) -> Scapy:
    """What a router says of it."""
    if IP in segment:
        return IP(src="192.0.2.254", dst=LEFT4) / ICMP(type=3, code=4, nexthopmtu=mtu) / bytes(segment)[:28]
    return IPv6(src="2001:db8::fe", dst=LEFT6) / ICMPv6PacketTooBig(mtu=mtu) / bytes(segment)[:48]


@pytest.mark.parametrize(("version", "mtu"), [(4, 1400), (4, 600), (6, 1300)])
def test_what_was_too_big_is_resent_at_once_and_fits(version: int, mtu: int) -> None:
    lone = Lone()
    connection, sent = established(lone, version)
    assert {len(segment) for segment in sent} == {1500}
    resent = lone.send(too_big(sent[0], mtu))
    assert resent[0][TCP].seq == sent[0][TCP].seq
    assert len(resent[0]) <= mtu
    assert all(len(segment) <= mtu for segment in resent)
    assert connection.timeouts == 0
    assert connection.snd_mss == mtu - (40 if version == 4 else 60)


def test_the_mss_grows_again_when_the_report_is_old() -> None:
    lone = Lone(path_mtu_expires=10 * SECOND)
    connection, sent = established(lone, 4)
    lone.send(too_big(sent[0], 1000))
    assert connection.snd_mss == 960
    lone.run(after=11 * SECOND)
    assert connection.snd_mss == 1460


def test_a_new_connection_knows_the_path() -> None:
    lone = Lone()
    _, sent = established(lone, 4)
    lone.send(too_big(sent[0], 1000))
    second = lone.host.connect(packed(RIGHT4), 81, lone.now)
    (*_, syn) = lone.run()
    assert dict(syn[TCP].options)["MSS"] == 1460  # what we can receive is the link's matter (RFC 1191, 3.1)
    lone.send(
        IP(src=RIGHT4, dst=LEFT4)
        / TCP(sport=81, dport=syn[TCP].sport, flags="SA", seq=1, ack=syn[TCP].seq + 1, options=[("MSS", 1460)])
    )
    assert second.snd_mss == 960


def test_a_report_about_what_was_never_sent_is_not_believed() -> None:
    """RFC 5927, 7."""
    lone = Lone()
    connection, sent = established(lone, 4)
    for change in (1 << 20, -1 << 20):
        forged = sent[0].copy()
        forged[TCP].seq = (forged[TCP].seq + change) & 0xFFFFFFFF
        assert lone.send(too_big(forged, 600)) == []
    assert (connection.snd_mss, len(lone.host.paths)) == (1460, 0)


@pytest.mark.parametrize("version", [4, 6])
def test_datagrams_are_cut_to_the_path(version: int) -> None:
    lone = Lone()
    us = RIGHT4 if version == 4 else RIGHT6
    end = lone.host.bind(None, 5000, (packed(us), 9))
    end.send(0, bytes(1400))
    (sent,) = lone.run()
    assert UDP in sent
    lone.send(too_big(sent, 1300))
    assert len(end.take_complaints()) == 1
    end.send(0, bytes(1400))
    assert [len(packet) <= 1300 for packet in lone.run()] == [True, True]
    lone.send(too_big(sent, 1300))
    assert end.take_complaints() == []  # known already
