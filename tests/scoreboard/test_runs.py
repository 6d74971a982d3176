"""Runs of a second, on virtual time and with the kernel: what the wire allows arrives, and what it loses is counted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scoreboard import trial, virtual
from scoreboard.cells import Cell
from scoreboard.trial import Pairing
from tests import needs


class Brief(Cell):
    """A cell for a test."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        return 1.0


def test_a_virtual_run_fills_the_wire_and_repeats() -> None:
    clean = virtual.run(Brief(10), 1)
    assert 18 < clean.goodput < 20
    assert clean.wire["lost"] == 0
    assert virtual.run(Brief(10), 1).received == clean.received


def test_a_virtual_wire_loses_what_its_seed_says() -> None:
    first, second = (virtual.run(Brief(10, 5), seed) for seed in (1, 2))
    assert first.received != second.received
    assert first.resent > first.wire["lost"] // 2 > 0  # the last ones lost are not resent yet
    assert first.goodput < 15


def test_virtual_flows_share_the_wire() -> None:
    crowd = virtual.run(Brief(10, flows=4), 1)
    assert len(crowd.received) == 4
    assert min(crowd.received) > 0
    assert 18 < crowd.goodput < 20


@pytest.mark.parametrize("paced", [False, True], ids=["unpaced", "paced"])
@pytest.mark.parametrize("stacks", [("linux", "hythe"), ("hythe", "linux")], ids=" to ".join)
def test_both_stacks_fill_the_wire(stacks: tuple[str, str], paced: bool) -> None:
    needs.network()
    outcome = trial.run(Brief(10, flows=2), Pairing(*stacks), 1, paced=paced)
    assert len(outcome.received) == 2
    assert 10 < outcome.goodput < 20  # a machine that tests is a busy one
    assert outcome.wire["arrived"] > outcome.wire["passed"] * 0.9 > 0
    assert set(outcome.busy) == set(outcome.waited) == {"wire", "client", "server"}


def test_an_unknown_cell_is_one_sentence() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "scoreboard", "--cell", "9ms"], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("there is no cell '9ms'; there are 1ms-0% ")
    assert len(ran.stderr.splitlines()) == 1
