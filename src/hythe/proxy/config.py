"""What there is to configure of a proxy. The words here are those of the schema, and defaults are reasons' own.

Lengths of time are nanoseconds, sizes bytes, rates bits a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from hythe.proxy import kinds
from hythe.proxy.kinds import Hours, Listen, Network, setting, table, tables
from hythe.units import SECOND
from hythe.via.patterns import Pattern
from hythe.via.spec import Route

_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MapConfig:
    """``[[map]]``: a port of this machine that leads to a port elsewhere."""

    listen: Listen = setting(kinds.LISTEN, "Where clients connect to; loopback unless an address or interface is given.")
    to: tuple[str, ...] = setting(kinds.DESTINATIONS, "Where they are led, HOST:PORT; of several, as `balance` says.")
    balance: str = setting(
        kinds.BALANCE,
        "failover: the first destination that works; least-connections: the one with the fewest.",
        "failover",
    )
    check: int = setting(kinds.DURATION, "How often destinations are tried by connecting to them.", 0)
    connect: int = setting(kinds.WAIT, "How long a destination may take to answer.", 10 * SECOND)
    idle: int = setting(kinds.DURATION, "After how long in which nothing moves a connection ends; UDP: 60s unless given.", 0)
    half_closed: int = setting(kinds.DURATION, "The same once one of its directions has ended.", 3_600 * SECOND)
    unread: int = setting(kinds.DURATION, "How long somebody may take nothing of what it is sent.", 900 * SECOND)
    connections: int = setting(kinds.COUNT, "Most clients of this map at a time.", 9_000)
    via: tuple[Route, ...] = setting(kinds.ROUTES, "The way out; direct unless given.", ())
    source: str = setting(kinds.SOURCE, "An address or interface of this machine's that connections leave from.", "")
    proxied: tuple[Network, ...] = setting(
        kinds.NETWORKS, "Senders of the PROXY protocol (v1, v2): they begin each connection by it, others never do.", ()
    )
    certificate: str = setting(
        kinds.FILE, "A file with our certificate (PEM): clients speak TLS to us. Read anew as it changes.", ""
    )
    key: str = setting(kinds.FILE, "A file with its key, unless that is in the same.", "")
    proxy_protocol: str = setting(
        kinds.PROXY_PROTOCOL, "Tell destinations whose the connection is by the PROXY protocol.", ""
    )
    tls: bool = setting(kinds.FLAG, "Speak TLS to destinations, which have to prove that they are who `to` says.", False)
    authorities: str = setting(
        kinds.FILE, "A file with the authorities (PEM) that they are proved by; the machine's unless given.", ""
    )
    names: Mapping[str, str] = setting(
        kinds.TEXTS_BY_NAME,
        "Other destinations by the name that a TLS client asks for, which may begin with `*.`; nothing is decrypted.",
        _NOBODY,
    )
    ftp: bool | None = setting(kinds.FLAG, "Follow FTP and map its data ports; true if all destinations are port 21.", None)
    data_ports: tuple[int, int] = setting(kinds.PORTS, "Ports for FTP's passive data connections; any unless given.", (0, 0))
    expose: bool = setting(kinds.EXPOSE, "Lets the port be open to networks that are not internal.", False)


@dataclass(frozen=True, slots=True)
class EntryConfig:
    """``[[socks]]`` and ``[[http]]``: a port where clients say where they want to go."""

    listen: Listen = setting(kinds.LISTEN, "Where clients connect to; loopback unless an address or interface is given.")
    login: bool | None = setting(kinds.FLAG, "Clients must log in as one of `users`; true where there are any.", None)
    connect: int = setting(kinds.WAIT, "How long a destination may take to answer.", 30 * SECOND)
    idle: int = setting(kinds.DURATION, "After how long in which nothing moves a connection ends; never unless given.", 0)
    half_closed: int = setting(kinds.DURATION, "The same once one of its directions has ended.", 3_600 * SECOND)
    unread: int = setting(kinds.DURATION, "How long somebody may take nothing of what it is sent.", 900 * SECOND)
    connections: int = setting(kinds.COUNT, "Most clients of this port at a time.", 9_000)
    via: tuple[Route, ...] = setting(kinds.ROUTES, "The way out; direct unless given.", ())
    source: str = setting(kinds.SOURCE, "An address or interface of this machine's that connections leave from.", "")
    proxied: tuple[Network, ...] = setting(
        kinds.NETWORKS, "Senders of the PROXY protocol (v1, v2): they begin each connection by it, others never do.", ()
    )
    certificate: str = setting(
        kinds.FILE, "A file with our certificate (PEM): clients speak TLS to us. Read anew as it changes.", ""
    )
    key: str = setting(kinds.FILE, "A file with its key, unless that is in the same.", "")
    expose: bool = setting(kinds.EXPOSE, "Lets the port be open to networks that are not internal.", False)


@dataclass(frozen=True, slots=True)
class TransparentConfig:
    """``[transparent]``: connections that never hear of a proxy, by `hythe run --proxy` and `hythe gateway --proxy`."""

    idle: int = setting(kinds.DURATION, "After how long in which nothing moves a connection ends; never unless given.", 0)
    via: tuple[Route, ...] = setting(kinds.ROUTES, "The way out; direct unless given.", ())
    source: str = setting(kinds.SOURCE, "An address or interface of this machine's that connections leave from.", "")
    #: The command's own kernel sees to these.
    half_closed: ClassVar[int] = 0
    unread: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """``[[rule]]``: the first rule that matches in all it names decides; what none matches is refused if there are any."""

    action: str = setting(kinds.ACTION, "What becomes of a connection that matches.")
    clients: tuple[Network, ...] = setting(kinds.NETWORKS, "Networks of clients.", ())
    users: tuple[str, ...] = setting(kinds.NAMES, "Users who have logged in.", ())
    to: tuple[tuple[Pattern, ...], ...] = setting(kinds.PATTERNS, "Destinations by name, network, port or service.", ())
    hours: Hours | None = setting(kinds.HOURS, "At this time of day, by this machine's clock.", None)
    days: frozenset[int] | None = setting(kinds.DAYS_OF_WEEK, "On these days.", None)


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """``[per_client]``, by address (IPv6: by /64), and ``[per_user]``: what one of them may have."""

    connections: int = setting(kinds.COUNT, "Connections at a time.", 0)
    opens: int = setting(kinds.COUNT, "Connections begun in a minute.", 0)
    rate: int = setting(kinds.RATE, "Bits a second, both directions of all connections together.", 0)
    bytes: int = setting(kinds.SIZE, "Bytes in an hour, both directions of all connections together.", 0)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``[log]``: one line for each connection at its end."""

    file: str = setting(kinds.FILE, "The file, opened anew on SIGHUP; standard output unless given.", "")
    format: str = setting(kinds.FORMAT, "Lines for people, or JSON.", "text")


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """All of it."""

    internal: tuple[Network | str, ...] = setting(kinds.ZONES, "Inside: ports are opened here alone.", ())
    external: tuple[Network | str, ...] = setting(kinds.ZONES, "Outside: no port is ever opened here unless exposed.", ())
    map: tuple[MapConfig, ...] = setting(tables(MapConfig), "Mapped ports.", ())
    socks: tuple[EntryConfig, ...] = setting(tables(EntryConfig), "SOCKS4a and SOCKS5.", ())
    http: tuple[EntryConfig, ...] = setting(tables(EntryConfig), "HTTP proxies.", ())
    transparent: TransparentConfig | None = setting(
        table(TransparentConfig), "Connections of commands and peers that know of no proxy.", None
    )
    users: Mapping[str, str] = setting(
        kinds.TEXTS_BY_NAME, "Users and what `hythe proxy --hash-password` prints for their passwords.", _NOBODY
    )
    rule: tuple[RuleConfig, ...] = setting(tables(RuleConfig), "Who may go where.", ())
    per_client: LimitConfig = setting(table(LimitConfig), "Limits of each client.", LimitConfig())
    per_user: LimitConfig = setting(table(LimitConfig), "Limits of each user.", LimitConfig())
    log: LogConfig = setting(table(LogConfig), "The access log.", LogConfig())
    name: str = setting(kinds.TEXT, "What the session is called in `hythe ps`.", "proxy")
    workers: int = setting(kinds.PROCESSES, "Processes that share the ports.", 1)
    drain: int = setting(kinds.DURATION, "How long connections may go on after SIGTERM.", 30 * SECOND)
