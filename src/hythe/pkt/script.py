"""What a packet script says: its options, and its events in order. Every part knows the line it stands on.

Times are nanoseconds, sequence numbers are the script's own (relative, as it writes them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hythe.errors import UsageError


class ScriptError(UsageError):
    """The script cannot be read or run: ``file:line: what was expected``."""

    def __init__(self, path: str, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.line = line


class Anything:
    """``...`` where a value may stand, and ``*`` for a result: whatever is there will do."""

    def __repr__(self) -> str:
        return "..."


ANYTHING: Final = Anything()


@dataclass(frozen=True, slots=True)
class Time:
    """When an event happens: `at` is counted from the event before it if `relative`. `until` ends a range.

    `any` stands for ``*``: whenever it happens.
    """

    at: int
    relative: bool
    until: int | None = None
    any: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A constant by its name, such as ``SOCK_STREAM``."""

    text: str


@dataclass(frozen=True, slots=True)
class Apply:
    """``htons(8080)``, ``inet_addr("192.0.2.1")``, and a bitwise "or" of constants (`function` is ``|``)."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Struct:
    """``{field=value, …}``; a value without a name goes by its position, "0", "1" and so on."""

    fields: tuple[tuple[str, Expression], ...]


Expression = int | bytes | Anything | Name | Apply | Struct | tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A system call: ``write(4, ..., 1000) = 1000``. `blocks_until` for one that takes a while (``0...0.2 accept(…)``).

    `result` is a number or ANYTHING; `error` the name of the errno, "" for none.
    """

    name: str
    arguments: tuple[Expression, ...]
    result: int | Anything
    error: str = ""
    blocks_until: int | None = None


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP segment. `flags` as bits; `ack`, `window`: None where the script names none; `options`: None for any.

    `sack` and the like bear the script's own numbers.
    """

    flags: int
    seq: int
    size: int
    ack: int | None
    window: int | None
    urgent: int
    options: tuple[Option, ...] | None


@dataclass(frozen=True, slots=True)
class Option:
    """One TCP option: `kind` is packetdrill's word for it (``mss``, ``sackOK``, ``TS``, ``FO``, ``exp-FO``, ``nop`` …).

    `values`: numbers; `data`: the bytes of a cookie.
    """

    kind: str
    values: tuple[int, ...] = ()
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Udp:
    """A datagram of `size` bytes of payload."""

    size: int


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP error about something sent: `words` such as ("unreachable", "frag_needed"), and the octets it quotes.

    Of one that goes out only the words are looked at.
    """

    words: tuple[str, ...]
    mtu: int
    seq: int
    size: int
    quotes_udp: bool = False


@dataclass(frozen=True, slots=True)
class PacketEvent:
    """A packet that comes in or is to go out. `ecn`: the two bits of the IP header, `tos` all eight; None for any.

    `ports`: source and destination, by the script's numbers, where it names them.
    """

    inbound: bool
    what: Tcp | Udp | Icmp
    ecn: int | None = None
    tos: int | None = None
    ttl: int | None = None
    flow_label: int | None = None
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell line; only ``sysctl`` is understood."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """``%{ … }%``: Python that asserts things about ``tcp_info``."""

    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time, on a line of the file."""

    line: int
    time: Time
    action: Call | PacketEvent | Shell | Code


@dataclass(slots=True)
class Script:
    """One file. `options`: the ``--name=value`` lines with their line numbers; `only`: "hythe" or "linux" by a marker."""

    path: str
    options: list[tuple[int, str, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    only: str = ""
    reason: str = ""
