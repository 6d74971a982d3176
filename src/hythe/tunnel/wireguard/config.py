"""wg-quick's configuration files (wg-quick(8), wg(8)): what they say, or one sentence with file and line of what is wrong.

What hythe cannot do is refused with a word, never passed over: commands around the tunnel (PostUp …), marks and routing
tables of the kernel. A comment right before or behind ``[Peer]`` names the peer, for the views.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeVar

from hythe.errors import MachineError, UsageError
from hythe.tunnel.wireguard.keys import Secret, key_text, parse_key, public_key
from hythe.units import SECOND

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")

#: What is left of 1500 bytes behind an outer IPv6 header, UDP and the 32 bytes of a data message; wg-quick's default.
MTU_DEFAULT: Final = 1_420
#: RFC 791, 3.2, and RFC 8200, 5; and the most that fits a UDP datagram of 65507 bytes.
MTU_LEAST: Final = 576
MTU_LEAST6: Final = 1_280
MTU_MOST: Final = 65_507 - 32

_COMMANDS: Final = ("preup", "postup", "predown", "postdown")
#: These may be repeated, all others may not.
_REPEATED: Final = frozenset({"address", "dns", "allowedips"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a peer is reached: an address or a name, and a UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """One ``[Peer]``, found in `line`. `keepalive`: nanoseconds, 0 for none. `name`: from the comment, may be empty."""

    public_key: bytes
    allowed_ips: tuple[Network, ...] = ()
    endpoint: Endpoint | None = None
    preshared_key: Secret | None = None
    keepalive: int = 0
    name: str = ""
    line: int = 0

    @property
    def label(self) -> str:
        """How messages call it: its name, or the beginning of its key."""
        return self.name or key_text(self.public_key)[:8] + "…"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file. `source`: its name in messages; `listen_line`: where its port stands.

    `dns`: servers; `search`: domains that ``DNS =`` names beside them.

    `warnings`: sentences for people, about nothing that keeps the tunnel from working.
    """

    private_key: Secret
    peers: tuple[PeerConfig, ...] = ()
    addresses: tuple[Interface, ...] = ()
    dns: tuple[Address, ...] = ()
    search: tuple[str, ...] = ()
    mtu: int = MTU_DEFAULT
    listen_port: int = 0
    source: str = "configuration"
    listen_line: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def public_key(self) -> bytes:
        """Our own public key."""
        return public_key(self.private_key)

    def require_client(self) -> Configuration:
        """Itself, if a client can use it: an address of its own, and an endpoint for each peer. Raises `UsageError`."""
        if not self.addresses:
            raise UsageError(f"{self.source}: [Interface] has no Address, and a client needs the one its server gave it")
        if not self.peers:
            raise UsageError(f"{self.source}: there is no [Peer], so nobody to send to: add the server's")
        for peer in self.peers:
            if peer.endpoint is None:
                raise UsageError(f"{self.source}:{peer.line}: this [Peer] has no Endpoint: add its address and port")
        return self


def read(path: str | Path) -> Configuration:
    """The configuration in a file. Raises `UsageError` for what is written, `MachineError` where it cannot be read."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a BOM in front
        mode = path.stat().st_mode
    except OSError as error:
        raise MachineError(f"{path} cannot be read ({error.strerror}): name a WireGuard configuration") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text: name a WireGuard configuration") from error
    warnings: tuple[str, ...] = ()
    if mode & stat.S_IRWXO and stat.S_ISREG(mode):
        warnings = (f"{path} holds a private key and is open to others: chmod o-rwx {path}",)
    return parse(text, str(path), warnings)


def parse(text: str, source: str = "configuration", warnings: tuple[str, ...] = ()) -> Configuration:
    """The configuration that `text` describes. Raises `UsageError`."""
    return _Parser(source).parse(text, warnings)


@dataclass(slots=True)
class _Section:
    """Words of one section so far: key in lower case -> (its line, what is written)."""

    kind: Literal["interface", "peer"]
    line: int
    name: str = ""
    values: dict[str, tuple[int, str]] = field(default_factory=dict)


class _Parser:
    """Raises `UsageError` that names `source` and the line."""

    __slots__ = ("_line", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._line = 0

    def parse(self, text: str, warnings: tuple[str, ...]) -> Configuration:
        """As the function `parse`."""
        interfaces: list[_Section] = []
        peers: list[_Section] = []
        for section in self._sections(text):
            (interfaces if section.kind == "interface" else peers).append(section)
        if not interfaces:
            self._line = 0
            self._refuse("there is no [Interface] with a PrivateKey: add it")
        if len(interfaces) > 1:
            self._line = interfaces[1].line
            self._refuse("a second [Interface]: one file is one tunnel")
        found = tuple(self._peer(each) for each in peers)
        made = self._interface(interfaces[0], found, warnings)
        self._check_peers(found, made.public_key)
        return made

    def _refuse(self, sentence: str) -> NoReturn:
        where = f"{self._source}:{self._line}" if self._line else self._source
        raise UsageError(f"{where}: {sentence}")

    # --- Lines

    def _sections(self, text: str) -> list[_Section]:
        sections: list[_Section] = []
        comment = ""
        for number, line in enumerate(text.splitlines(), 1):
            self._line = number
            words, _, remark = line.partition("#")
            words, remark = words.strip(), remark.strip()
            if words.startswith("["):
                sections.append(self._section(words, number, remark or comment))
            elif words:
                self._value(sections, words)
            elif remark and sections and sections[-1].line == number - 1 and not sections[-1].name:
                sections[-1].name = remark
            comment = remark if remark and not words else ""
        return sections

    def _section(self, words: str, number: int, name: str) -> _Section:
        kind = words.lower()
        if kind == "[interface]":
            return _Section("interface", number)
        if kind != "[peer]":
            self._refuse(f"{words} is no section of a WireGuard configuration: there are [Interface] and [Peer]")
        return _Section("peer", number, name)

    def _value(self, sections: list[_Section], words: str) -> None:
        key, equals, value = words.partition("=")
        key, value = key.strip(), value.strip()
        if not equals:
            self._refuse(f"{key.split()[0]} stands alone: write KEY = VALUE")
        if not sections:
            self._refuse(f"{key} stands before any section: begin with [Interface]")
        section, lower = sections[-1], key.lower()
        known = _INTERFACE if section.kind == "interface" else _PEER
        if lower not in known:
            self._refuse(f"{key} is unknown in [{section.kind.capitalize()}]: {', '.join(known.values())} are known")
        if not value and lower != "allowedips":
            self._refuse(f"{known[lower]} has no value: write it, or leave the line out")
        if lower in section.values:
            if lower not in _REPEATED:
                self._refuse(f"{known[lower]} is given twice, first in line {section.values[lower][0]}: leave one out")
            value = f"{section.values[lower][1]},{value}"
        section.values[lower] = (self._line, value)

    # --- Sections

    def _take(self, section: _Section, key: str) -> str:
        """What is written for a key, empty where nothing is; messages point to its line."""
        self._line, value = section.values.get(key, (section.line, ""))
        return value

    def _interface(self, section: _Section, peers: tuple[PeerConfig, ...], warnings: tuple[str, ...]) -> Configuration:
        for key in _COMMANDS:
            if self._take(section, key):
                self._refuse(f"{_INTERFACE[key]} is a command for a root's shell, and hythe runs none: leave it out")
        private = self._key(section, "privatekey")
        if private is None:
            self._refuse("[Interface] has no PrivateKey: make one with `hythe wg genkey`")
        addresses = tuple(self._each(section, "address", ipaddress.ip_interface, "an address such as 10.7.0.2/24"))
        dns, search = self._dns(section)
        self._kernels_own(section)
        least = MTU_LEAST6 if any(each.version == 6 for each in addresses) else MTU_LEAST
        return Configuration(
            private_key=Secret(private),
            peers=peers,
            addresses=addresses,
            dns=dns,
            search=search,
            mtu=self._number(section, "mtu", least, MTU_MOST, MTU_DEFAULT),
            listen_port=self._number(section, "listenport", 0, 65_535, 0),
            source=self._source,
            listen_line=section.values.get("listenport", (0, ""))[0],
            warnings=warnings,
        )

    def _kernels_own(self, section: _Section) -> None:
        """What would change the kernel's settings: taken where it says that nothing is to be changed."""
        table = self._take(section, "table").lower()
        if table not in ("", "auto", "off"):
            self._refuse("Table names a routing table of the kernel, and hythe touches none: leave it out, or write auto")
        if self._take(section, "fwmark").lower() not in ("", "off", "0", "0x0"):
            self._refuse("FwMark marks packets for the kernel's routing rules, and hythe needs none: leave it out")
        if self._take(section, "saveconfig").lower() not in ("", "false"):
            self._refuse("SaveConfig would have this file written anew, and hythe only reads it: write false")

    def _peer(self, section: _Section) -> PeerConfig:
        public = self._key(section, "publickey")
        if public is None:
            self._refuse("this [Peer] has no PublicKey: add the one that `wg pubkey` gives for its private key")
        preshared = self._key(section, "presharedkey")
        keepalive = 0
        if self._take(section, "persistentkeepalive").lower() not in ("", "off"):
            keepalive = self._number(section, "persistentkeepalive", 0, 65_535, 0) * SECOND
        return PeerConfig(
            public_key=public,
            allowed_ips=tuple(dict.fromkeys(self._each(section, "allowedips", _network, "a network such as 10.7.0.0/24"))),
            endpoint=self._endpoint(section),
            preshared_key=Secret(preshared) if preshared and any(preshared) else None,
            keepalive=keepalive,
            name=section.name,
            line=section.line,
        )

    def _check_peers(self, peers: tuple[PeerConfig, ...], own: bytes) -> None:
        by_key: dict[bytes, PeerConfig] = {}
        owner: dict[Network, PeerConfig] = {}
        for peer in peers:
            self._line = peer.line
            if peer.public_key == own:
                self._refuse("this [Peer] has our own public key: write the far side's")
            first = by_key.setdefault(peer.public_key, peer)
            if first is not peer:
                self._refuse(f"this [Peer] has the same PublicKey as the one in line {first.line}: make it one")
            for network in peer.allowed_ips:
                other = owner.setdefault(network, peer)
                if other is not peer:
                    self._refuse(
                        f"AllowedIPs {network} overlaps with that of the [Peer] in line {other.line}: one can have it"
                    )

    # --- Values

    def _key(self, section: _Section, key: str) -> bytes | None:
        text = self._take(section, key)
        if not text:
            return None
        try:
            return parse_key(text)
        except UsageError as error:
            name = (_INTERFACE | _PEER)[key]
            self._refuse(f"{name} is wrong: {error}")

    def _number(self, section: _Section, key: str, least: int, most: int, default: int) -> int:
        text = self._take(section, key)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            self._refuse(f"{(_INTERFACE | _PEER)[key]} = {text} is not a number from {least} to {most}")
        return int(text)

    def _each(self, section: _Section, key: str, make: Callable[[str], T], what: str) -> list[T]:
        found = []
        for text in self._take(section, key).split(","):
            text = text.strip()
            if not text:
                continue
            try:
                found.append(make(text))
            except ValueError:
                self._refuse(f"{(_INTERFACE | _PEER)[key]} = {text} is wrong: write {what}")
        return found

    def _dns(self, section: _Section) -> tuple[tuple[Address, ...], tuple[str, ...]]:
        """Servers and, as wg-quick has it, whatever is no address: a domain to search in."""
        servers, search = [], []
        for text in filter(None, map(str.strip, self._take(section, "dns").split(","))):
            try:
                servers.append(ipaddress.ip_address(text))
            except ValueError:
                search.append(text)
        return tuple(servers), tuple(search)

    def _endpoint(self, section: _Section) -> Endpoint | None:
        text = self._take(section, "endpoint")
        if not text:
            return None
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        good = colon and host and port.isascii() and port.isdecimal() and 0 < int(port) <= 65_535
        if not good or (":" in host) != bracketed or any(each.isspace() for each in host):
            self._refuse(f"Endpoint = {text} is wrong: write ADDRESS:PORT, NAME:PORT or [ADDRESS]:PORT")
        return Endpoint(host, int(port))


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


_INTERFACE: Final = {
    each.lower(): each
    for each in (
        "PrivateKey",
        "Address",
        "DNS",
        "MTU",
        "ListenPort",
        "Table",
        "FwMark",
        "SaveConfig",
        "PreUp",
        "PostUp",
        "PreDown",
        "PostDown",
    )
}
_PEER: Final = {
    each.lower(): each for each in ("PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive")
}
