"""The table of wires, and what each is to the fault link."""

from __future__ import annotations

import pytest

from hythe.units import MILLISECOND
from scoreboard.cells import CELLS, QUICK, Cell, find


def test_every_cell_has_a_name_of_its_own() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)


def test_the_quick_ones_are_among_them() -> None:
    assert {cell.name for cell in find(QUICK)} == set(QUICK)


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no cell '7ms'; there are 1ms-0%"):
        find(["7ms"])


def test_the_cells_cover_what_they_are_to() -> None:
    assert {cell.rtt for cell in CELLS} >= {1, 10, 50, 200}
    assert {cell.loss for cell in CELLS} >= {0, 0.1, 1, 5}
    assert {cell.flows for cell in CELLS} >= {1, 4, 16, 64}
    assert {cell.queue for cell in CELLS} == {"shallow", "BDP", "deep"}
    assert any(cell.reorder for cell in CELLS)


def test_data_wait_in_the_queue_and_acknowledgments_come_back_by_a_wire_like_it() -> None:
    data, acks = Cell(50, 1, queue="deep", reorder=2).plans()
    assert data.delay == acks.delay == 25 * MILLISECOND
    assert data.rate == acks.rate == 20_000_000
    assert data.loss == acks.loss is not None
    assert data.reorder_by == 12_500_000
    assert data.queue_bytes == 4 * 20_000_000 * 50 // 8_000


def test_chance_decides_where_losses_keep_a_flow_far_below_the_rate() -> None:
    chancy = {cell.name for cell in CELLS if cell.chancy and cell.loss}
    assert chancy == {"10ms-5%", "50ms-1%", "50ms-5%", "200ms-0.1%", "200ms-1%", "200ms-5%"}


def test_a_queue_takes_a_burst_however_short_the_wire() -> None:
    assert [Cell(1, queue=queue).room for queue in ("shallow", "BDP", "deep")] == [15_000, 30_000, 120_000]
