"""A matrix with the Linux kernel: on TUN and TAP, hythe connecting and listening, IPv4 and IPv6, whatever goes wrong.

This folder mirrors no part of the source: its subject is all of them together, with a peer that is not ours. In each cell
both ends send at the same time, each end closes its direction behind its last byte, and every byte must be equal. Corrupt
packets reach either stack and must be found by their checksums. No stall may be longer than the rules for the
retransmission time-out allow (`tests.matrix.silence` says how that is reckoned); where nothing goes wrong nobody may wait
for a time-out at all.

*Super-segments on*: the kernel may give us packets with partial checksums and super-segments, and takes ours. Faults happen
to each packet that one stands for, and what leaves the faulty wire together is whole again. *Off*: the kernel is allowed no
offload (TUNSETOFFLOAD 0), so it cuts and sums itself, and everything of ours is cut and summed before the device.

`make test` plays cells in which every pair of values meets, `make test-all` every cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.matrix.cells import Cell, every, pairwise
from tests.matrix.lanes import play


def judge(cells: Sequence[Cell], seed: int, lanes: int) -> None:
    """Play the cells. What stalled has a second chance, nearly alone: real time on a busy machine is nobody's bug."""
    outcomes = play(cells, seed, lanes=lanes)
    slowest = max(outcomes, key=lambda each: each.seconds)
    closest = max(outcomes, key=lambda each: each.closest)
    print(f"{len(outcomes)} cells; the slowest took {slowest.seconds:.1f} s: {slowest.cell}")
    print(f"silent for {closest.closest:.0%} of what is allowed: {closest.cell}")
    stalled = [each for each in outcomes if each.stalled]
    for each in stalled:
        print(f"played again: {each.cell}: {each.wrong}")
    last = [each for each in outcomes if not each.stalled] + play([each.cell for each in stalled], seed, lanes=2)
    wrong = [f"{each.cell}: {each.wrong}" for each in last if each.wrong]
    assert not wrong, f"{len(wrong)} of {len(outcomes)} cells\n" + "\n".join(wrong[:20])


def test_all_pairs(seed: int) -> None:
    judge(pairwise(seed), seed, 64)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_cell(seed: int) -> None:
    judge(sorted(every(), key=lambda cell: -cell.loss), seed, 24)  # what may take long comes first
