"""Every command and every program in the documentation is run: what a page shows works, or the page is wrong.

A page's ``sh`` blocks run in order, in one shell with -e, in a copy of the tree whose .venv is this one; its ``python``
blocks run each in an interpreter of their own. What a line of `ELSEWHERE` says is run by somebody else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("requirements/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Lines that are not run here, by their first two words.
ELSEWHERE = {
    "make test": "is what runs this test",
    "make test-all": "runs this test, too",
    "make check": "is the first half of make test",
    "make bench": "takes minutes; tests/bench runs its workloads",
    "make scoreboard": "takes minutes; tests/scoreboard runs some of its cells",
    "make lock": "asks the package index for every version anew",
    "make format": "changes files",
}


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def here(line: str) -> bool:
    words = line.split("#")[0].split()
    return " ".join(words[:2]) not in ELSEWHERE


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, made once."""
    tree = tmp_path_factory.mktemp("whole")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    # A .venv that make finds up to date: were it to install the copy, this interpreter would import that from then on.
    (tree / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".installed":
            (tree / ".venv" / entry.name).symlink_to(entry)
    (tree / ".venv" / ".installed").touch()
    return tree


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """What a page's commands see: the files of the copy are their own, its folders are all pages'."""
    place = tmp_path / "hythe"
    place.mkdir()
    for entry in whole.iterdir():
        if entry.is_dir():
            (place / entry.name).symlink_to(entry)
        else:
            shutil.copy2(entry, place)
    return place


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


#: They look at all sessions or gateways that there are: one of another test is one too many, or may end meanwhile.
ALONE = {("session.md", "python"), ("vpn.md", "sh")}


def pages_with(language: str) -> list[ParameterSet]:
    return [
        pytest.param(page, id=page.name, marks=[pytest.mark.alone] if (page.name, language) in ALONE else [])
        for page in PAGES
        if blocks(page, language)
    ]


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_of_a_page_work(page: Path, tree: Path) -> None:
    needs.network()
    needs.program("curl")
    script = "\n".join(line for block in blocks(page, "sh") for line in block.splitlines() if here(line))
    # A page that fails leaves nothing running; a job may have ended by itself before it is killed.
    script = f"trap 'jobs -p | xargs -r kill || true' EXIT\n{script}"
    ran = subprocess.run(
        ["bash", "-ec", script],
        cwd=tree,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, f"{page.name} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    assert "Traceback" not in ran.stderr, ran.stderr


@pytest.mark.parametrize("page", pages_with("python"))
def test_programs_of_a_page_work(page: Path, tmp_path: Path) -> None:
    for program in blocks(page, "python"):
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"a program of {page.name} failed\n{ran.stdout}\n{ran.stderr}"
        assert not ran.stderr, ran.stderr


def test_no_page_shows_a_command_that_is_not_run() -> None:
    indented = re.compile(r"^(?: {4}|```console\n)(?:\$ )?(?:hythe|make|curl) ", re.MULTILINE)
    found = [page.name for page in PAGES if indented.search(page.read_text())]
    assert not found, f"commands belong in ``sh`` blocks, which are run: {found}"
