"""`python -m bench`: run the workloads on every contender, interleaved, and report.

One round runs each workload on every contender in turn before the next workload, so that what else the machine is
doing hits all of them alike. Contenders stay up for the whole run; one that fails is started anew for its next
workload. Everything is bounded in time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench import report
from bench.contenders import CONTENDERS, Contender, ContenderError, Place
from bench.results import Results, row_name
from bench.service import Services
from bench.workloads import WORKLOADS, Workload, measure_memory, measure_start

if TYPE_CHECKING:
    from collections.abc import Sequence

START_RUNS = 5
#: What has failed so often is not tried again: each time costs seconds that the others need.
FAILURES_MAX = 2


class Bench:
    """One run of the benchmark."""

    def __init__(self, contenders: Sequence[Contender], options: argparse.Namespace) -> None:
        """Prepare; nothing is started yet."""
        self._contenders = contenders
        self._seconds: float = 0.4 if options.quick else 1.0
        self._rounds: int = options.rounds or (1 if options.quick else 4)
        self._deadline = time.monotonic() + (85 if options.quick else 345)
        self._only: str | None = options.only
        self._places: dict[tuple[str, int | None], Place] = {}
        self.results = Results()

    def run(self) -> None:
        """Measure everything; end what was started whatever happens."""
        services = Services()
        try:
            self._measure_memory(services)
            for number in range(self._rounds):
                self._round(number, services)
            self._measure_starts(services)
        finally:
            for place in self._places.values():
                place.close()
            services.close()

    def _wanted(self, name: str) -> bool:
        return self._only is None or self._only in name

    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _place(self, contender: Contender, mtu: int | None) -> Place:
        key = contender.name, mtu
        if key not in self._places:
            self._places[key] = contender.place(mtu)
        return self._places[key]

    def _fail(self, contender: Contender, mtu: int | None, row: str, failure: ContenderError) -> None:
        """Note a failure, and start from a clean state next time."""
        self.results.notes.append(f"{contender.name}: {row}: {failure}")
        place = self._places.pop((contender.name, mtu), None)
        if place is not None:
            place.close()

    def _measure_memory(self, services: Services) -> None:
        if not self._wanted("memory"):
            return
        for contender in self._contenders:
            if contender.name == "kernel":
                continue
            say(f"memory: {contender.name}")
            try:
                figures = measure_memory(self._place(contender, contender.mtus[0]), services.ports)
            except ContenderError as failure:
                self._fail(contender, contender.mtus[0], "memory", failure)
                continue
            for row, value in figures.items():
                self.results.add(row, contender.name, value, "MB" if row == "memory, idle" else "KiB")

    def _round(self, number: int, services: Services) -> None:
        for workload in WORKLOADS:
            if not self._wanted(workload.name):
                continue
            if self._late():
                note = f"out of time in round {number + 1} of {self._rounds}: medians are of fewer rounds"
                if note not in self.results.notes:
                    self.results.notes.append(note)
                return
            say(f"round {number + 1} of {self._rounds}: {workload.name}")
            for mtu_index in range(2 if workload.at_each_mtu else 1):
                for contender in self._contenders:
                    self._one(contender, workload, mtu_index, services)

    def _one(self, contender: Contender, workload: Workload, mtu_index: int, services: Services) -> None:
        """Run one workload once; the kernel has no MTU to choose and stands in every row."""
        mtu = contender.mtus[min(mtu_index, len(contender.mtus) - 1)]
        label = (65520, 1500)[mtu_index] if workload.at_each_mtu else None
        row = row_name(workload.name, label)
        if self.results.failures(row, contender.name) >= FAILURES_MAX:
            return
        try:
            figures = workload.run(self._place(contender, mtu), services.fresh(), self._seconds)
        except ContenderError as failure:
            self.results.add(row, contender.name, None, workload.unit)
            self._fail(contender, mtu, row, failure)
            return
        for suffix, value in figures.items():
            self.results.add(row + suffix, contender.name, value, workload.unit)

    def _measure_starts(self, services: Services) -> None:
        if not self._wanted("start to first connection"):
            return
        say("start to first connection")
        for _ in range(START_RUNS if self._rounds > 1 else 3):
            for contender in self._contenders:
                try:
                    place = self._place(contender, contender.mtus[0])
                    value = measure_start(contender, place, services)
                except ContenderError as failure:
                    self._fail(contender, contender.mtus[0], "start to first connection", failure)
                    continue
                self.results.add("start to first connection", contender.name, value, "ms")


def say(text: str) -> None:
    """Tell how far it is, on stderr; on a terminal in place."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
    sys.stderr.flush()


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round (90 s at most)")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds to run (4)")
    parser.add_argument(
        "--only", metavar="NAME", help="only workloads with NAME in their name, such as 'up' or 'round trip'"
    )
    names = [each.name for each in CONTENDERS]
    parser.add_argument("--contender", action="append", choices=names, help="only this one (may be repeated)")
    return parser.parse_args(arguments)


def main() -> int:
    """Run, report, keep the JSON."""
    options = parse()
    present = []
    for contender in CONTENDERS:
        if options.contender and contender.name not in options.contender:
            continue
        missing = contender.missing()
        if missing:
            print(f"{contender.name} is left out: {missing}")
        else:
            present.append(contender)
    bench = Bench(present, options)
    try:
        bench.run()
    except (KeyboardInterrupt, subprocess.SubprocessError) as error:
        print(f"\nstopped: {type(error).__name__} {error}", file=sys.stderr)
    if not bench.results.samples:
        print("nothing was measured: no workload or contender has that name, or every one failed", file=sys.stderr)
        for note in bench.results.notes:
            print(note, file=sys.stderr)
        return 1
    say("")
    report.show(bench.results, [each.name for each in present])
    try:
        print(f"\nEverything is in {bench.results.save()}")
    except OSError as error:
        print(f"\nNo JSON is kept: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
