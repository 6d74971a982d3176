"""Packets and one direction of a faulty wire for them, on virtual time."""

from __future__ import annotations

from hythe.link.faults import Direction, Plan
from hythe.units import NEVER
from hythe.wire import ipv4, udp
from hythe.wire.gro import Load
from hythe.wire.packet import ABSENT, VERIFIED

NEAR = bytes([10, 0, 0, 1])
FAR = bytes([198, 51, 100, 7])
NEAR6 = bytes.fromhex("20010db8000000000000000000000001")
FAR6 = bytes.fromhex("20010db8000000000000000000000007")


def datagram(number: int, size: int = 100, *, near_port: int = 40_000, far_port: int = 53, tos: int = 0) -> bytes:
    """UDP from NEAR to FAR; `size` is the packet's, its payload begins with `number`."""
    return udp.Envelope4(NEAR, FAR, near_port, far_port, 64, tos).packet(number.to_bytes(8, "big") + bytes(size - 36))


def answer(number: int, size: int = 100, *, far_port: int = 53) -> bytes:
    """UDP from FAR to NEAR."""
    return udp.Envelope4(FAR, NEAR, far_port, 40_000).packet(number.to_bytes(8, "big") + bytes(size - 36))


def datagram6(number: int, size: int = 100, tos: int = 0) -> bytes:
    """The same over IPv6."""
    return udp.Envelope6(NEAR6, FAR6, 40_000, 53, 64, tos).packet(number.to_bytes(8, "big") + bytes(size - 56))


def fragment(number: int, offset: int) -> bytes:
    """A piece of a UDP datagram from NEAR to FAR, not its last."""
    return ipv4.build(NEAR, FAR, 17, 8, dont_fragment=False, more_fragments=True, fragment_offset=offset) + number.to_bytes(
        8, "big"
    )


def number(packet: bytes) -> int:
    """Which one it is."""
    at = 28 if packet[0] >> 4 == 4 else 48
    return int.from_bytes(packet[at : at + 8], "big")


def take(way: Direction, now: int, limit: int = 1 << 30) -> list[tuple[bytes, int]]:
    """What comes out by `now`, each as a packet of a wire, with the state of its checksum."""
    found = []
    for run in way.take(now, limit):
        state = VERIFIED if run.load.state else ABSENT
        found += [(run.load.piece(index), state) for index in range(run.first, run.stop)]
    return found


def drain(way: Direction) -> list[tuple[int, bytes]]:
    """Everything that comes out, each with its time (ns)."""
    found: list[tuple[int, bytes]] = []
    while (now := way.next_deadline()) != NEVER:
        found += [(now, packet) for packet, _ in take(way, now)]
    return found


def passed(plan: Plan, packets: list[bytes], seed: int = 1, *, every: int = 0, up: bool = True) -> list[tuple[int, bytes]]:
    """What becomes of `packets`, one each `every` ns from time 0 on."""
    way = Direction(plan, seed, up=up)
    found: list[tuple[int, bytes]] = []
    for index, packet in enumerate(packets):
        now = index * every
        while way.next_deadline() <= now:
            at = way.next_deadline()
            found += [(at, each) for each, _ in take(way, at)]
        way.submit(Load(packet), now)
    return found + drain(way)


def numbers(plan: Plan, packets: list[bytes], seed: int = 1, *, every: int = 0, up: bool = True) -> list[int]:
    """The same, as numbers in their order."""
    return [number(packet) for _, packet in passed(plan, packets, seed, every=every, up=up)]
