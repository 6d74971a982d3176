"""docs/rfc.md: which requirement of which RFC is kept where, and which test shows it. `python -m tests.rfc` writes it.

Nothing in it is written by hand. A row comes from a test that says what it is about, in one of these ways:

- its name: ``test_3_2_words`` in a file ``test_rfc5961.py``, or ``test_rfc1122_4_2_3_10_words`` anywhere;
- a mark: ``@pytest.mark.rfc("9293", "3.10.7.4", "MUST-60")``, as often as it takes, the level being optional;
- its docstring, or else the first line of its module's: ``RFC 9293, 3.8.6.1``;
- the first comment of a packet script: ``// RFC 9293, 3.8.6.1: what it shows``.

A level (MUST-37, SHLD-13 …) in the docstring counts, too. Where in the code: the files under src/hythe that cite the
section, or a section above it, of what keeps to it: not what shows packets, nor the programs around the stack.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = ROOT / "docs" / "rfc.md"

_NAME: Final = re.compile(r"test_(?:rfc(\d+)_)?((?:\d+_)+)(\w+)")
_FILE: Final = re.compile(r"test_rfc(\d+)")
_SECTION: Final = r"\d+(?:\.\d+)*"
_CITED: Final = re.compile(rf"RFC (\d+)(?:, | \()({_SECTION}(?:(?:, | and ){_SECTION}(?!\d*[ ]?[a-zA-Z]))*)")
_LEVEL: Final = re.compile(r"\b(?:MUST|SHLD|MAY|REC)-\d+\b")
_FILES_SHOWN: Final = 3
#: Rooms whose citations explain what is shown or served, and keep no requirement of the stack.
_AROUND: Final = frozenset({"view", "serve", "connect", "cli"})
_HEAD: Final = """\
# RFCs

Which requirement is kept where, and which test shows it. Written by `make rfc` from the names, marks and docstrings of the
tests (`tests/rfc.py` says how) and from the sections that the code cites; a test fails when it is out of date.
Requirement levels are those of RFC 9293's appendix B where a test names one. What hythe does differently on purpose is said
where it is done.
"""


@dataclass(frozen=True, order=True)
class Row:
    """One line of a table. `section` as text, `test` as pytest's node id."""

    rfc: int
    section: tuple[int, ...]
    level: str
    words: str
    test: str


@functools.cache
def rows() -> Sequence[Row]:
    """All rows, in order."""
    found: set[Row] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        heading = (ast.get_docstring(tree) or "").split("\n", 1)[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.update(_rows_of(node, path, heading))
    for path in sorted((ROOT / "tests" / "pkt").rglob("*.pkt")):
        found.update(_rows_of_script(path))
    return sorted(found)


def _rows_of_script(path: Path) -> Iterator[Row]:
    """A packet script's first comment: ``// RFC 5961, 3.2: a RST in the exact place is believed.``"""
    comment = []
    for line in path.read_text().splitlines():
        if not line.startswith("//"):
            break
        comment.append(line.removeprefix("//").strip())
    text = " ".join(comment)
    where, _, words = text.partition(": ")
    for rfc, section in cited(where):
        level = ", ".join(_LEVEL.findall(text))
        yield Row(rfc, section, level, words.rstrip(".").replace("|", "/"), str(path.relative_to(ROOT)))


def _rows_of(node: ast.FunctionDef | ast.AsyncFunctionDef, path: Path, heading: str) -> Iterator[Row]:
    text = ast.get_docstring(node) or ""
    named, of_file = _NAME.fullmatch(node.name), _FILE.match(path.name)
    words = (named[3] if named else node.name.removeprefix("test_")).replace("_", " ")
    level = ", ".join(_LEVEL.findall(text))
    test = f"{path.relative_to(ROOT)}::{node.name}"
    places = set()
    if named and (number := named[1] or (of_file[1] if of_file else "")):
        places.add((int(number), _numbers(named[2].strip("_").replace("_", "."))))
    marked = set()
    for number, place, *rest in _marks(node):
        row = Row(int(number), _numbers(place), rest[0] if rest else level, words, test)
        marked.add((row.rfc, row.section))
        yield row
    if not places and not marked:
        places.update(cited(text) or cited(heading))
    for rfc, section in places - marked:
        yield Row(int(rfc), section, level, words, test)


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[list[str]]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rfc":
            yield [str(ast.literal_eval(argument)) for argument in decorator.args]


def _numbers(section: str) -> tuple[int, ...]:
    return tuple(map(int, section.split(".")))


def cited(text: str) -> set[tuple[int, tuple[int, ...]]]:
    """(RFC, section) of each citation in the text: ``RFC 9293, 3.10.7.1 and 3.10.7.2`` are two."""
    return {
        (int(match[1]), _numbers(section))
        for match in _CITED.finditer(" ".join(text.split()))
        for section in re.findall(_SECTION, match[2])
        if not _is_another_rfc(section)
    }


def _is_another_rfc(section: str) -> bool:
    return "." not in section and int(section) > 99


@functools.cache
def citations() -> dict[int, dict[tuple[int, ...], list[str]]]:
    """RFC -> section -> the files of the code that cite it; section () stands for any."""
    found: dict[int, dict[tuple[int, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((ROOT / "src" / "hythe").rglob("*.py")):
        text = " ".join(path.read_text().replace("#", " ").split())
        inside = path.relative_to(ROOT / "src" / "hythe")
        if inside.parts[0] in _AROUND:
            continue
        name = str(inside)
        for rfc, section in sorted(cited(text)):
            found[rfc][section].append(name)
        for rfc in sorted({int(number) for number in re.findall(r"RFC (\d+)", text)}):
            found[rfc][()].append(name)
    return found


def code(known: dict[tuple[int, ...], list[str]], section: tuple[int, ...]) -> list[str]:
    """The files that cite the section, or the nearest above it."""
    while section and section not in known:
        section = section[:-1]
    return known.get(section, [])[:_FILES_SHOWN]


def document() -> str:
    """The whole of docs/rfc.md."""
    where = citations()
    tables: dict[int, list[Row]] = defaultdict(list)
    for row in rows():
        tables[row.rfc].append(row)
    parts = [_HEAD]
    for rfc, lines in sorted(tables.items()):
        parts.append(f"\n## [RFC {rfc}](https://www.rfc-editor.org/rfc/rfc{rfc})\n\n")
        parts.append("| section | level | requirement | code | test |\n|---|---|---|---|---|\n")
        for row in lines:
            files = ", ".join(f"`{name}`" for name in code(where[rfc], row.section))
            section = ".".join(map(str, row.section))
            parts.append(f"| {section} | {row.level} | {row.words} | {files} | `{row.test.removeprefix('tests/')}` |\n")
    return "".join(parts)


if __name__ == "__main__":
    DOCUMENT.write_text(document())
    print(f"{DOCUMENT.relative_to(ROOT)}: {len(rows())} rows")
