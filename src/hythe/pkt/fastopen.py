"""Fast Open as a program on hythe's sockets asks for it: in one call, or by connect() and write() (tcp(7))."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hythe.host.host import Host
from hythe.pkt.constants import CONSTANTS
from hythe.pkt.cookies import LinuxCookies
from hythe.pkt.descriptor import Socket
from hythe.pkt.runner import Outcome
from hythe.tcp.states import CLOSED, ESTABLISHED
from hythe.wire.options import OPTIONS_MAX

#: Bits of tcp_fastopen (ip-sysctl.rst): clients may, servers may, clients need no cookie, nor do servers, all listeners may.
CLIENT: Final = 1
SERVER: Final = 2
COOKIELESS: Final = 4
TRUSTING: Final = 0x200
LISTENERS: Final = 0x400
CONNECT: Final = (CONSTANTS["SOL_TCP"], CONSTANTS["TCP_FASTOPEN_CONNECT"])
KEY: Final = (CONSTANTS["SOL_TCP"], CONSTANTS["TCP_FASTOPEN_KEY"])
NO_COOKIE: Final = (CONSTANTS["SOL_TCP"], CONSTANTS["TCP_FASTOPEN_NO_COOKIE"])
_ASKED: Final = (CONSTANTS["SOL_TCP"], CONSTANTS["TCP_FASTOPEN"])
_KEY_SIZES: Final = (16, 32)


class Opener:
    """What both ways need of the host. `allowed`: tcp_fastopen."""

    def __init__(self, host: Host, now: Callable[[], int]) -> None:
        self._host = host
        self._now = now
        self.allowed = CLIENT
        self._common = host.around.fast_open

    # --- Client

    def defers(self, socket: Socket, remote: tuple[bytes, int]) -> bool:
        """Is connect() to have no effect before the first write(), whose text the SYN can bear?"""
        if not socket.options.get(CONNECT):
            return False
        socket.config = replace(socket.config, fast_open=True)
        cookies = self._host.around.fast_open
        ports = bytes(8 if len(remote[0]) == 4 else 20)
        known = cookies.known(remote[0] + ports, self._now()) if cookies is not None else None
        return known is not None and bool(known.cookie)

    def send(self, socket: Socket, data: bytes, to: tuple[bytes, int], *, waits: bool) -> Outcome:
        """Connect and send in one; without a cookie the text waits for the handshake. `waits`: until all is taken."""
        if not self.allowed & CLIENT:
            raise OSError(errno.EOPNOTSUPP, "tcp_fastopen says no")
        local, port = socket.local or (None, 0)
        cookies = not (self.allowed & COOKIELESS or socket.options.get(NO_COOKIE))
        config = replace(socket.config, fast_open=True, fast_open_cookies=cookies)
        connection = self._host.connect(*to, self._now(), local=local, local_port=port, config=config)
        socket.connection = connection
        socket.deferred = None
        if not connection.fast_open or not data:
            raise BlockingIOError(errno.EINPROGRESS, "no cookie yet, or nothing to send with it")
        size = len(data) if waits else min(len(data), connection.snd_mss - OPTIONS_MAX)  # what the SYN holds
        connection.write(data[:size])
        if waits:
            socket.opening = size
            raise BlockingIOError(errno.EINPROGRESS, "until the SYN is answered")
        return Outcome(size)

    @staticmethod
    def opened(socket: Socket) -> Outcome | None:
        """What `send` returns that waited, once it may."""
        connection, size = socket.connection, socket.opening
        if connection is None or size is None:
            return None
        if connection.state < ESTABLISHED and connection.state != CLOSED:
            raise BlockingIOError(errno.EALREADY, "until the SYN is answered")
        socket.opening = None
        if connection.sendq.end > connection.snd_una:
            connection.ping_pong = True  # the rest leaves with the ACK: a dialogue, as Linux sees it
        number = socket.take_error()
        if number:
            raise OSError(number, "failed")
        return Outcome(size)

    # --- Server

    def queue(self, socket: Socket, backlog: int) -> int:
        """How many a listener may have whose text came before their handshake was done."""
        if not self.allowed & SERVER:
            return 0
        asked = socket.options.get(_ASKED, 0)
        return asked if isinstance(asked, int) and asked else backlog if self.allowed & LISTENERS else 0

    def told(self, socket: Socket) -> None:
        """A listener's options are as they are: it heeds them."""
        if socket.listener is not None:
            socket.listener.fast_open = self.queue(socket, socket.listener.backlog)
            socket.listener.trusting = bool(self.allowed & TRUSTING or socket.options.get(NO_COOKIE))
            key = socket.options.get(KEY)
            self._host.around.fast_open = self._own(key) if isinstance(key, bytes) else self._common

    def _own(self, key: bytes) -> LinuxCookies:
        text = "-".join(f"{word:08x}" for word in struct.unpack("<4I", key[:16]))
        return LinuxCookies(text, self._host.config.fast_open_servers)

    @staticmethod
    def key(socket: Socket, given: object) -> None:
        """TCP_FASTOPEN_KEY. OSError for what is none."""
        if not isinstance(given, bytes) or len(given) not in _KEY_SIZES:
            raise OSError(errno.EINVAL, "no key")
        socket.options[KEY] = given

    def common(self, text: str) -> None:
        """tcp_fastopen_key: of listeners without a key of their own. ValueError for what is none."""
        self._common = self._host.around.fast_open = LinuxCookies(text, self._host.config.fast_open_servers)
