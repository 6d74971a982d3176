"""Blind attackers: who sees nothing of a connection but knows its four numbers never breaks it (RFC 5961; RFC 5927).

What no TCP survives is left out: a RST at exactly rcv_nxt, text with both numbers in place. All else is tried, from anywhere
in the 32 bits and from within the windows, in virtual time, while the connection goes on talking.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from hythe.tcp.states import State
from hythe.units import MICROSECOND, SECOND
from hythe.wire import icmp, ipv4
from hythe.wire.segment import ACK, FIN, PSH, RST, SYN
from tests.tcp.harness import OUR_PORT, OURS, PEER_PORT, PEERS, Peer

WINDOW = 65_535
#: Makes the attacker's next packet: (what it aims at, dice).
Attack = Callable[[Peer, Random], bytes]


def number(rng: Random, near: int, but: tuple[int, int]) -> int:
    """A sequence number of 32 bits, half of them within a window of `near`, none in [but)."""
    while True:
        value = rng.getrandbits(32) if rng.random() < 0.5 else near + rng.randrange(-WINDOW, 2 * WINDOW)
        distance = (value - but[0]) & 0xFFFFFFFF
        if distance >= but[1] - but[0]:
            return value & 0xFFFFFFFF


def segment(peer: Peer, flags: int, seq: int, ack: int, data: bytes = b"") -> bytes:
    head = peer._head(seq, ack, flags, WINDOW, len(data), 0, b"")
    return bytes(head[10:] + data)


def resets(peer: Peer, rng: Random) -> bytes:
    tcb = peer.connection
    seq = number(rng, tcb.rcv_nxt, (tcb.rcv_nxt, tcb.rcv_nxt + 1))
    return segment(peer, RST | rng.choice([0, ACK]), seq, rng.getrandbits(32))


def synchronizes(peer: Peer, rng: Random) -> bytes:
    tcb = peer.connection
    return segment(peer, SYN | rng.choice([0, ACK]), number(rng, tcb.rcv_nxt, (0, 0)), rng.getrandbits(32))


def speaks(peer: Peer, rng: Random) -> bytes:
    """Text and FIN anywhere in the window, with acknowledgments that are none."""
    tcb = peer.connection
    seq = number(rng, tcb.rcv_nxt, (0, 0))
    ack = number(rng, tcb.snd_una, (tcb.snd_una - WINDOW - 1, tcb.snd_nxt + 1))
    return segment(peer, rng.choice([ACK, ACK | PSH, ACK | FIN]), seq, ack, rng.randbytes(rng.randrange(100)))


def reports(peer: Peer, rng: Random) -> bytes:
    """ICMP errors of every kind that quote a number which is not outstanding, a small path MTU among them."""
    tcb = peer.connection
    quoted = number(rng, tcb.snd_una, (tcb.snd_una, tcb.snd_nxt))
    ports = OUR_PORT.to_bytes(2, "big") + PEER_PORT.to_bytes(2, "big")
    original = ipv4.build(OURS, PEERS, 6, 20) + ports + quoted.to_bytes(4, "big") + bytes(12)
    kind, code = rng.choice([(3, code) for code in range(16)] + [(11, 0), (11, 1), (12, 0), (4, 0)])
    return icmp.error_packet(PEERS, OURS, kind, code, original, mtu=rng.choice([0, 68, 576, 1_000]))


ATTACKS: list[Attack] = [resets, synchronizes, speaks, reports]


def besiege(attacks: list[Attack], tries: int, rng: Random) -> None:
    peer = Peer().accepted()
    said, heard = 0, bytearray()
    mss = peer.connection.snd_mss
    answers = 0
    for index in range(tries):
        packet = rng.choice(attacks)(peer, rng)
        peer.host.receive(peer._ring.fill(packet, 0, 1), peer.now, peer.interface)
        peer.turn()
        peer.now += 200 * MICROSECOND
        if index % 200 == 0:
            peer.tick(0)
            answers += len(peer.sent())
            talk(peer, index, heard)
            said += 1
    assert peer.state is State.ESTABLISHED
    assert bytes(peer.received) == bytes(heard)
    assert (peer.connection.snd_mss, peer.connection.pending_error, peer.connection.error) == (mss, 0, 0)
    assert peer.connection.recvq.islands is None
    assert said == -(-tries // 200)
    # Challenges: two a second at most; out-of-window text is answered each time, so that an honest peer learns where we are.
    if speaks not in attacks:
        assert answers <= 2 * (tries * 200 * MICROSECOND // SECOND + 1) + 1


def talk(peer: Peer, index: int, heard: bytearray) -> None:
    """The true peer and we exchange a line."""
    line = b"line %d" % index
    peer.inject("P.", data=line)
    heard += line
    peer.write(line)
    peer.inject(".")
    assert peer.connection.snd_una == peer.connection.snd_nxt
    peer.sent()


@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_breaks_in(attack: Attack, rng: Random) -> None:
    besiege([attack], 2_000, rng)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_breaks_in_with_100_000_tries(attack: Attack, rng: Random) -> None:
    besiege([attack], 100_000, rng)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nobody_breaks_in_by_all_means_at_once(rng: Random) -> None:
    besiege(ATTACKS, 100_000, rng)


@pytest.mark.rfc("5927", "4.1")
def test_the_attacks_would_tell_if_they_hit(rng: Random) -> None:
    """The same packets with the numbers right do what they say: the tests above can fail."""
    peer = Peer().accepted()
    tcb = peer.connection
    packet = segment(peer, RST, tcb.rcv_nxt, 0)
    peer.host.receive(peer._ring.fill(packet, 0, 1), peer.now, peer.interface)
    peer.turn()
    assert peer.state is State.CLOSED
    peer = Peer().accepted()
    peer.write(3_000)
    tcb = peer.connection
    ports = OUR_PORT.to_bytes(2, "big") + PEER_PORT.to_bytes(2, "big")
    original = ipv4.build(OURS, PEERS, 6, 20) + ports + (tcb.snd_una & 0xFFFFFFFF).to_bytes(4, "big") + bytes(12)
    packet = icmp.error_packet(PEERS, OURS, 3, 4, original, mtu=1_000)
    before = tcb.snd_mss
    peer.host.receive(peer._ring.fill(packet, 0, 1), peer.now, peer.interface)
    assert tcb.snd_mss < before
