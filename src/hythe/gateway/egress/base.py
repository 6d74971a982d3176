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
from typing import Protocol

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to: an address as text, or a name for ways out that resolve names themselves; and the port."""

    host: str
    port: int


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
        """Let go."""


class StreamEgress(Protocol):
    """Makes streams."""

    def open_stream(self, destination: Destination) -> Stream:
        """Begin to connect. Raises OSError when it is clear at once that it cannot be (no route, no descriptors)."""
