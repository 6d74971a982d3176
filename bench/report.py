"""Results as people read them: a table of medians, ratios to slirp4netns, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.results import row_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bench.results import Results

BASELINE = "slirp4netns"


@dataclass(frozen=True, slots=True)
class Target:
    """What hythe is held to on one row: a ratio to another contender, or a figure of its own where `to` is None."""

    row: str
    bound: float
    to: str | None = BASELINE
    at_least: bool = True

    def verdict(self, results: Results) -> str | None:
        """Return one line: pass or short, and by what; None where it was not measured."""
        if self.to is None:
            value, text = results.median(self.row, "hythe"), f"{results.units.get(self.row, '')}"
        else:
            value, text = results.ratio(self.row, "hythe", self.to), f"x {self.to}"
        if value is None:
            return None
        met = value >= self.bound if self.at_least else value <= self.bound
        sign = ">=" if self.at_least else "<="
        return f"{'pass ' if met else 'SHORT'}  {self.row:<28} {value:8.2f} {text} (to reach: {sign} {self.bound:g})"


def targets() -> Iterator[Target]:
    """Yield every target."""
    for flows in ("1 flow", "8 flows"):
        for mtu, up, down in ((65520, 3.0, 1.5), (1500, 6.0, 3.0)):
            yield Target(row_name(f"up, {flows}", mtu), up)
            yield Target(row_name(f"down, {flows}", mtu), down)
    for row in ("udp up", "udp down"):
        yield Target(row, 1.5)
    for row in ("connections in turn", "connections, 32 at once"):
        yield Target(row, 0.8)
    yield Target("round trip", 1.0, at_least=False)
    yield Target("start to first connection", 1.0, to="pasta", at_least=False)
    yield Target("memory, idle", 64, to=None, at_least=False)
    yield Target("memory a connection", 4, to=None, at_least=False)


def show(results: Results, contenders: list[str]) -> None:
    """Print everything."""
    width = max(len(row) for row in results.samples)
    print(f"\n{'median (± half the spread)':<{width}}  {'':<6}" + "".join(f"{each:>18}" for each in contenders))
    for row, unit in results.units.items():
        cells = "".join(f"{cell(results, row, each):>18}" for each in contenders)
        print(f"{row:<{width}}  {unit:<6}{cells}")
    if BASELINE in contenders:
        others = [each for each in contenders if each != BASELINE]
        print(f"\n{'ratio to ' + BASELINE:<{width}}  {'':<6}" + "".join(f"{each:>18}" for each in others))
        for row in results.units:
            ratios = [results.ratio(row, each, BASELINE) for each in others]
            print(f"{row:<{width}}  {'':<6}" + "".join(f"{'-' if each is None else f'{each:.2f}':>18}" for each in ratios))
    noise = results.noise()
    if noise is not None:
        word = "quiet" if noise < 0.1 else "somewhat noisy" if noise < 0.3 else "noisy: do not trust small differences"
        print(f"\nThis machine: the kernel's own figures spread by {noise:.0%} between rounds ({word}).")
    for note in results.notes:
        print(f"note: {note}")
    verdicts = [verdict for verdict in (each.verdict(results) for each in targets()) if verdict is not None]
    if verdicts:
        print("\nTargets")
        print("\n".join(verdicts))


def cell(results: Results, row: str, contender: str) -> str:
    """Return a median with its spread, or a dash."""
    median, spread = results.median(row, contender), results.spread(row, contender)
    if median is None:
        return "-"
    digits = 0 if median >= 1000 else 1 if median >= 100 else 2
    return f"{median:,.{digits}f}" + (f" ±{spread / 2:.0%}" if spread is not None else "     ")


def beside(heading: str, results: Results, contenders: Collection[str], targets: Collection[Target], form: str) -> None:
    """Print a table of medians, cells as `form` has them, and below it what is to be reached and what there is to say."""
    print(f"\n{heading:<24}{'':<8}" + "".join(f"{each:>14}" for each in contenders))
    for row, unit in results.units.items():
        cells = [results.median(row, each) for each in contenders]
        print(f"{row:<24}{unit:<8}" + "".join(f"{'-' if each is None else format(each, form):>14}" for each in cells))
    for target in targets:
        verdict = target.verdict(results)
        if verdict is not None:
            print(verdict)
    for note in results.notes:
        print(note)
