"""What is to be forwarded, in ssh's own words: -L, -R and -D, with ``/udp`` behind for datagrams, and ``/ftp`` for FTP.

    [BIND:]PORT:HOST:HOSTPORT   [BIND:]PORT:SOCKET   SOCKET:HOST:HOSTPORT   SOCKET:SOCKET   (-D, -R) [BIND:]PORT

What has a slash in it is a Unix socket. An IPv6 address stands in brackets. PORT 0 picks one; ports may be services.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hythe.errors import UsageError
from hythe.forward.places import EVERYWHERE, LOOPBACK, Place, addresses
from hythe.services.ports import port_number
from hythe.via.patterns import endpoint

#: Whose data ports are mapped without being asked for.
_FTP: Final = 21
_TOKEN: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:|$)")
_EXAMPLES: Final = {
    "-L": "8080:localhost:80, [::1]:8080:[fd00::1]:80, 5353:192.0.2.1:53/udp or /run/my.sock:localhost:80",
    "-R": "8080:localhost:80, *:8080:localhost:80, /run/far.sock:/run/my.sock or, for SOCKS, 1080",
    "-D": "1080 or 127.0.0.1:1080",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where it leads: `port` of `host`, or with `path` a Unix socket; with neither, wherever its clients ask by SOCKS."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return "SOCKS" if not self else self.path or endpoint(self.host, self.port)

    def __bool__(self) -> bool:
        """Is it one place?"""
        return bool(self.path or self.host)


@dataclass(frozen=True, slots=True)
class Forward:
    """One of them. `option`: -L, -R or -D. `place`: where it begins, on this machine, or for -R at the far end.

    `bind`: for -R the address as SSH says it (RFC 4254, 7.1): "localhost", "" for all. `ftp`: data ports are mapped, too.
    """

    option: str
    text: str
    place: Place
    target: Target
    bind: str = "localhost"
    ftp: bool = False

    @property
    def udp(self) -> bool:
        """Datagrams?"""
        return self.place.udp

    def __str__(self) -> str:
        return f"{self.option} {self.text}"


def parse(option: str, text: str) -> Forward:
    """Read one. Raises `UsageError`."""
    body, slash, protocol = text.rpartition("/")
    udp = bool(slash) and protocol == "udp"
    ftp = bool(slash) and protocol == "ftp"
    if not udp and not ftp:
        body = text.removesuffix("/tcp")
    tokens = _tokens(option, text, body)
    if ftp and option != "-L":
        raise UsageError(f"{option} {text}: FTP's data ports are mapped by -L alone: leave /ftp out")
    if option == "-D" or (option == "-R" and len(tokens) <= 2 and not any("/" in each for each in tokens)):
        if udp:
            raise UsageError(f"{option} {text}: SOCKS is spoken over TCP, and has no datagrams of its own: leave /udp out")
        place, rest = _place(option, text, tokens, udp=False, behind=0)
        if rest or place.path:
            raise _wrong(option, text)
        return Forward(option, text, place, Target(), _bind(place))
    place, rest = _place(option, text, tokens, udp=udp)
    target = _target(option, text, rest, udp=udp)
    if udp and (place.path or target.path):
        raise UsageError(f"{option} {text}: datagrams go between UDP ports, not Unix sockets: leave /udp out")
    if ftp and (place.path or target.path):
        raise UsageError(f"{option} {text}: FTP's data goes between TCP ports, not Unix sockets: leave /ftp out")
    ftp = ftp or (option == "-L" and target.port == _FTP and not udp and not text.endswith("/tcp"))
    return Forward(option, text, place, target, _bind(place), ftp)


def _tokens(option: str, text: str, body: str) -> list[str]:
    tokens, at = [], 0
    while at <= len(body):
        match = _TOKEN.match(body, at)
        if match is None:
            raise _wrong(option, text)
        tokens.append(match[1])
        if not match[2]:
            break
        at = match.end()
    return tokens


def _place(option: str, text: str, tokens: list[str], *, udp: bool, behind: int | None = None) -> tuple[Place, list[str]]:
    """Where it begins, and the tokens behind that, as many as `behind`."""
    if "/" in tokens[0]:
        return Place(text, path=tokens[0]), tokens[1:]
    if behind is None:
        behind = 1 if tokens[-1].startswith("/") or (len(tokens) > 1 and "/" in tokens[-1]) else 2
    own = tokens[: len(tokens) - behind]
    if len(own) not in (1, 2):
        raise _wrong(option, text)
    written = own[-1]
    port = 0 if written == "0" else port_number(written, "udp" if udp else "tcp")
    if port is None or not written:
        raise UsageError(f"{option} {text}: {written!r} is neither a port nor a service (hythe services)")
    return Place(text, addresses(own[0] if len(own) == 2 else None), port, udp), tokens[len(own) :]


def _target(option: str, text: str, tokens: list[str], *, udp: bool) -> Target:
    if len(tokens) == 1 and "/" in tokens[0]:
        return Target(path=tokens[0])
    if len(tokens) != 2 or not all(tokens):
        raise _wrong(option, text)
    host, written = tokens
    port = port_number(written, "udp" if udp else "tcp")
    if not port:
        raise UsageError(f"{option} {text}: {written!r} is neither a port nor a service (hythe services)")
    return Target(host.removeprefix("[").removesuffix("]"), port)


def _bind(place: Place) -> str:
    if place.addresses == EVERYWHERE:
        return ""
    return "localhost" if place.addresses == LOOPBACK or not place.addresses else place.addresses[0]


def _wrong(option: str, text: str) -> UsageError:
    return UsageError(f"{option} {text} does not say what leads where: write for example {_EXAMPLES[option]}")
