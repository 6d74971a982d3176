"""The text of ``--via``: ``WAY[,WAY…] [for DESTINATION, …]``.

    wg:FILE                                     WireGuard, by a configuration file of wg-quick
    ssh://[USER@]HOST[:PORT]                    SSH; ~/.ssh/config may know HOST
    socks5://[USER[:PASSWORD]@]HOST[:PORT]      SOCKS5; socks5h:// means the same here
    socks4a://[USER@]HOST[:PORT]
    http://[USER[:PASSWORD]@]HOST[:PORT]        HTTP's CONNECT; https:// by TLS to the proxy
    direct                                      this machine's own sockets

Ways with commas between them are a chain, as with ``ssh -J``: the first is reached from here, each other through those
before it. With `for` the chain is for the destinations that `patterns` describes alone. Several ``--via`` are alternatives.
Special characters of a user or a password are written as in any URL (``%40`` for ``@``).

Read before the fork of `hythe run`, so little is imported here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from hythe.errors import UsageError
from hythe.services.ports import port_number
from hythe.via.patterns import Pattern, ascii_name, endpoint
from hythe.via.patterns import parse as parse_patterns

#: The ways that are written as a URL, and the port where none is given; ssh's own configuration may know one.
URLS: Final[Mapping[str, int | None]] = MappingProxyType(
    {"ssh": None, "socks5": 1080, "socks5h": 1080, "socks4a": 1080, "http": 80, "https": 443}
)
_FORMS = "wg:FILE, ssh://HOST, socks5://HOST, socks4a://HOST, http://HOST, https://HOST or direct"
#: A comma begins another way where a scheme follows: names of files and passwords may have commas.
_HOPS = re.compile(r",\s*(?=[A-Za-z][A-Za-z0-9+.-]*:|direct\b)")
_FOR = re.compile(r"(?P<way>.*\S)\s+for(?:\s+(?P<destinations>.*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")
#: RFC 1929, 2: the length is one byte.
_SOCKS_WORD_MAX = 255


@dataclass(frozen=True, slots=True)
class Hop:
    """One way. `path`: the file of ``wg:``. `port` None: the way's own configuration knows. `password` is never shown."""

    scheme: str
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = ""

    def __str__(self) -> str:
        if self.scheme == "direct":
            return "direct"
        if self.path:
            return f"{self.scheme}:{self.path}"
        user = f"{self.user}@" if self.user is not None else ""
        where = endpoint(self.host, self.port) if self.port is not None else self.host
        return f"{self.scheme}://{user}{where}"


@dataclass(frozen=True, slots=True)
class Route:
    """The value of one ``--via``. `patterns`: empty where it is for all that no other is for."""

    hops: tuple[Hop, ...]
    patterns: tuple[Pattern, ...] = ()

    @property
    def direct(self) -> bool:
        """Is it none but this machine's own sockets?"""
        return self.hops[0].scheme == "direct"

    @property
    def chain(self) -> str:
        """The hops as text, without secrets."""
        return ",".join(map(str, self.hops))

    def __str__(self) -> str:
        return self.chain + (f" for {', '.join(each.text for each in self.patterns)}" if self.patterns else "")


def parse(text: str) -> Route:
    """Read one ``--via``. Raises `UsageError`, which never shows a password."""
    ways, patterns = text.strip(), ()  # type: tuple[str, tuple[Pattern, ...]]
    match = _FOR.fullmatch(ways)
    if match is not None:
        ways, patterns = match["way"], parse_patterns(match["destinations"] or "")
    hops = tuple(_hop(each.strip()) for each in _HOPS.split(ways))
    if len(hops) > 1 and any(each.scheme == "direct" for each in hops):
        raise UsageError("direct stands alone in --via: the first way of a chain is reached directly anyhow")
    return Route(hops, patterns)


def parse_all(texts: Sequence[str]) -> tuple[Route, ...]:
    """Read several ``--via``; at most the last is without `for`, since nothing would reach those behind it."""
    routes = tuple(map(parse, texts))
    for route in routes[:-1]:
        if not route.patterns:
            raise UsageError(
                f"--via {route} is for everything, so nothing would go by what comes after it: say what it is for "
                f"(--via '{route} for *.example.com'), or chain them with a comma"
            )
    return routes


def shown(words: Sequence[str]) -> list[str]:
    """The words of a command line, for views: without the passwords of its ``--via``."""
    found, before = [], ""
    for word in words:
        option, equals, text = word.partition("=")
        if before == "--via":
            found.append(_without_secrets(word))
        elif equals and option == "--via":
            found.append(f"--via={_without_secrets(text)}")
        else:
            found.append(word)
        before = word
    return found


def _without_secrets(text: str) -> str:
    try:
        return str(parse(text))
    except UsageError:
        return "…"


def _hop(text: str) -> Hop:
    if text == "direct":
        return Hop("direct")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "wg":
        return _wireguard(rest)
    if not colon or scheme not in URLS:
        shown = f"{scheme}:…" if colon and "@" in rest else text
        raise UsageError(f"{shown!r} is not a way: write {_FORMS}")
    if not rest.startswith("//"):
        raise UsageError(f"--via {scheme}: lacks its slashes: write {scheme}://HOST")
    return _url(scheme, rest[2:])


def _wireguard(path: str) -> Hop:
    if not path or path.startswith("//"):
        raise UsageError("--via wg: takes a file: write wg:FILE, with a configuration as wg-quick reads it")
    return Hop("wg", path=os.path.expanduser(path))


def _url(scheme: str, rest: str) -> Hop:
    login, at, place = rest.rpartition("@")
    user, password = _login(scheme, login) if at else (None, None)
    place = place.removesuffix("/")
    shown = f"{scheme}://{place}"
    if place.startswith("["):
        host, bracket, tail = place[1:].partition("]")
        well_formed = bool(bracket) and _IPV6.fullmatch(host) is not None
        colon, port_text = tail[:1], tail[1:]
        well_formed = well_formed and colon in ("", ":")
    else:
        host, colon, port_text = place.partition(":")
        host = ascii_name(host)
        well_formed = _HOST.fullmatch(host) is not None
    if not well_formed:
        raise UsageError(f"{shown!r} names no host: write {scheme}://HOST:PORT, an IPv6 address as [ADDRESS]")
    port = port_number(port_text) if colon else URLS[scheme]
    if port == 0 or (colon and port is None):
        raise UsageError(f"{port_text!r} in {shown!r} is not a port: write a number from 1 to 65535, or a service")
    return Hop(scheme, host, port, user, password)


def _login(scheme: str, login: str) -> tuple[str, str | None]:
    from urllib.parse import unquote

    user, colon, word = login.partition(":")
    user, password = unquote(user), unquote(word) if colon else None
    if not user:
        raise UsageError(f"--via {scheme}:// has an @ but no user before it: write {scheme}://USER@HOST, or leave it out")
    if colon and scheme == "ssh":
        raise UsageError("--via ssh:// takes no password, which others could read: use a key, or be asked for it")
    if colon and scheme == "socks4a":
        raise UsageError("--via socks4a:// takes no password, for SOCKS4 has none: use socks5://, or leave it out")
    if scheme.startswith("socks") and max(len(user.encode()), len((password or "").encode())) > _SOCKS_WORD_MAX:
        raise UsageError(f"--via {scheme}://: user and password have at most {_SOCKS_WORD_MAX} bytes (RFC 1929)")
    if scheme.startswith("http") and ":" in user:
        raise UsageError(f"--via {scheme}://: a user of HTTP's Basic authentication has no colon (RFC 7617, 2)")
    if any(ord(each) < 32 or ord(each) == 127 for each in user + (password or "")):
        raise UsageError(f"--via {scheme}://: user or password has control characters, which no proxy takes")
    return user, password
