"""In which line of a TOML file a key stands, which `tomllib` does not tell.

The file has been read before, so its syntax is right, and a scan for strings, brackets and comments is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

#: Where something is: names of keys, and numbers of tables in ``[[…]]``.
Path = tuple[str | int, ...]

_KEY: Final = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
_KEYS: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEAD = re.compile(rf"\s*(?P<brackets>\[\[?)\s*(?P<keys>{_KEYS})\s*\]")
_PAIR = re.compile(rf"\s*(?P<keys>{_KEYS})\s*=")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}]|\n',
    re.DOTALL,
)


def lines(text: str) -> dict[Path, int]:
    """The line of each key and table, counted from 1. Keys within ``{ }`` have none of their own."""
    found: dict[Path, int] = {(): 1}
    counts: dict[Path, int] = {}
    here: Path = ()
    for number, line in _statements(text):
        if (head := _HEAD.match(line)) is not None:
            here = _numbered(_split(head["keys"]), counts, another=head["brackets"] == "[[")
            found.setdefault(here, number)
        elif (pair := _PAIR.match(line)) is not None:
            found.setdefault(here + _split(pair["keys"]), number)
    return found


def line_of(found: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest that it is part of."""
    while path not in found:
        path = path[:-1]
    return found[path]


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Every line that begins outside of brackets and strings, with its number."""
    depth, number, start = 0, 1, 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "\n":
            if depth == 0:
                yield number, text[start : token.start()]
                number += text.count("\n", start, token.end())
                start = token.end()
    yield number, text[start:]


def _numbered(keys: Path, counts: dict[Path, int], *, another: bool) -> Path:
    """The path of a table: where a part of it is ``[[…]]``, its last one is meant."""
    path: Path = ()
    for at, key in enumerate(keys):
        path += (key,)
        if another and at == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _split(keys: str) -> Path:
    return tuple(each.strip("\"'") for each in re.findall(_KEY, keys))
