"""What a way is: it gives connected, non-blocking sockets, and perhaps datagrams.

Sockets, because everything that moves bulk knows what to do with one: the gateway's flows, asyncio's streams
(``asyncio.open_connection(sock=…)``), the next way of a chain, which negotiates on it. A way without a kernel socket (a
channel of SSH, a connection of a stack of our own) gives one end of a socket pair and pumps the other.

A way fails by OSError with `errno` set to what the command or the client is to be told (refused, unreachable, timed out),
both ends and the cause in its text: `failure` makes one. A way that is broken stays broken or mends itself; it never falls
back to another.
"""

from __future__ import annotations

import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from hythe.errors import FAILURES
from hythe.via.patterns import endpoint

Buffer = bytes | bytearray | memoryview

#: Takes a datagram that has come: its bytes, and the host and port it came from, as the far end names them.
Receive = Callable[[bytes, str, int], None]
#: Told once that no more datagrams will come, and why.
Broken = Callable[[OSError], None]
#: Called when the far end is there, with its socket where there is one; what it returns is the first that the client gets.
Opened = Callable[[socket.socket | None], bytes]


#: Told of so many bytes more: for how many seconds nothing is to be read after them. OSError: they were too many.
Pace = Callable[[int], float]


class Tally:
    """Bytes carried so far: `up` towards the far end, `down` from there. `pace`: how fast they may be (see `via.splice`).

    `ended`: directions that have; `waiting`: those in which somebody does not take what it is sent.
    """

    __slots__ = ("down", "ended", "pace", "up", "waiting")

    def __init__(self, pace: Pace | None = None) -> None:
        self.up = 0
        self.down = 0
        self.ended = 0
        self.waiting = 0
        self.pace = pace


class Datagrams(Protocol):
    """An association of datagrams: one address outside, to and from anywhere."""

    def send(self, data: Buffer, host: str, port: int) -> None:
        """Send one. It never waits: what finds no room is lost, as datagrams are. OSError when it cannot go there."""

    def close(self) -> None:
        """Let go. Nothing is received any more."""


class Listening(Protocol):
    """Waits for one connection. `address`: where, as its peer is to be told."""

    address: tuple[str, int]

    async def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """The connection, and whose it is. OSError."""

    def close(self) -> None:
        """Listen no more."""


class Way(ABC):
    """A way. `name`: the text it was written as, without secrets; it stands in messages and views.

    A way that stands on another (`make`) opens its own connections through that, and closes it at its own end.

    `resolves`: names are looked up at the far end. `open` takes names in any case; a way that does not resolve asks this
    machine's resolvers. `carries_datagrams`: it may have them, as far as can be told before asking.
    """

    name: str
    resolves: bool = True
    carries_datagrams: bool = False

    def choose(self, host: str, port: int) -> Way:
        """The way that `port` of `host` goes, where there are several."""
        return self

    def choices(self, host: str) -> list[Way]:
        """Every way that some port of `host` goes."""
        return [self]

    @abstractmethod
    async def open(self, host: str, port: int) -> socket.socket:
        """A connected non-blocking stream socket to `port` of `host`, an address or a name. OSError."""

    async def open_unix(self, path: str) -> socket.socket:
        """The same to a Unix socket of the far end, where the way has that."""
        raise OSError(errno.EOPNOTSUPP, f"{self.name} reaches no Unix sockets ({path}): use a way by SSH")

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """Join a client's socket to the far end until both directions have ended; half-close and back-pressure are kept.

        OSError when the far end cannot be reached: `client` is then as it was. From then on `client` is the way's, closed
        at the end; what breaks one end resets the other, and is returned.
        """
        from hythe.via.splice import join

        far = await self.open(host, port)
        try:
            first = opened(far) if opened is not None else b""
        except BaseException:
            far.close()
            raise
        return await join(client, far, first, tally)

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """An association of datagrams, for both families. OSError (EOPNOTSUPP) where the way has none."""
        raise OSError(errno.EOPNOTSUPP, f"{self.name} carries no datagrams")

    async def listen(self, peer: str) -> Listening:
        """Listen at the far end for one connection of `peer`, an address. OSError (EOPNOTSUPP) where the way cannot."""
        raise OSError(errno.EOPNOTSUPP, f"{self.name} does not listen at its far end")

    def ails(self) -> str:
        """Why the way itself may be to blame when something takes too long; empty when it knows of nothing."""
        return ""

    async def reread(self) -> str:
        """Go by what its own files say now; what that has changed, in a few words. HytheError: then it is as before."""
        return ""

    async def close(self) -> None:  # noqa: B027 - most ways hold nothing between streams
        """Let go of what the way holds, and of the way it stands on; the sockets it gave are their owners'."""


def failure(number: int, way: str, host: str, port: int, cause: str = "") -> OSError:
    """The built-in exception for `number`, with both ends and the cause in the far end's own words."""
    words = FAILURES.get(number) or os.strerror(number).lower()
    return OSError(number, f"{words} ({way} -> {endpoint(host, port)}){': ' if cause else ''}{cause}")


class BrokenError(OSError):
    """A way cannot be used itself, wherever one wants to go: to whoever would go by it, there is no network."""


def broken(way: str, host: str, port: int, cause: str) -> BrokenError:
    """What a way says then; `cause` in its own words."""
    told = failure(errno.ENETUNREACH, way, host, port, cause)
    return BrokenError(told.errno, told.strerror)
