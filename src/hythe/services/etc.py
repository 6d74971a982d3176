"""/etc/services: what this machine calls its ports (services(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

PATH: Final = "/etc/services"


class Entry(NamedTuple):
    """One line: the name, then aliases; the comment without its ``#``."""

    port: int
    protocol: str
    names: tuple[str, ...]
    comment: str


def read(path: str = PATH) -> list[Entry]:
    """All entries; none where there is no such file. What is no entry is passed over, as the C library does."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return list(_entries(file))
    except OSError:
        return []


def names(path: str = PATH) -> dict[tuple[int, str], str]:
    """The name of each port and protocol: for many look-ups, of which the C library reads the file anew each time."""
    found: dict[tuple[int, str], str] = {}
    for each in read(path):
        found.setdefault((each.port, each.protocol), each.names[0])
    return found


def _entries(lines: Iterator[str]) -> Iterator[Entry]:
    for line in lines:
        words, _, comment = line.partition("#")
        fields = words.split()
        if len(fields) < 2:
            continue
        port, slash, protocol = fields[1].partition("/")
        if slash and port.isascii() and port.isdecimal() and int(port) <= 65_535:
            yield Entry(int(port), protocol.lower(), (fields[0], *fields[2:]), comment.strip())
