"""What is known of ports: IANA's names, this machine's, the category, the right it takes, and what to beware of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from hythe.errors import UsageError
from hythe.services import etc
from hythe.services.ports import PORT_MAX, category, port_range
from hythe.services.registry import Registry, Service
from hythe.services.remarks import Remark, remarks

PROTOCOLS: Final = ("tcp", "udp", "sctp", "dccp")
_UNPRIVILEGED: Final = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
_HEADINGS: Final = ("PORT", "NAME", "CATEGORY", "PRIVILEGED", "/ETC/SERVICES", "COMMENT")
_NUMBERS: Final = re.compile(r"\d+-\d+")
#: Words of IANA's description that say that nobody should be there any more.
_GONE: Final = ("deprecated", "historic", "obsolete", "de-registered")


@dataclass(frozen=True, slots=True)
class Known:
    """One port of one protocol. `names`: IANA's; `etc_names`, `etc_comment`: this machine's; `note`: what IANA adds."""

    port: int
    protocol: str
    names: tuple[str, ...]
    description: str
    category: str
    privileged: bool
    etc_names: tuple[str, ...]
    etc_comment: str
    note: str
    remarks: tuple[Remark, ...]


class Services:
    """IANA's registry and this machine's /etc/services, side by side."""

    def __init__(self, registry: Registry, entries: Sequence[etc.Entry], unprivileged: int | None = None) -> None:
        self._registry = registry
        self._unprivileged = unprivileged_start() if unprivileged is None else unprivileged
        self._etc: dict[tuple[int, str], list[etc.Entry]] = {}
        for each in entries:
            self._etc.setdefault((each.port, each.protocol), []).append(each)

    def find(self, text: str | None) -> list[Known]:
        """What `text` means: a port, a range, a name, an alias (each with ``/tcp`` if you like), else a word; None: all.

        Raises `UsageError` where nothing is meant.
        """
        if text is None:
            return list(self._ports(range(PORT_MAX + 1), PROTOCOLS))
        word, slash, protocol = text.strip().partition("/")
        if slash and protocol not in PROTOCOLS:
            raise UsageError(f"{text}: {protocol!r} is not a protocol: write {', '.join(PROTOCOLS)}, or none")
        protocols = (protocol,) if slash else PROTOCOLS
        if word[:1].isdecimal() and (numbers := port_range(word)) is not None:
            found = list(self._ports(numbers, protocols))
            # One port is answered for, even if nobody knows it.
            return found or ([self.at(numbers[0], each) for each in protocols[:2]] if len(numbers) == 1 else [])
        return self._named(word, protocols) or self._ranged(word, protocols) or self._mentioned(word, protocols, text)

    def at(self, port: int, protocol: str) -> Known:
        """One port."""
        service = self._registry.at(port, protocol) or Service(port, port, (), (), "", "")
        entries = self._etc.get((port, protocol), ())
        said = list(remarks(port, protocol))
        if any(word in f"{service.description} {service.note}".lower() for word in _GONE):
            said.insert(0, Remark("deprecated", "IANA says so"))
        if "unauthorized" in service.note.lower():
            said.append(Remark("notorious", "IANA knows of unauthorized use"))
        return Known(
            port,
            protocol,
            service.names,
            service.description,
            category(port),
            0 < port < self._unprivileged,
            tuple(dict.fromkeys(name for each in entries for name in each.names)),
            "; ".join(each.comment for each in entries if each.comment),
            service.note,
            tuple(said),
        )

    def _ports(self, numbers: Iterable[int], protocols: Sequence[str]) -> Iterator[Known]:
        """Those of `numbers` that somebody knows."""
        for port in numbers:
            for protocol in protocols:
                if self._registry.at(port, protocol) or (port, protocol) in self._etc or remarks(port, protocol):
                    yield self.at(port, protocol)

    def _named(self, word: str, protocols: Sequence[str]) -> list[Known]:
        wanted = word.lower()
        keys = {
            (port, protocol)
            for each in self._registry.services
            if any(wanted == name.lower() for name in each.names)
            for port in range(each.first, each.last + 1)
            for protocol in each.protocols
        }
        keys |= {key for key, found in self._etc.items() for each in found if wanted in map(str.lower, each.names)}
        return self._known(keys, protocols)

    def _ranged(self, word: str, protocols: Sequence[str]) -> list[Known]:
        numbers = port_range(word)
        return list(self._ports(numbers, protocols)) if numbers else []

    def _mentioned(self, word: str, protocols: Sequence[str], text: str) -> list[Known]:
        if word.isdecimal():
            raise UsageError(f"{text} is not a port: they go up to {PORT_MAX}")
        if _NUMBERS.fullmatch(word):
            raise UsageError(f"{text} is not a range of ports: write the lower one first; they go up to {PORT_MAX}")
        wanted = word.lower()
        found = self._known(
            {
                (port, protocol)
                for each in self._registry.services
                if wanted in f"{' '.join(each.names)} {each.description}".lower()
                for port in range(each.first, each.last + 1)
                for protocol in each.protocols
            },
            protocols,
        )
        if not found or not word:
            raise UsageError(f"no service is called {text!r}, or described so: write a name, a port or a range")
        return found

    def _known(self, keys: Iterable[tuple[int, str]], protocols: Sequence[str]) -> list[Known]:
        wanted = sorted((port, protocols.index(protocol)) for port, protocol in keys if protocol in protocols)
        return [self.at(port, protocols[index]) for port, index in wanted]


def unprivileged_start() -> int:
    """The first port that needs no right, on this machine (ip(7))."""
    try:
        with open(_UNPRIVILEGED, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024


def table(found: Sequence[Known]) -> str:
    """One line a port and protocol, or one sentence where there is none."""
    if not found:
        return "nobody has any of these ports\n"
    rows = [_HEADINGS, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip() + "\n")
    return "".join(lines)


def as_json(found: Sequence[Known], registry: Registry) -> str:
    """An object: of what date the registry is, and the ports."""
    ports = [asdict(each) | {"remarks": [remark._asdict() for remark in each.remarks]} for each in found]
    return json.dumps({"date": registry.date, "source": registry.source, "services": ports}, indent=2)


def _row(each: Known) -> tuple[str, ...]:
    comment = each.description or each.etc_comment or ("" if each.names or each.etc_names else _nobody(each.category))
    if each.description and each.etc_comment and each.etc_comment.lower() not in each.description.lower():
        comment += f" (# {each.etc_comment})"
    for text in (each.note, *(f"{remark.kind}: {remark.text}" for remark in each.remarks)):
        comment += f" [{text}]" if text else ""
    return (
        f"{each.port}/{each.protocol}",
        " ".join(each.names) or "-",
        each.category,
        "yes" if each.privileged else "no",
        " ".join(each.etc_names) or "-",
        comment.strip(),
    )


def _nobody(category: str) -> str:
    return "nobody's: for any use, ephemeral by choice of the system" if category == "private" else "unassigned"
