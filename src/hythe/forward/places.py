"""Where a forward or a server begins on this machine: a port of an address, or a Unix socket; bound, or one sentence."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from dataclasses import dataclass
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.gateway.publish.listening import bound
from hythe.services.ports import port_number

LOOPBACK: Final = ("127.0.0.1", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")
#: Ports picked at random that are free for one address may be taken for the next.
_PICKS: Final = 16
#: A machine without IPv6 has one loopback, and one wildcard.
_NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_BACKLOG: Final = 1_024
_PLACE: Final = re.compile(r"(?:(?P<address>\[[^\[\]]*\]|[^:\[\]]*):)?(?P<port>[^:]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A port (`addresses` as text, all of them; 0 picks one), or with `path` a Unix socket. `text`: as it was written."""

    text: str
    addresses: tuple[str, ...] = ()
    port: int = 0
    udp: bool = False
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        shown = "*" if self.addresses == EVERYWHERE else "localhost" if self.addresses == LOOPBACK else self.addresses[0]
        return f"[{shown}]:{self.port}" if ":" in shown else f"{shown}:{self.port}"


def parse_place(text: str, option: str) -> Place:
    """``[ADDR:]PORT``, ADDR being loopback unless given, ``*`` for all. Raises `UsageError`, beginning with `option`."""
    match = _PLACE.fullmatch(text)
    port = port_number(match["port"]) if match is not None else None
    if match is None or port is None:
        raise UsageError(f"{option} {text} names no port of this machine: write for example 127.0.0.1:2222 or [::]:2222")
    return Place(text, addresses(match["address"]), port)


def addresses(written: str | None) -> tuple[str, ...]:
    """What a bind address means: ssh's words for loopback and for all."""
    if written is None or written.lower() == "localhost":
        return LOOPBACK
    if written in ("", "*"):
        return EVERYWHERE
    return (written.removeprefix("[").removesuffix("]"),)


def listen(place: Place, option: str, *, shared: bool = False) -> list[socket.socket]:
    """Non-blocking sockets, listening or for UDP bound. Raises `MachineError` beginning with `option`.

    `shared`: see `bound`.
    """
    try:
        if place.path:
            return [_listen_unix(place.path)]
        for _ in range(_PICKS):
            try:
                return _listen(place, shared=shared)
            except OSError as error:
                if place.port or error.errno != errno.EADDRINUSE:
                    raise
    except OSError as error:
        raise _explained(place, option, error) from error
    raise MachineError(f"{option} {place.text}: no free port was found: name one")


def port_of(listeners: list[socket.socket]) -> int:
    """The port they share; 0 for a Unix socket."""
    name = listeners[0].getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def _listen(place: Place, *, shared: bool) -> list[socket.socket]:
    port = place.port
    several = len(place.addresses) > 1
    opened: list[socket.socket] = []
    try:
        for address in place.addresses:
            try:
                opened.append(bound(_numeric(address), port, udp=place.udp, shared=shared))
            except OSError as error:
                if not several or not opened or error.errno not in _NO_SUCH_ADDRESS:
                    raise
            port = port_of(opened)
    except BaseException:
        for each in opened:
            each.close()
        raise
    return opened


def _numeric(address: str) -> str:
    """An address, or what a name of this machine's is. Bytes, since Python chokes on labels that are none."""
    found = socket.getaddrinfo(os.fsencode(address), None, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _listen_unix(path: str) -> socket.socket:
    """For this user alone. A socket that nobody listens on any more makes way, as that of a forward that was killed."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        if _is_left_over(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _is_left_over(path: str) -> bool:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as caller:
        return caller.connect_ex(path) == errno.ECONNREFUSED


def _explained(place: Place, option: str, error: OSError) -> MachineError:
    what = f"{option} {place.text}"
    if place.path:
        reason = "something is there already" if error.errno == errno.EADDRINUSE else error.strerror
        return MachineError(f"{what}: {place.path} cannot be listened on ({reason}): name another path")
    where = f"{'UDP' if place.udp else 'TCP'} port {place.port} of {' or '.join(place.addresses)}"
    if error.errno == errno.EADDRINUSE:
        return MachineError(f"{what}: {where} is in use: end what listens there, or name another port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return MachineError(
            f"{what}: {where} is privileged: name a port from 1024 on, or as root, run: "
            f"sysctl net.ipv4.ip_unprivileged_port_start={place.port}"
        )
    if error.errno in _NO_SUCH_ADDRESS or isinstance(error, socket.gaierror):
        return MachineError(
            f"{what}: this machine does not have the address {' or '.join(place.addresses)}: "
            "write one that `ip address` shows, or * for all"
        )
    return MachineError(f"{what}: {where} cannot be listened on ({error.strerror}): name another port")
