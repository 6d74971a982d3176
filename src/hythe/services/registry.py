"""IANA's Service Name and Transport Protocol Port Number Registry (RFC 6335), from the table that `generate` makes.

A line of the table is a port or a range, its protocols, its names, the description and what IANA says of other use, with
tabs between them; lines with ``#`` in front say where the table comes from. All 6,000 lines are read in some milliseconds,
once, when something is first asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

TABLE: Final = Path(__file__).with_name("table.tsv")


class Service(NamedTuple):
    """One line: `names` are the name and IANA's aliases, none where a port is reserved. `note`: what IANA adds."""

    first: int
    last: int
    protocols: tuple[str, ...]
    names: tuple[str, ...]
    description: str
    note: str

    @property
    def name(self) -> str:
        """The first of the names, or nothing."""
        return self.names[0] if self.names else ""


class Registry:
    """The table. `date` and `source`: of what it was made; `services`: by port."""

    __slots__ = ("_by_name", "_by_port", "date", "services", "source")

    def __init__(self, services: Iterable[Service], date: str, source: str) -> None:
        self.services = tuple(services)
        self.date = date
        self.source = source
        self._by_port: dict[tuple[int, str], Service] = {}
        self._by_name: dict[tuple[str, str], Service] = {}
        for each in self.services:
            for protocol in each.protocols:
                for port in range(each.first, each.last + 1):
                    self._by_port.setdefault((port, protocol), each)
                for name in each.names:
                    self._by_name.setdefault((name.lower(), protocol), each)

    def at(self, port: int, protocol: str) -> Service | None:
        """What `port` is assigned to, or reserved for."""
        return self._by_port.get((port, protocol))

    def port(self, name: str, protocol: str) -> int | None:
        """The port of a service; of several, the lowest."""
        found = self._by_name.get((name.lower(), protocol))
        return None if found is None else found.first


def parse(lines: Iterable[str]) -> Registry:
    """Read a table. Raises ValueError for a line that is none."""
    facts = {}
    services = []
    for line in lines:
        if line.startswith("#"):
            key, colon, value = line[1:].strip().partition(": ")
            if colon:
                facts[key] = value
        else:
            ports, protocols, names, description, note = line.rstrip("\n").split("\t")
            first, _, last = ports.partition("-")
            services.append(
                Service(int(first), int(last or first), tuple(protocols.split(",")), tuple(names.split()), description, note)
            )
    return Registry(services, facts.get("date", "unknown"), facts.get("source", "unknown"))


def write(registry: Registry, licence: str) -> Iterator[str]:
    """The table as lines; `parse` reads them."""
    yield "# Service names and port numbers; written by `python -m hythe.services.generate`, not by hand.\n"
    yield f"# date: {registry.date}\n"
    yield f"# source: {registry.source}\n"
    yield f"# licence: {licence}\n"
    for each in registry.services:
        ports = str(each.first) if each.first == each.last else f"{each.first}-{each.last}"
        fields = (ports, ",".join(each.protocols), " ".join(each.names), each.description, each.note)
        yield "\t".join(fields) + "\n"


@cache
def registry() -> Registry:
    """The table that hythe comes with."""
    with TABLE.open(encoding="utf-8") as file:
        return parse(file)
