"""`python -m scoreboard`: run every cell with each stack, interleaved, and put the figures side by side.

One round runs each cell with all stacks, two runs at a time: Linux's and hythe's of the same cell go side by side, with
the same seed, so that what else the machine does hits both. A run that was disturbed is made once more. Cells in which
chance decides much, and the machine has little to do, are run four times as often, four times as many at a time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Final

from hythe.errors import HytheError
from scoreboard import cells, report, trial, virtual
from scoreboard.board import HYTHE, LINUX, Board
from scoreboard.trial import Pairing, TrialError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from scoreboard.cells import Cell
    from scoreboard.outcome import Outcome

#: Runs at a time. Two wires and their ends take about one core.
JOBS: Final = 2
CHANCY: Final = 4
SAME: Final = (Pairing(LINUX, LINUX), Pairing(HYTHE, HYTHE))
MIXED: Final = (Pairing(HYTHE, LINUX), Pairing(LINUX, HYTHE))


def in_real_time(wanted: Sequence[Cell], pairings: Sequence[Pairing], rounds: int, options: argparse.Namespace) -> Board:
    """Run everything."""
    pacing = ", paced" if options.paced else ""
    how = f"real time{pacing}; {rounds} rounds, {CHANCY * rounds} where chance decides"
    board = Board(wanted, [each.name for each in pairings], how)
    for chancy, factor in ((False, 1), (True, CHANCY)):
        group = [cell for cell in wanted if cell.chancy is chancy]
        run_group(board, group, pairings, factor * rounds, factor * options.jobs, options.paced)
    return board


def run_group(board: Board, group: Sequence[Cell], pairings: Sequence[Pairing], rounds: int, jobs: int, paced: bool) -> None:
    """Run some cells, `jobs` at a time. A run that comes to nothing is noted, and the others go on."""
    context = multiprocessing.get_context("spawn")  # its processes fork themselves: they may have no threads
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        runs: list[tuple[Cell, Pairing, Future[Outcome]]] = [
            (cell, pairing, pool.submit(trial.attempt, cell, pairing, seed, paced))
            for seed in range(1, rounds + 1)
            for cell in group
            for pairing in pairings
        ]
        for number, (cell, pairing, future) in enumerate(runs, 1):
            say(f"{number} of {len(runs)}: {cell.name}, {pairing.name}")
            try:
                board.add(cell, pairing.name, future.result())
            except TrialError as error:
                board.notes.append(str(error))
                board.add(cell, pairing.name, None)


def on_virtual_time(wanted: Sequence[Cell], rounds: int, paced: bool) -> Board:
    """Exactly, and hythe alone."""
    board = Board(wanted, [HYTHE], f"virtual time{', paced' if paced else ''}, {rounds} seeds")
    for cell in wanted:
        say(cell.name)
        for seed in range(1, rounds + 1):
            board.add(cell, HYTHE, virtual.run(cell, seed, paced=paced))
    return board


def say(text: str) -> None:
    """Tell how far it is, on stderr, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m scoreboard", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="eight cells, one round (under a minute)")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds to run (3), each with a seed of its own")
    parser.add_argument("--cell", action="append", metavar="NAME", help="only this one, as 50ms-1%% (may be repeated)")
    parser.add_argument("--mixed", action="store_true", help="hythe to Linux and Linux to hythe as well")
    parser.add_argument("--paced", action="store_true", help="have both stacks pace what they send")
    parser.add_argument("--virtual", action="store_true", help="hythe to hythe on virtual time: exact, and without Linux")
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"runs at a time ({JOBS})")
    parser.add_argument("--publish", action="store_true", help="write the table into docs/scoreboard.md")
    parser.add_argument("--list", action="store_true", help="list the cells")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> Iterator[Cell]:
    """The cells to run. ValueError when there is none of a name."""
    yield from cells.find(options.cell or (cells.QUICK if options.quick else [cell.name for cell in cells.CELLS]))


def main() -> int:
    """Run, report, keep the JSON."""
    options = parse()
    try:
        wanted = list(chosen(options))
        if options.list:
            print("\n".join(cell.name for cell in wanted))
            return 0
        rounds = options.rounds or (1 if options.quick else 3)
        if options.virtual:
            board = on_virtual_time(wanted, rounds, options.paced)
        else:
            board = in_real_time(wanted, SAME + MIXED * options.mixed, rounds, options)
    except (HytheError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    say("")
    if board.empty:
        print("\n".join(["nothing was measured:", *board.notes]), file=sys.stderr)
        return 1
    print(report.markdown(board))
    if options.publish:
        report.publish(board)
    print(f"Everything is in {board.save()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
