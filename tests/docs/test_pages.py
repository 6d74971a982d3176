"""docs/commands and man are what `make pages` writes, and man pages are well-formed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from click.testing import CliRunner

from hythe.cli.completion import SHELLS
from hythe.cli.group import group
from hythe.cli.manual.__main__ import main
from tests import needs

ROOT = Path(__file__).parents[2]


def test_pages_are_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "hythe-gone.1").touch()  # of a command that is no more
    main(str(tmp_path / "docs"), str(tmp_path / "man"))
    for folder, made in (("docs/commands", "docs"), ("man", "man")):
        there = {path.name: path.read_text() for path in (ROOT / folder).iterdir()}
        assert there == {path.name: path.read_text() for path in (tmp_path / made).iterdir()}, "run `make pages`"


def test_man_pages_are_well_formed() -> None:
    """A date is the one thing that they lack, so that they are the same whenever they are made."""
    files = sorted(map(str, (ROOT / "man").iterdir()))
    assert len(files) > 20
    for words in (["groff", "-man", "-ww", "-z", "-Tutf8"], ["mandoc", "-T", "lint", "-W", "warning"]):
        needs.program(words[0])
        said = subprocess.run([*words, *files], capture_output=True, text=True, timeout=60, check=False)
        wrong = [line for line in (said.stdout + said.stderr).splitlines() if "missing date" not in line]
        assert not wrong, "\n".join(wrong)


def test_man_shows_what_help_says() -> None:
    needs.program("mandoc")
    shown = subprocess.run(
        ["mandoc", "-T", "ascii", ROOT / "man" / "hythe-run.1"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    plain = " ".join(re.sub(".\b", "", shown).split())
    assert "hythe-run - Run a command on a network of its own" in plain
    assert "-p, --publish [ADDR:]HOSTPORT:PORT[/udp] Let outside clients" in plain
    assert "hythe run -p 8080:80 -- python3 -m http.server 80" in plain
    assert plain.count("--down-") == 1


def test_the_wheel_has_what_man_and_shells_look_for() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert built["shared-data"]["man"] == "share/man/man1"
    for shell, name in SHELLS:
        (source,) = (source for source in built["shared-data"] if source.endswith(f"/{name}"))
        text = (ROOT / source).read_text()
        assert CliRunner().invoke(group, ["completion", shell]).output == text
        assert "_HYTHE_COMPLETE" in text


def test_links_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    dead = [
        f"{page.name}: {to}" for page in pages for to in link.findall(page.read_text()) if not (page.parent / to).exists()
    ]
    assert not dead, "\n".join(dead)


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert not [path.name for path in ROOT.glob("docs/*.md") if path.name != "README.md" and f"]({path.name})" not in index]
