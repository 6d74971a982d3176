"""Channels whose window follows the path, and whose data go to a splice without a stop."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from asyncssh.channel import SSHChannel, SSHTCPChannel, SSHUNIXChannel
from asyncssh.constants import MSG_CHANNEL_EOF, MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.packet import SSHPacket, String, UInt32
from asyncssh.session import SSHTCPSession

from hythe.tunnel.ssh.window import Window

if TYPE_CHECKING:
    from hythe.tunnel.ssh.connection import Connection
    from hythe.tunnel.ssh.splice import Splice


class _Channel(SSHChannel[bytes]):
    """`splice`: what its data go to and come from; None for a session of asyncssh's kinds. `ended`: the peer's data have.

    asyncssh forgets of an end that comes before the session has started, when the closing comes before that, too.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.ended = False
        self.window = Window(self._init_recv_window)
        self.splice: Splice | None = None

    def _note_eof(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        self.ended = True
        self._process_eof(pkttype, pktid, packet)

    #: asyncssh only looks them up.
    _packet_handlers = MappingProxyType({**SSHChannel._packet_handlers, MSG_CHANNEL_EOF: _note_eof})  # type: ignore[assignment]

    @property
    def carrier(self) -> Connection | None:
        """The connection; None once the channel has ended."""
        return self._conn  # type: ignore[return-value]  # no other makes one

    @property
    def send_window(self) -> int:
        """Bytes that may be sent now; none once either side has closed, of which the session hears a turn later."""
        return self._send_window if self._send_state == "open" else 0

    def take(self, data: memoryview, now: int) -> bool:
        """Data has come, a view that lives for this turn. False where asyncssh has to say what is wrong with it."""
        splice, size = self.splice, len(data)
        if splice is None or self._recv_state != "open" or self._send_state in ("close_pending", "closed"):
            return False
        if size > self._recv_window or self._recv_paused:
            return False
        self._recv_window -= size
        self.window.arrived(size, now)
        splice.take(data)
        return True

    def passed(self, size: int, now: int) -> None:
        """The splice has passed so much on: the peer may send as much anew."""
        grant = self.window.take(size, now)
        if grant and self._recv_state == "open":
            self._recv_window += grant
            self.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(grant))

    def _deliver_data(self, data: bytes, datatype: int | None) -> None:
        if self.splice is None:
            super()._deliver_data(data, datatype)
        else:
            self.window.arrived(len(data), time.monotonic_ns())
            self.splice.take(memoryview(data))

    def _flush_send_buf(self) -> None:
        super()._flush_send_buf()
        if self.splice is not None and self._send_window:
            self.splice.room()


class TcpChannel(_Channel, SSHTCPChannel[bytes]):
    """To or from a TCP port, or of a type of our own."""

    async def open_forward(self, session: SSHTCPSession[bytes], kind: bytes, host: str, port: int) -> None:
        """Open a channel of the type `kind`, for `host` and `port`. `asyncssh.ChannelOpenError`."""
        await self._open_forward(lambda: session, kind, String(host), UInt32(port))


class UnixChannel(_Channel, SSHUNIXChannel[bytes]):
    """To or from a Unix socket."""
