"""What a way out is. Two kinds, because the world can be reached by flows or by packets.

*Flows*: a stream or an association of datagrams to an address (`StreamEgress`). The direct way is a kernel socket; a proxy
or an SSH server hands out something that behaves like one. What the gateway needs of a stream is a socket's non-blocking
half dozen, so a kernel socket is used as it is, without a wrapper on the bulk path.

*Packets*: what the command sends leaves as it is, and what comes back is delivered as it is (`hythe.link.base.Link`): a
tunnel is a link, and `hythe.gateway.relay` joins two links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to: an address as text, or a name for ways out that resolve names themselves; and the port.

    `via`: by which way, where there are such.
    """

    host: str
    port: int
    via: str = ""


class Stream(Protocol):
    """A stream on the way out, non-blocking: methods raise BlockingIOError, or OSError when it is broken.

    `fileno()` is polled edge-triggered: writable once the stream is connected (then `getsockopt(SO_ERROR)` tells whether
    it really is).
    """

    def fileno(self) -> int:
        """The descriptor to poll."""

    def send(self, data: Buffer, flags: int = ..., /) -> int:
        """Take some of `data`; how many bytes."""

    def sendmsg(self, buffers: Sequence[Buffer], /) -> int:
        """Take some of several buffers at once."""

    def recv_into(self, buffer: memoryview, nbytes: int = ..., flags: int = ..., /) -> int:
        """Fill some of `buffer`; 0 at the end of the stream."""

    def shutdown(self, how: int, /) -> None:
        """Half-close."""

    def getsockopt(self, level: int, option: int, /) -> int:
        """SO_ERROR: the outcome of the connect."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """SO_LINGER: so that `close` resets."""

    def close(self) -> None:
        """Let go; `fileno()` is closed."""


class StreamEgress(Protocol):
    """Makes streams."""

    def open_stream(self, destination: Destination) -> tuple[Stream, bool]:
        """Begin to connect: the stream, and whether it is connected already.

        Raises OSError when it is clear at once that it cannot be (no route, no descriptors, refused by this machine).
        """


#: The far end of a datagram in the way out's own terms, hashable: the address as text, the port, and what else there is.
Peer = tuple[Any, ...]


class Run(NamedTuple):
    """Datagrams of one peer, side by side in a buffer: `buffer[start:end]`, each `gso_size` bytes, the last maybe fewer.

    `gso_size` is 0 for a single one. `ecn`: the codepoint they all bear (RFC 3168, 5).
    """

    peer: Peer
    start: int
    end: int
    gso_size: int
    ecn: int


class Lost(NamedTuple):
    """An error came back for a datagram of `size` bytes to `peer`.

    `number`: errno. `icmp`: (type, code) where a host or router said so by ICMP, `by` being its address as text.
    """

    peer: Peer
    number: int
    size: int
    icmp: tuple[int, int] | None
    by: str | None


class Datagrams(Protocol):
    """An association of datagrams: one address and port outside, to and from anywhere. Non-blocking.

    `fileno()` is polled level-triggered: readable while `receive` or `errors` would return something.
    """

    def fileno(self) -> int:
        """The descriptor to poll."""

    def peer(self, destination: Destination) -> Peer:
        """What datagrams from there will bear. Raises OSError where the way out cannot go there."""

    def send(self, pieces: Sequence[Buffer], gso_size: int, peer: Peer, ecn: int = 0) -> None:
        """Send datagrams of `gso_size` bytes each (the last maybe fewer), one a piece, or one piece that is all of them.

        `gso_size` is 0 for a single one; `ecn` is the codepoint of all. Raises BlockingIOError when some found no room,
        OSError when none can leave.
        """

    def receive(self, buffer: memoryview, limit: int) -> tuple[list[Run], bool]:
        """Receive at most `limit` times while there is room for the longest datagram. True if there may be more."""

    def errors(self) -> list[Lost]:
        """What has come back since the last time."""

    def close(self) -> None:
        """Let go."""


class DatagramEgress(Protocol):
    """Makes associations of datagrams."""

    def open_datagrams(self, version: int) -> Datagrams:
        """One for IPv4 (4) or IPv6 (6). Raises OSError when there can be none (no descriptors, no IPv6)."""


class EchoReply(NamedTuple):
    """An echo reply to our request number `sequence`."""

    sequence: int
    data: bytes


class EchoLost(NamedTuple):
    """Our request number `sequence` (None: unknown) met the ICMP error (type, code), told by `by` (an address as text)."""

    sequence: int | None
    icmp: tuple[int, int]
    by: str | None


class Echoer(Protocol):
    """Pings one destination. Non-blocking, polled level-triggered."""

    def fileno(self) -> int:
        """The descriptor to poll."""

    def send(self, sequence: int, data: Buffer) -> None:
        """Send one echo request. Raises OSError."""

    def receive(self) -> list[EchoReply]:
        """The replies that have come."""

    def errors(self) -> list[EchoLost]:
        """The errors that have come."""

    def close(self) -> None:
        """Let go."""


class EchoEgress(Protocol):
    """Makes what pings."""

    def open_echo(self, destination: Destination, identifier: int) -> Echoer:
        """For one destination. `identifier`: to be used where the way out does not pick its own.

        Raises PermissionError where this user may not ping, OSError where nobody could.
        """
