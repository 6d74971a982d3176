"""What becomes of one packet: a pure function of the plan and of the draws of its flow."""

from __future__ import annotations

from typing import Final, NamedTuple

from hythe.link.faults.flows import BIT, CORRUPT, DUPLICATE, JITTER, LOSS, MARK, REORDER, TURN, Flow
from hythe.link.faults.plan import DRAWS, Plan
from hythe.wire import ipv4
from hythe.wire.checksum import checksum

#: The two bits of the traffic class: Congestion Experienced, all ones (RFC 3168, 5).
_CE: Final = 3


class Fate(NamedTuple):
    """`wait`: ns on the wire; `late`: ns more, for being overtaken; `bit`: the one to flip, from the front, or None."""

    lost: bool
    wait: int
    late: int
    copies: int
    bit: int | None
    marked: bool


def decide(plan: Plan, flow: Flow, size: int) -> Fate:
    """The fate of the next packet of `flow`, which has `size` bytes."""
    loss = plan.loss
    if not plan.dices:
        flow.ordinal += 1
        return Fate(loss is not None and loss.loses(flow, 0, 0), plan.delay, 0, 1, None, False)
    draws = flow.draw()
    return Fate(
        loss is not None and loss.loses(flow, draws[TURN], draws[LOSS]),
        plan.delay + plan.jitter * draws[JITTER] // DRAWS,
        plan.reorder_by if draws[REORDER] < plan.reorder * DRAWS else 0,
        2 if draws[DUPLICATE] < plan.duplicate * DRAWS else 1,
        size * 8 * draws[BIT] // DRAWS if draws[CORRUPT] < plan.corrupt * DRAWS else None,
        draws[MARK] < plan.mark * DRAWS,
    )


def flip(packet: bytes, bit: int) -> bytes:
    """The packet with one bit changed."""
    changed = bytearray(packet)
    changed[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(changed)


def mark(packet: bytes) -> bytes | None:
    """The packet with Congestion Experienced set, or None when its sender does not understand that (Not-ECT)."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= ipv4.HEADER_SIZE and packet[1] & _CE:
        changed = bytearray(packet)
        changed[1] |= _CE
        changed[10:12] = bytes(2)
        changed[10:12] = checksum(changed[: (packet[0] & 15) * 4]).to_bytes(2, "big")
        return bytes(changed)
    if version == 6 and len(packet) > 1 and packet[1] >> 4 & _CE:
        return packet[:1] + bytes((packet[1] | _CE << 4,)) + packet[2:]
    return None
