"""What `-p` says: ``[ADDR:]HOSTPORT:PORT[/udp][@PEER]``, with ranges and service names. Read before the first fork."""

from __future__ import annotations

import re

from hythe.errors import UsageError
from hythe.gateway.names.resolvconf import packed
from hythe.services.ports import port_range

#: Where a publication without an address listens.
LOOPBACK = ("127.0.0.1", "::1")

_NUMBERS = re.compile(r"\d+(-\d+)?", re.ASCII)
_EXAMPLES = "write for example 8080:80, 0.0.0.0:8080:80, [::1]:5353:53/udp or 8000-8010:9000-9010"


class Publication:
    """One port. `addresses`: as text, all listened on. `outside`: 0 has the machine pick a port. `text`: as written.

    `peer`: whose port it is, where there are several, by name or address.
    """

    __slots__ = ("addresses", "inside", "outside", "peer", "text", "udp")

    def __init__(
        self, text: str, addresses: tuple[str, ...], outside: int, inside: int, *, udp: bool, peer: str | None = None
    ) -> None:
        self.text = text
        self.peer = peer
        self.addresses = addresses
        self.outside = outside
        self.inside = inside
        self.udp = udp

    @property
    def protocol(self) -> str:
        """``tcp`` or ``udp``."""
        return "udp" if self.udp else "tcp"


def parse(text: str) -> list[Publication]:
    """The ports that one `-p` publishes. Raises `UsageError`."""
    where, at, peer = text.partition("@")
    ports, slash, protocol = where.partition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise UsageError(f"-p {text}: {protocol!r} is not a protocol: write /tcp, /udp or neither")
    addresses: tuple[str, ...] = LOOPBACK
    parts = ports.rsplit(":", 2)
    if len(parts) == 3:
        addresses = (_address(text, parts.pop(0)),)
    if len(parts) != 2 or not all(parts):
        raise UsageError(f"-p {text} does not say which port leads where: {_EXAMPLES}")
    outside, inside = (_ports(text, each, protocol or "tcp") for each in parts)
    if len(outside) != len(inside):
        raise UsageError(f"-p {text}: {len(outside)} ports cannot lead to {len(inside)}: write ranges of equal length")
    if inside.start == 0 or (outside.start == 0 and len(outside) > 1):
        raise UsageError(f"-p {text}: 0 is not a port (alone in front of the colon it has hythe pick one)")
    return [
        Publication(text, addresses, *pair, udp=protocol == "udp", peer=peer if at else None)
        for pair in zip(outside, inside, strict=True)
    ]


def parse_outside(text: str) -> tuple[bytes | None, range, str]:
    """Which published ports ``[ADDR:]HOSTPORT[/udp]`` means: address (None: any), ports, protocol. Raises `UsageError`."""
    ports, slash, protocol = text.partition("/")
    written, colon, port = ports.rpartition(":")
    bracketed = written.startswith("[") and written.endswith("]")
    address = packed(written[1:-1] if bracketed else written)
    wrong_address = bool(colon) and (address is None or bracketed != (len(address) == 16))
    if wrong_address or (slash and protocol not in ("tcp", "udp")) or not port:
        raise UsageError(f"{text!r} does not say which port outside: write for example 8080, [::1]:8080 or 5353/udp")
    found = port_range(port, protocol or "tcp")
    if found is None:
        raise UsageError(f"{text!r}: {port!r} is neither a port nor a {protocol or 'tcp'} service (hythe services)")
    return address, found, protocol or "tcp"


def _address(text: str, written: str) -> str:
    bracketed = written.startswith("[") and written.endswith("]")
    address = written[1:-1] if bracketed else written
    if packed(address) is None or bracketed != (":" in address):
        raise UsageError(f"-p {text}: {written!r} is not an address of this machine: {_EXAMPLES}")
    return address


def _ports(text: str, written: str, protocol: str) -> range:
    found = port_range(written, protocol)
    if found is not None:
        return found
    if _NUMBERS.fullmatch(written):
        raise UsageError(f"-p {text}: {written} is not a port or a range of ports: they go from 1 to 65535, and upwards")
    raise UsageError(f"-p {text}: {written!r} is neither a port nor a {protocol} service (hythe services)")
