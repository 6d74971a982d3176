"""The project's packet scripts: all of them on virtual time, and on the kernel of this machine where both agree.

`make test` runs a part of them against Linux (each seventh, in parallel), `make test-all` all. A script that is for one
of the two only says so in a line ``// hythe-only: reason``; docs/linux-differences.md has the reasons.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hythe.pkt.parallel import verdicts
from hythe.pkt.parser import parse
from hythe.pkt.play import play
from hythe.units import MILLISECOND
from tests import needs

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SCRIPTS = sorted(FOLDER.rglob("*.pkt"))
NAMES = [str(path.relative_to(FOLDER)) for path in SCRIPTS]


def meant_for(stack: str) -> list[Path]:
    chosen = []
    for path in SCRIPTS:
        only = parse(str(path), path.read_text()).only
        if only in ("", stack):
            chosen.append(path)
    return chosen


@pytest.mark.parametrize("path", meant_for("hythe"), ids=lambda path: str(path.relative_to(FOLDER)))
def test_hythe_does_what_the_script_says(path: Path) -> None:
    play(str(path), "hythe", MILLISECOND)


def against_linux(paths: list[Path]) -> list[str]:
    """What is wrong, once those that failed had a second chance: real time on a busy machine is nobody's bug."""
    needs.network()

    def failed(names: list[str], jobs: int) -> dict[str, str]:
        found = verdicts(names, lambda path: play(path, "linux"), jobs)
        return {path: wrong for path, wrong in found if wrong}

    again = failed([str(path) for path in paths], 8)
    return list(failed(list(again), 2).values()) if again else []


def test_linux_does_what_a_part_of_the_scripts_say() -> None:
    wrong = against_linux(meant_for("linux")[::7])
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_linux_does_what_all_scripts_say() -> None:
    wrong = against_linux(meant_for("linux"))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("path", SCRIPTS, ids=NAMES)
def test_each_script_says_what_it_shows(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert re.match(r"// RFC \d{3,4}", first), f"{path.name} begins with {first!r}, not with the clause it shows"


def test_differences_are_explained() -> None:
    explained = (ROOT / "docs" / "linux-differences.md").read_text()
    marked = [path for path in SCRIPTS if parse(str(path), path.read_text()).only]
    missing = [each.stem for each in marked if f"`{each.parent.name}/{each.stem}`" not in explained]
    assert not missing, f"docs/linux-differences.md says nothing of {missing}"
