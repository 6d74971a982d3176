"""Kinds of settings: what may be written in the configuration, in words, for a schema, and as Python has it afterwards.

A setting is a field of a frozen dataclass whose metadata name its kind and its meaning. The reader, the schema and messages
go by these alone, so that they never say different things.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import time
from typing import Any, Final

from hythe.errors import UsageError
from hythe.services.ports import port_number
from hythe.units import parse_duration, parse_rate, parse_size
from hythe.via import patterns, spec

EVERYONE: Final = "yes, to everyone"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")
_LISTEN = re.compile(r"(?:(?P<address>\[[^\[\]]*\]|[^:\[\]]*):)?(?P<port>[^:/]+)(?P<udp>/udp|/tcp)?")
_TO = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[^:/]+)")
_INTERFACE = re.compile(r"[^\s/\0-\x1f\x7f]{1,15}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Kind:
    """`what`: what is allowed, in words. `read` makes of a value of TOML what Python has; UsageError says what is wrong.

    `table`: the dataclass of a table, or with `many` of several (``[[…]]``).
    """

    what: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any] = lambda value: value
    table: type | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. `address` as it was written: empty for loopback, ``*`` for all, an address or an interface."""

    text: str
    address: str
    port: int
    udp: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return patterns.endpoint(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Hours:
    """From `begin` until before `end`; over midnight where `end` is not later."""

    begin: time
    end: time

    def has(self, now: time) -> bool:
        """Is it that time?"""
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def setting(kind: Kind, text: str, default: Any = MISSING) -> Any:
    """A field of a configuration."""
    if isinstance(default, Mapping):
        return field(default_factory=lambda: default, metadata={"kind": kind, "text": text})
    return field(default=default, metadata={"kind": kind, "text": text})


def listen(text: str) -> Listen:
    """``[ADDR:]PORT[/udp]``; a service where a port is. UsageError."""
    match = _LISTEN.fullmatch(text.strip())
    udp = match is not None and match["udp"] == "/udp"
    port = port_number(match["port"], "udp" if udp else "tcp") if match is not None else None
    if match is None or port is None:
        raise UsageError(
            f"{text!r} is no place to listen: write [ADDR:]PORT, for example 1080, 10.0.0.1:smtp or [fd00::1]:53/udp"
        )
    return Listen(text, (match["address"] or "").removeprefix("[").removesuffix("]"), port, udp)


def destination(text: str, protocol: str = "tcp") -> Destination:
    """``HOST:PORT``; a service where a port is. UsageError."""
    match = _TO.fullmatch(text.strip())
    port = port_number(match["port"], protocol) if match is not None else None
    if match is None or not port:
        raise UsageError(f"{text!r} is no destination: write HOST:PORT, for example mail.example.com:smtp or [fd00::1]:25")
    host = match["six"] or match["host"]
    try:
        host = str(ipaddress.ip_address(host))
    except ValueError:
        host = patterns.ascii_name(host)
        if match["six"] or not _HOST.fullmatch(host):
            raise UsageError(f"{text!r} names no host: write HOST:PORT, for example mail.example.com:smtp") from None
    return Destination(host, port)


def network(text: str) -> Network:
    """A network, or one address. UsageError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no network ({error}): write for example 10.0.0.0/8 or fd00::/8") from error


def zone(text: str) -> Network | str:
    """A network, or the name of an interface. UsageError."""
    if "/" in text or ":" in text or text.replace(".", "").isdecimal():
        return network(text)
    if not _INTERFACE.fullmatch(text):
        raise UsageError(f"{text!r} is neither a network nor an interface: write for example 10.0.0.0/8 or eth0")
    return text


def hours(text: str) -> Hours:
    """``08:00-18:00``. UsageError."""
    match = _HOURS.fullmatch(text.strip())
    try:
        assert match is not None
        begin, end = time(int(match[1]), int(match[2])), time(int(match[3]) % 24, int(match[4]))
    except (AssertionError, ValueError):
        raise UsageError(f"{text!r} is no time of day: write for example 08:00-18:00") from None
    return Hours(begin, end)


def days(text: str) -> frozenset[int]:
    """``mon-fri`` or ``sat,sun``: Monday is 0. UsageError."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise UsageError(f"{text!r} names no days: write for example mon-fri or sat,sun")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {each % 7 for each in range(begin, end + 1 + 7 * (end < begin))}
    return frozenset(found)


def ports(text: str) -> tuple[int, int]:
    """``50000-50100``. UsageError."""
    match = re.fullmatch(r"(\d{1,5})\s*-\s*(\d{1,5})", text.strip())
    first, last = (int(match[1]), int(match[2])) if match is not None else (0, 0)
    if not 0 < first <= last <= 0xFFFF:
        raise UsageError(f"{text!r} are no ports: write for example 50000-50100")
    return first, last


def _exposed(text: str) -> bool:
    if text != EVERYONE:
        raise UsageError(f'{text!r} is not what opens a port to everyone: write expose = "{EVERYONE}", or leave it out')
    return True


def _count(what: str, most: int) -> Kind:
    def read(value: int) -> int:
        if not 1 <= value <= most:
            raise UsageError(f"{value} is too {'few' if value < 1 else 'many'}: write {what}")
        return value

    return Kind(what, {"type": "integer", "minimum": 1, "maximum": most}, read)


def _wait(text: str) -> int:
    found = parse_duration(text)
    if not found:
        raise UsageError(f"{text!r} is no time at all: write for example 10s")
    return found


def _size(text: str) -> int:
    found = parse_size(text)
    if not found:
        raise UsageError(f"{text!r} is nothing at all: write for example 10MiB")
    return found


def _file(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise UsageError(f"{text!r} is no file: write its name, for example /etc/ssl/mail.pem")
    return text


def source(text: str) -> str:
    """An address, or the name of an interface. UsageError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not _INTERFACE.fullmatch(text):
            raise UsageError(
                f"{text!r} is neither an address nor an interface: write for example 10.0.0.1 or eth0"
            ) from None
    return text


def _word(name: str, words: tuple[str, ...]) -> Kind:
    def read(text: str) -> str:
        if text not in words:
            raise UsageError(f"{text!r} is no {name}: write {' or '.join(words)}")
        return text

    return Kind(" or ".join(words), {"type": "string", "enum": list(words)}, read)


def _text(what: str, read: Callable[[str], Any] = str) -> Kind:
    return Kind(what, {"type": "string"}, read)


def _list(what: str, read: Callable[[str], Any]) -> Kind:
    """A list of texts, or one."""
    schema = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    return Kind(what, schema, lambda value: tuple(map(read, [value] if isinstance(value, str) else value)))


def table(kind: type) -> Kind:
    """A table, ``[name]``."""
    return Kind("a table", {}, table=kind)


def tables(kind: type) -> Kind:
    """Any number of tables, ``[[name]]``."""
    return Kind("tables", {}, table=kind, many=True)


TEXT: Final = _text("a text")
FLAG: Final = Kind("true or false", {"type": "boolean"})
FILE: Final = _text("the name of a file", _file)
SOURCE: Final = _text("an address or an interface of this machine", source)
COUNT: Final = _count("a number from 1 to 1000000000", 1_000_000_000)
PROCESSES: Final = _count("a number from 1 to 256", 256)
DURATION: Final = _text('a length of time such as "10s"', parse_duration)
WAIT: Final = _text('a length of time such as "10s"', _wait)
SIZE: Final = _text('a size such as "10MiB"', _size)
RATE: Final = _text('a rate such as "10mbit" (bits a second)', parse_rate)
LISTEN: Final = _text('a place to listen, "[ADDR:]PORT[/udp]"', listen)
DESTINATIONS: Final = _list('a destination, "HOST:PORT", or a list of them', str)
PATTERNS: Final = _list('destinations such as "*.example.com", "10.0.0.0/8:443" or ":smtp"', patterns.parse)
NETWORKS: Final = _list('a network such as "10.0.0.0/8", or a list of them', network)
ZONES: Final = _list("an interface or a network, or a list of them", zone)
NAMES: Final = _list("a name, or a list of them", str)
ROUTES: Final = _list('a way such as "ssh://host" (see docs/via.md), or a list of them', spec.parse)
EXPOSE: Final = _text(f'"{EVERYONE}"', _exposed)
HOURS: Final = _text('a time of day such as "08:00-18:00"', hours)
DAYS_OF_WEEK: Final = _text('days such as "mon-fri"', days)
ACTION: Final = _word("action", ("allow", "refuse"))
BALANCE: Final = _word("balance", ("failover", "least-connections"))
PROXY_PROTOCOL: Final = _word("version of the PROXY protocol", ("v1", "v2"))
PORTS: Final = _text('ports such as "50000-50100"', ports)
FORMAT: Final = _word("format", ("text", "json"))
TEXTS_BY_NAME: Final = Kind(
    'a text for each name, name = "…"', {"type": "object", "additionalProperties": {"type": "string"}}, dict
)
