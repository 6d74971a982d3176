"""Each workload runs for a moment over the kernel's loopback, with the real server and client processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.contenders import Contender, ContenderError, Hythe, Place
from bench.service import Services
from bench.workloads import WORKLOADS, Workload, measure_memory, measure_start
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    started = Services()
    yield started
    started.close()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    started = Contender().place(None)
    yield started
    started.close()


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda each: each.name)
def test_a_workload_measures_something(workload: Workload, place: Place, services: Services) -> None:
    figures = workload.run(place, services.fresh(), 0.05)
    assert all(figure > 0 for figure in figures.values())
    assert ("round trip" in workload.name) == (" p99" in figures)


def test_short_connections_get_a_port_of_their_own_each_time(services: Services) -> None:
    assert services.fresh()["short"] != services.fresh()["short"]


def test_a_refused_connection_is_an_error_of_the_contender(place: Place, services: Services) -> None:
    nobody_listens = {**services.ports, "short": 1}
    with pytest.raises(ContenderError, match="refused"):
        place.ask("connections_in_turn", ports=nobody_listens, seconds=0.05)


def test_memory_is_read_with_the_idle_connections_open(services: Services) -> None:
    needs.tun()
    needs.userns()
    place = Hythe().place(Hythe.mtus[0])
    try:
        figures = measure_memory(place, services.ports)
    finally:
        place.close()
    assert figures["memory, idle"] > 1
    # Of hythe, not of the kernel: what a thousand of its sockets take in a client may fit into what the client has already.
    assert 1 < figures["memory a connection"] < 16


def test_the_start_is_timed_by_the_arrival(place: Place, services: Services) -> None:
    needs.program("bash")
    assert 0 < measure_start(Contender(), place, services) < 5_000
