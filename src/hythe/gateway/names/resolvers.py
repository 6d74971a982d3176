"""The resolvers that are asked on the command's behalf, as they are now."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from hythe.gateway.names.resolvconf import ResolvConf, packed
from hythe.wire.resolvconf import PATH, PORT, Server

#: A connect of a non-blocking stream that goes on.
_UNDER_WAY: Final = (0, errno.EINPROGRESS)


class Resolver:
    """One resolver. Raises OSError for a zone that this machine does not have."""

    __slots__ = ("_address", "_family", "text")

    def __init__(self, server: Server) -> None:
        host, port = server
        # Not connect's own look-up: it would lose the zone of an IPv6 address.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        self._family: socket.AddressFamily = found[0][0]
        self._address: Any = found[0][4]
        self.text = host if port == PORT else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def open(self, kind: socket.SocketKind) -> socket.socket:
        """A non-blocking socket of `kind` connected, or on its way to being connected, to the resolver. OSError."""
        opened = socket.socket(self._family, kind | socket.SOCK_NONBLOCK)
        try:
            number = opened.connect_ex(self._address)
        except BaseException:
            opened.close()
            raise
        if number not in _UNDER_WAY:
            opened.close()
            raise OSError(number, os.strerror(number))
        return opened


class Resolvers:
    """`all`: whom to ask, in order. `fixed`: those of `--dns`; None follows this machine's resolv.conf.

    `make`: a resolver of a server; `where`: what to check when none answers, if it is not where they come from.
    """

    __slots__ = ("_fixed", "_make", "_notice", "_seen", "_told", "_where", "all", "machine")

    def __init__(
        self,
        fixed: list[Server] | None,
        notice: Callable[[str], None],
        make: Callable[[Server], Resolver] = Resolver,
        where: str | None = None,
    ) -> None:
        self._fixed = fixed
        self._make = make
        self._where = where or (f"this machine's {PATH}" if fixed is None else "")
        self._notice = notice
        self._seen: object = None
        self._told = False
        self.all: list[Resolver] = []
        #: Packed addresses in this machine's resolv.conf, whoever is asked.
        self.machine: list[bytes] = []

    def refresh(self) -> bool:
        """Read resolv.conf again if it has changed; True if it had."""
        try:
            found = os.stat(PATH)
            seen = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
        except OSError as error:
            seen = (error.errno or 0, 0, 0, 0)
        if seen == self._seen:
            return False
        self._seen = seen
        conf = ResolvConf.read()
        self.all = self._resolvers(conf.servers if self._fixed is None else self._fixed)
        self.machine = [address for host, _ in conf.servers if (address := packed(host)) is not None]
        return True

    def choose(self, name: str) -> list[Resolver]:
        """Whom to ask about `name`, in order; the same list for the same of several kinds of names."""
        return self.all

    def heard(self, name: str, message: bytes, now: int) -> None:
        """The command has got this answer about `name`."""

    def silent(self) -> None:
        """None of them has answered: tell the person once."""
        if not self._told:
            self._told = True
            asked = ", ".join(resolver.text for resolver in self.all)
            check = f"check {self._where}, or " if self._where else ""
            self._notice(
                f"names cannot be looked up: no answer from {asked}; {check}name a resolver that works with --dns ADDR"
            )

    def _resolvers(self, servers: list[Server]) -> list[Resolver]:
        found = []
        for server in servers:
            try:
                found.append(self._make(server))
            except OSError:
                continue  # its zone names an interface that is not there, so nobody could ask it
        return found
