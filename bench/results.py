"""The figures of one run: samples a round, medians, ratios between contenders, spread; kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "results"


def row_name(workload: str, mtu: int | None) -> str:
    """Return the name of a row: workloads that are measured at each MTU carry it."""
    return workload if mtu is None else f"{workload}, MTU {mtu}"


class Results:
    """Samples by row and contender, one for each round; None where it failed."""

    def __init__(self) -> None:
        """Begin empty."""
        self.samples: dict[str, dict[str, list[float | None]]] = {}
        self.units: dict[str, str] = {}
        self.notes: list[str] = []
        self.started = time.time()

    def add(self, row: str, contender: str, value: float | None, unit: str) -> None:
        """Note one sample."""
        self.units[row] = unit
        self.samples.setdefault(row, {}).setdefault(contender, []).append(value)

    def values(self, row: str, contender: str) -> list[float]:
        """Return the samples that succeeded."""
        return [each for each in self.samples.get(row, {}).get(contender, []) if each is not None]

    def failures(self, row: str, contender: str) -> int:
        """Return how often it failed."""
        return self.samples.get(row, {}).get(contender, []).count(None)

    def median(self, row: str, contender: str) -> float | None:
        """Return the median over rounds, or None."""
        values = self.values(row, contender)
        return statistics.median(values) if values else None

    def spread(self, row: str, contender: str) -> float | None:
        """Return (largest - smallest) / median, or None where there are not two samples."""
        values = self.values(row, contender)
        return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 and any(values) else None

    def ratio(self, row: str, contender: str, to: str) -> float | None:
        """Return the median of the ratios round by round: what slows a whole round down cancels out."""
        ours, theirs = (self.samples.get(row, {}).get(each, []) for each in (contender, to))
        ratios = [a / b for a, b in zip(ours, theirs, strict=False) if a is not None and b]
        return statistics.median(ratios) if ratios else None

    def noise(self) -> float | None:
        """Return the median spread of the kernel's rows: how much this machine differs from itself."""
        spreads = [each for each in (self.spread(row, "kernel") for row in self.samples) if each is not None]
        return statistics.median(spreads) if spreads else None

    def save(self) -> Path:
        """Write everything to bench/results and return the file."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / time.strftime("%Y-%m-%dT%H%M%S.json", time.localtime(self.started))
        document = {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.started)),
            "seconds": round(time.time() - self.started, 1),
            "machine": machine(),
            "units": self.units,
            "medians": {row: {each: self.median(row, each) for each in by} for row, by in self.samples.items()},
            "samples": self.samples,
            "notes": self.notes,
        }
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        return path


def machine() -> dict[str, str | int]:
    """Return what a reader needs to know of the machine, and nothing that names it."""
    congestion_control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "congestion_control": congestion_control,
        "user": "root" if os.geteuid() == 0 else "ordinary",
    }
