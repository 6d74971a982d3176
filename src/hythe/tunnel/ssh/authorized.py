"""Who may come in, and whereto: authorized_keys as sshd(8) describes it, as far as it concerns forwarding.

Options that only take away what is not here anyhow (a shell, a terminal, an agent) are read and change nothing. One that
demands what cannot be kept here makes the file unfit: a key must not be let in with less than its owner wrote.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import asyncssh
from asyncssh import SSHKey
from asyncssh.pattern import HostPatternList

from hythe.errors import MachineError, UsageError

#: Nothing of these is offered here.
_WITHOUT_EFFECT: Final = frozenset(
    {"pty", "agent-forwarding", "x11-forwarding", "user-rc", "no-touch-required", "command", "environment", "tunnel"}
)
_OPTION: Final = re.compile(r'([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?(,|\s+|$)')
_EXPIRY: Final = re.compile(r"\d{8}(\d{4}(\d{2})?)?Z?")
ANY: Final = "*"


@dataclass(slots=True)
class Entry:
    """One line. `opens`, `listens`: hosts (ANY for all) and ports (None for all) it is confined to; None for no limit."""

    line: int
    key: SSHKey
    authority: bool = False
    forwards: bool = True
    expires: datetime | None = None
    sources: list[HostPatternList] = field(default_factory=list)
    opens: list[tuple[str, int | None]] | None = None
    listens: list[tuple[str, int | None]] | None = None

    def may_open(self, host: str, port: int) -> bool:
        """May it reach this port? As it was asked for: no name is looked up, no pattern matched."""
        return self.forwards and _permits(self.opens, host, port)

    def may_listen(self, host: str, port: int) -> bool:
        """May it listen there?"""
        return self.forwards and _permits(self.listens, host or ANY, port)

    def may_use_paths(self) -> bool:
        """May it reach Unix sockets, and listen on them? Not if it is confined to ports."""
        return self.forwards and self.opens is None and self.listens is None

    def welcome(self, address: str, now: datetime) -> bool:
        """May it come in from there, now?"""
        if self.expires is not None and now >= self.expires:
            return False
        ip = asyncssh.misc.ip_address(address) if address else None
        return all(each.matches(address, address, ip) for each in self.sources)


def _permits(places: Sequence[tuple[str, int | None]] | None, host: str, port: int) -> bool:
    return places is None or any(name in (ANY, host) and number in (None, port) for name, number in places)


class AuthorizedKeys:
    """A file of them, read anew when it has changed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._entries: Sequence[Entry] = ()

    def entries(self) -> Sequence[Entry]:
        """All lines. Raises `UsageError` for one that cannot be used, `MachineError` for a file that cannot."""
        try:
            with open(self.path, encoding="utf-8") as file:
                found = os.fstat(file.fileno())
                stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
                if stamp == self._stamp:
                    return self._entries
                if found.st_mode & 0o022:
                    raise MachineError(
                        f"{self.path} can be written by others, who could let themselves in: chmod go-w {self.path}"
                    )
                lines = file.read().splitlines()
        except OSError as error:
            raise MachineError(
                f"the authorized keys {self.path} cannot be read ({error.strerror}): name a file with --authorized-keys"
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.path} is no file of authorized keys: it is not text") from error
        self._entries = [_entry(self.path, number, line) for number, line in enumerate(lines, 1) if _says(line)]
        self._stamp = stamp
        return self._entries

    def find(self, key: SSHKey, address: str, *, authority: bool) -> tuple[Entry | None, str]:
        """The entry that lets `key` in from `address`, or why there is none."""
        reason = "the key is not known"
        for entry in self.entries():
            if entry.key == key and entry.authority == authority:
                if entry.welcome(address, datetime.now(UTC)):
                    return entry, ""
                reason = f"line {entry.line} of {self.path} lets it in no more, or not from there"
        return None, reason


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _entry(path: str, number: int, line: str) -> Entry:
    try:
        return parse(line.strip(), number)
    except ValueError as error:
        raise UsageError(f"{path}, line {number}: {error}") from error


def parse(line: str, number: int = 0) -> Entry:
    """One line. Raises ValueError, in words."""
    try:
        return Entry(number, asyncssh.import_public_key(line))
    except asyncssh.KeyImportError:
        options, rest = _options(line)
    try:
        entry = Entry(number, asyncssh.import_public_key(rest))
    except asyncssh.KeyImportError as error:
        raise ValueError(f"no public key is there ({str(error)[:1].lower()}{str(error)[1:]})") from error
    for name, value in options:
        _apply(entry, name, value)
    return entry


def _options(line: str) -> tuple[list[tuple[str, str | None]], str]:
    found: list[tuple[str, str | None]] = []
    at = 0
    while (match := _OPTION.match(line, at)) is not None:
        value = match[2].replace('\\"', '"') if match[2] is not None else None
        found.append((match[1].lower(), value))
        at = match.end()
        if match[3] != ",":
            return found, line[at:]
    raise ValueError("neither a key nor options in front of one are there")


def _apply(entry: Entry, name: str, value: str | None) -> None:
    if name in ("restrict", "no-port-forwarding"):
        entry.forwards = False
    elif name == "port-forwarding":
        entry.forwards = True
    elif name == "cert-authority":
        entry.authority = True
    elif name == "from" and value:
        entry.sources.append(HostPatternList(value))
    elif name == "expiry-time" and value:
        moment = _expiry(value)
        entry.expires = moment if entry.expires is None else min(entry.expires, moment)
    elif name == "permitopen" and value:
        entry.opens = [*(entry.opens or ()), _place(name, value)]
    elif name == "permitlisten" and value:
        entry.listens = [*(entry.listens or ()), _place(name, value if ":" in value else f"{ANY}:{value}")]
    elif name.removeprefix("no-") not in _WITHOUT_EFFECT:
        raise ValueError(f"the option {name} is not known here, and a key is not let in with less than was written")


def _place(name: str, value: str) -> tuple[str, int | None]:
    host, _, port = value.rpartition(":")
    if not host or not (port == ANY or (port.isdecimal() and 0 < int(port) < 65_536)):
        raise ValueError(f'{name}="{value}" names no host and port: write for example {name}="localhost:80"')
    return host.removeprefix("[").removesuffix("]"), None if port == ANY else int(port)


def _expiry(value: str) -> datetime:
    """``YYYYMMDD[HHMM[SS]][Z]``, without Z in this machine's time."""
    if _EXPIRY.fullmatch(value) is None:
        raise ValueError(f'expiry-time="{value}" is no time: write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, perhaps with Z')
    digits = value.removesuffix("Z")
    try:
        moment = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError as error:
        raise ValueError(f'expiry-time="{value}" is no time of any calendar') from error
    return moment.replace(tzinfo=UTC) if value.endswith("Z") else moment.astimezone()
