"""resolv.conf(5): which resolvers this machine asks, the file that the command sees in its place, and `--dns`."""

from __future__ import annotations

import socket

from hythe.errors import UsageError
from hythe.services.ports import port_number
from hythe.wire.resolvconf import PATH, PORT, Server, name_servers, statements

#: Lines that mean the same inside as outside.
_KEPT = ("search", "domain", "options", "sortlist")


class ResolvConf:
    """`servers`: whom to ask, in order. `kept`: the lines about search domains and options."""

    __slots__ = ("kept", "servers")

    def __init__(self, text: str) -> None:
        self.servers = name_servers(text, is_address)
        self.kept = [line.rstrip() for keyword, _, line in statements(text) if keyword in _KEPT]

    @classmethod
    def read(cls) -> ResolvConf:
        """This machine's, as it is now; a missing file is like an empty one."""
        try:
            with open(PATH, encoding="utf-8", errors="surrogateescape") as file:
                return cls(file.read())
        except OSError:
            return cls("")

    def inside(self, gateway: bytes) -> str:
        """The text that the command sees: `gateway` (packed) is its only resolver."""
        family = socket.AF_INET if len(gateway) == 4 else socket.AF_INET6
        lines = ["# hythe answers, and asks this machine's resolvers", f"nameserver {socket.inet_ntop(family, gateway)}"]
        return "\n".join(lines + self.kept) + "\n"


def tunnelled(gateway: bytes, search: list[str]) -> str:
    """The same for a command whose names are a tunnel's: nothing of this machine's own file."""
    family = socket.AF_INET if len(gateway) == 4 else socket.AF_INET6
    lines = ["# hythe answers, and asks through the tunnel", f"nameserver {socket.inet_ntop(family, gateway)}"]
    return "\n".join([*lines, *([f"search {' '.join(search)}"] if search else [])]) + "\n"


def parse_servers(text: str) -> list[Server]:
    """What `--dns` names: addresses with or without a port, separated by commas; none for "none". Raises `UsageError`."""
    if text == "none":
        return []
    return [_parse_server(each.strip()) for each in text.split(",")]


def _parse_server(text: str) -> Server:
    host, port = text, str(PORT)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if rest or not bracket:
            port = rest[1:] if rest.startswith(":") else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    number = port_number(port, "udp")
    if not is_address(host) or not number:
        raise UsageError(
            f"--dns {text!r} is no address of a resolver: write for example 9.9.9.9, 127.0.0.1:5353, [2620:fe::9]:53 or none"
        )
    return host, number


def is_address(text: str) -> bool:
    """Is it an IP address, IPv6 with or without a zone?"""
    return packed(text) is not None


def packed(text: str) -> bytes | None:
    """4 or 16 bytes of an address as text, its zone left out; None if it is none."""
    address, percent, zone = text.partition("%")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        found = socket.inet_pton(family, address)
    except OSError:
        return None
    return None if percent and (family == socket.AF_INET or not zone) else found
