"""The choice of cells: small, complete, and the same for the same seed."""

from __future__ import annotations

import pytest

from hythe.link.faults import Plan
from tests.matrix.cells import AXES, Cell, all_pairs, every, pairs, pairwise


def test_the_whole_matrix() -> None:
    cells = every()
    assert len(set(cells)) == len(cells) == 4 * (5 + 4) * 4 * 2 * 2 * 2 * 2
    assert not [cell for cell in cells if cell.version == 6 and cell.mtu == 576]


@pytest.mark.parametrize("seed", range(5))
def test_every_pair_meets_in_few_cells(seed: int) -> None:
    chosen = pairwise(seed)
    assert chosen == pairwise(seed)
    assert set(chosen) <= set(every())
    assert set().union(*map(pairs, chosen)) == all_pairs()
    assert len(AXES["loss"]) * len(AXES["mtu"]) <= len(chosen) <= 28


def test_every_value_of_each_axis_is_in_the_pairs() -> None:
    values = {value for pair in all_pairs() for value in pair}
    assert values == {(name, value) for name, axis in AXES.items() for value in axis}


def test_a_cell_without_faults_plans_none() -> None:
    clean = Cell("tun", "connects", 4, 0.0, False, False, False, 1_500, True)
    assert not clean.faulty
    assert clean.plan == Plan(reorder_by=clean.plan.reorder_by)
    for name, value in (("loss", 0.2), ("reorder", True), ("duplicate", True), ("corrupt", True)):
        faulty = Cell(**{**clean._asdict(), name: value})
        assert faulty.faulty
        assert getattr(faulty.plan, name)
