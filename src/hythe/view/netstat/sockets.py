"""Sockets as rows: the kernel's by NETLINK_SOCK_DIAG, a session's by its API, and which of them are wanted.

The kernel answers for the network namespace that we are in. Its dump is no snapshot: what opens or ends meanwhile may be in
it or not, as for ss.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hythe.errors import MachineError
from hythe.wire import inetdiag

if TYPE_CHECKING:
    from hythe.session.client import Session
    from hythe.session.model import Connection, End, Listener, Process

_NETLINK_SOCK_DIAG: Final = 4
_READ: Final = 1 << 18
_FAMILIES: Final[Mapping[int, int]] = MappingProxyType({4: inetdiag.IPV4, 6: inetdiag.IPV6})
_PROTOCOLS: Final[Mapping[str, int]] = MappingProxyType({"tcp": inetdiag.TCP, "udp": inetdiag.UDP})
#: As the kernel numbers them (linux/tcp_states.h), in netstat's words.
_STATES: Final = (
    *("UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"),
    *("CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV"),
)
_ENOENT: Final = 2


@dataclass(frozen=True, slots=True)
class Holder:
    """A process with a descriptor of the socket. `pid`: as this machine numbers it."""

    pid: int
    program: str
    descriptor: int


@dataclass(slots=True)
class Row:
    """One socket. Addresses are packed, `mapped`: IPv4's in an IPv6 socket. A port 0 is none.

    `user`: None where nobody says. `interface`: to which the socket is bound, or none. `session`: whose it is, if not the
    kernel's; `name`: by which a session's command had looked the remote up; `via`: the way it goes. `counters`: where asked
    for, of TCP.
    """

    protocol: str
    family: int
    receive_queue: int
    send_queue: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    state: str
    user: int | None
    inode: int = 0
    mapped: bool = False
    interface: str = ""
    session: str | None = None
    name: str | None = None
    via: str | None = None
    holders: Sequence[Holder] = field(default=())
    counters: inetdiag.Counters | None = None

    @property
    def waits(self) -> bool:
        """Does it wait for whoever comes?"""
        return self.remote_port == 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sockets: protocols, families (4, 6), those that listen, those that are connected."""

    protocols: frozenset[str]
    families: frozenset[int]
    listening: bool
    connected: bool

    def has(self, row: Row) -> bool:
        """Is this one of them?"""
        if row.protocol not in self.protocols or row.family not in self.families:
            return False
        return self.listening if row.waits else self.connected


def of_machine(wanted: Wanted, *, counters: bool = False) -> list[Row]:
    """This machine's sockets, of our network namespace; with `counters`, of TCP's.

    Raises `MachineError` where the kernel does not tell.
    """
    names = dict(socket.if_nameindex())
    rows = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag:
        sequence = 0
        for protocol in sorted(wanted.protocols):
            for family in sorted(wanted.families):
                sequence += 1
                diag.sendall(inetdiag.request(_FAMILIES[family], _PROTOCOLS[protocol], sequence, counters=counters))
                try:
                    for each in _answer(diag, _PROTOCOLS[protocol], sequence):
                        row = _row(each, protocol, family, names)
                        if wanted.has(row):
                            rows.append(row)
                except OSError as error:
                    if error.errno != _ENOENT:  # a kernel without IPv6 has no such sockets
                        raise MachineError(
                            f"the kernel does not tell of sockets ({error}): load its module {protocol}_diag"
                        ) from error
    return rows


def _answer(diag: socket.socket, protocol: int, sequence: int) -> Iterator[inetdiag.Socket]:
    while True:
        for each in inetdiag.read(diag.recv(_READ), protocol, sequence):
            if each is None:
                return
            yield each


def _row(each: inetdiag.Socket, protocol: str, family: int, names: Mapping[int, str]) -> Row:
    state = _STATES[each.state] if each.state < len(_STATES) else _STATES[0]
    if protocol == "udp" and state == "CLOSE":
        state = ""
    return Row(
        protocol,
        family,
        each.receive_queue,
        each.send_queue,
        each.local,
        each.local_port,
        each.remote,
        each.remote_port,
        state,
        each.user,
        each.inode,
        mapped=family == 6 and len(each.local) == 4,
        interface=names.get(each.interface, str(each.interface)) if each.interface else "",
        counters=each.counters,
    )


def of_session(session: Session, wanted: Wanted, *, processes: bool) -> list[Row]:
    """A session's listeners and connections, seen from the command. Raises `SessionEndedError`.

    A forward's Unix sockets, and ports of its far end, are no sockets of this kind and place, and left out.
    """
    found = session.listeners(processes=processes) if wanted.listening else []
    rows = [_listener(session.name, each) for each in found if _packed(each.outside or each.inside)]
    connections = session.connections(processes=processes)
    rows += [_connection(session.name, each) for each in connections if _packed(each.inside)]
    return [row for row in rows if wanted.has(row)]


def _listener(session: str, each: Listener) -> Row:
    end = each.outside or each.inside
    local = _packed(end)
    state = "LISTEN" if each.protocol == "tcp" else ""
    row = Row(each.protocol, _family(local), 0, 0, local, end.port, bytes(len(local)), 0, state, None, session=session)
    return _held(row, each.process)


def _connection(session: str, each: Connection) -> Row:
    local, remote = _packed(each.inside), _packed(each.remote)
    name = each.name or (each.remote.address if not remote else None)
    row = Row(
        each.protocol,
        _family(local),
        each.held_down,
        each.held_up,
        local,
        each.inside.port,
        remote or bytes(len(local)),
        each.remote.port,
        each.state,
        None,
        session=session,
        name=name,
        via=each.via,
    )
    return _held(row, each.process)


def _held(row: Row, process: Process | None) -> Row:
    if process is not None:
        row.user = process.user
        row.holders = (Holder(process.pid, process.program, process.descriptor),)
    return row


def _packed(end: End) -> bytes:
    """Nothing for what is no address: a name that the far end looks up, or a path."""
    try:
        return ip_address(end.address).packed
    except ValueError:
        return b""


def _family(address: bytes) -> int:
    return 4 if len(address) == 4 else 6


def addresses(rows: Iterable[Row]) -> set[bytes]:
    """All addresses that could have a name."""
    return {each for row in rows for each in (row.local, row.remote) if any(each)}
