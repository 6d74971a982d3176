"""What is measured: a table of workloads, each a function of a place that returns figures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.contenders import Contender, ContenderError, Place, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.service import Services

Figures = dict[str, float]
IDLE_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing that clients do. `run` returns {suffix: figure}; the empty suffix is the workload itself."""

    name: str
    unit: str
    run: Callable[[Place, Mapping[str, int], float], Figures]
    #: False where less is better.
    more_is_better: bool = True
    #: Whether it depends on the MTU enough to be measured at each.
    at_each_mtu: bool = False


def ask(do: str, **more: int) -> Callable[[Place, Mapping[str, int], float], Figures]:
    """Return a workload that the client does alone."""

    def run(place: Place, ports: Mapping[str, int], seconds: float) -> Figures:
        answer = place.ask(do, timeout=seconds + 8, ports=dict(ports), seconds=seconds, **more)
        figures = {"": float(answer["value"])}
        if "p99" in answer:
            figures[" p99"] = float(answer["p99"])
        return figures

    return run


WORKLOADS: tuple[Workload, ...] = (
    Workload("up, 1 flow", "Gbit/s", ask("up", flows=1), at_each_mtu=True),
    Workload("down, 1 flow", "Gbit/s", ask("down", flows=1), at_each_mtu=True),
    Workload("up, 8 flows", "Gbit/s", ask("up", flows=8), at_each_mtu=True),
    Workload("down, 8 flows", "Gbit/s", ask("down", flows=8), at_each_mtu=True),
    Workload("connections in turn", "/s", ask("connections_in_turn")),
    Workload("connections, 32 at once", "/s", ask("connections_at_once", width=32)),
    Workload("round trip", "µs", ask("round_trip"), more_is_better=False),
    Workload("udp round trip", "µs", ask("udp_round_trip"), more_is_better=False),
    Workload("udp up", "Gbit/s", ask("udp_up")),
    Workload("udp down", "Gbit/s", ask("udp_down")),
)


def measure_memory(place: Place, ports: Mapping[str, int]) -> Figures:
    """Return the gateway's resident memory (MB) before anything was done, and what an idle connection adds (KiB)."""
    time.sleep(0.2)
    before = place.memory()
    place.ask("idle_open", timeout=30, ports=dict(ports), count=IDLE_CONNECTIONS)
    time.sleep(0.3)
    after = place.memory()
    place.ask("idle_close")
    return {"memory, idle": before / 1e6, "memory a connection": (after - before) / IDLE_CONNECTIONS / 1024}


def measure_start(contender: Contender, place: Place, services: Services) -> float:
    """Return the milliseconds from the start of a contender until its command's first connection arrived."""
    started = 0.0
    process = None

    def start() -> None:
        nonlocal started, process
        started = time.monotonic()
        process = contender.first_connection(place, services.ports["arrival"])

    try:
        arrived = services.first_arrival(8.0, start)
    finally:
        if process is not None:
            finish(process)
    if arrived is None:
        raise ContenderError("no connection arrived within 8 s of the start")
    return (arrived - started) * 1e3
