"""Which destinations are meant: ``*.corp.example``, ``10.0.0.0/8``, ``:smtp``, ``[fd00::/8]:443``.

A pattern names hosts (a name, with ``*`` for anything in it; an address; a network), ports (a number, a service or a range),
or both. A pattern of names never matches an address, nor a network a name: nothing is looked up to decide, so that deciding
tells nobody what is sought. ``*`` alone matches all.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from hythe.errors import UsageError
from hythe.services.ports import port_range

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABELS = re.compile(r"[a-z0-9_*]([a-z0-9_*-]*[a-z0-9_*])?(\.[a-z0-9_*]([a-z0-9_*-]*[a-z0-9_*])?)*")
_EXAMPLES = "write for example *.corp.example, 10.0.0.0/8, or :smtp"


@dataclass(frozen=True, slots=True)
class Pattern:
    """`hosts`: a network, an expression for names, or None for any; `ports`: None for any."""

    text: str
    hosts: _Network | re.Pattern[str] | None
    ports: range | None

    def matches(self, host: str | _Address, port: int) -> bool:
        """`host` is as `normal` returned it."""
        return (self.ports is None or port in self.ports) and self.covers(host)

    def covers(self, host: str | _Address) -> bool:
        """Whether some port of `host` is meant."""
        if self.hosts is None:
            return True
        if isinstance(self.hosts, re.Pattern):
            return isinstance(host, str) and self.hosts.fullmatch(host) is not None
        return not isinstance(host, str) and host in self.hosts


def normal(host: str) -> str | _Address:
    """A destination in the form that patterns are compared with: an address, or a name in small letters.

    An IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address that it leads to.
    """
    bare = host.partition("%")[0]
    try:
        return ipaddress.IPv4Address(socket.inet_pton(socket.AF_INET, bare))  # a fifth of what `ipaddress` takes to read it
    except (OSError, ValueError):
        if ":" not in bare:
            return ascii_name(host)
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return ascii_name(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_address(host: str) -> bool:
    """Whether `host` is an address, not a name; IPv6 without a zone."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def ascii_name(name: str) -> str:
    """As DNS writes it: small letters, no dot at the end, other scripts by IDNA. What has no such form stays as it is."""
    name = name.removesuffix(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def endpoint(host: str, port: int) -> str:
    """For messages: ``example.com:80``, ``[fd00::1]:80``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(text: str) -> tuple[Pattern, ...]:
    """The patterns of a list with commas between them. Raises `UsageError`."""
    found = tuple(_pattern(word) for word in re.split(r"[\s,]+", text.strip(", \t\n")) if word)
    if not found:
        raise UsageError(f"{text!r} names no destination: {_EXAMPLES}")
    return found


def _pattern(word: str) -> Pattern:
    host, ports = _cut(word)
    allowed = None
    if ports is not None:
        allowed = port_range(ports)
        if allowed is None or allowed[0] == 0:
            raise UsageError(f"{ports!r} in {word!r} is not a port: write a number, a service, or a range such as 8000-8100")
    if host in ("", "*"):
        return Pattern(word, None, allowed)
    return Pattern(word, _hosts(host, word), allowed)


def _cut(word: str) -> tuple[str, str | None]:
    """Host and port; an IPv6 network with a port stands in brackets (RFC 3986, 3.2.2)."""
    if word.startswith("["):
        host, bracket, rest = word[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UsageError(f"{word!r} is not a destination: after [ADDRESS] comes nothing, or a colon and a port")
        return host, rest[1:] if rest else None
    if word.count(":") > 1:
        return word, None
    host, colon, port = word.partition(":")
    return host, port if colon else None


def _hosts(host: str, word: str) -> _Network | re.Pattern[str]:
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        name = ascii_name(host)
        if "/" in host or _LABELS.fullmatch(name) is None or name.rpartition(".")[2].isdecimal():
            shown = word.rpartition("@")[2]  # what stands before may be meant as a password
            raise UsageError(f"{shown!r} is neither a name nor a network: {_EXAMPLES}") from None
        return re.compile(re.escape(name).replace(r"\*", ".*"))
    if "/" in host and ipaddress.ip_address(host.partition("/")[0]) != network.network_address:
        raise UsageError(f"{word!r} has bits beyond its /{network.prefixlen}: write {network}")
    return network
