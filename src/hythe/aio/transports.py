"""The stream transport: a real `asyncio.Transport` whose other side is a TCP connection of a hythe host.

Theory of operation. The transport owns its connection: the driver calls `visit` when there is news. *Reading*: what has
arrived goes to the protocol by one copy, into `data_received`'s bytes or into the buffer that a `BufferedProtocol` offers.
While reading is paused it stays in the connection, whose window closes: that is the flow control. *Writing*: `write`
appends to the connection's send queue and asks for a turn; long `bytes` are referred to, not copied. The write buffer, in
asyncio's sense, is what TCP has not sent yet; `pause_writing` and `resume_writing` go by it.

`close` lets what is written leave, and the connection finishes by itself; `abort` resets it. The protocol hears
`connection_lost` exactly once, from the loop, never from inside a call of its own. Callbacks run in the context of whoever
made the transport, as with asyncio's own.

Three names with an underscore are not ours to choose. asyncio's TLS layer and `loop.start_tls` ask any transport for
`_start_tls_compatible` and `_force_close`, `loop.sendfile` for `_sendfile_compatible` and the flow-control mixin.
"""

from __future__ import annotations

import asyncio
from asyncio import constants, transports
from asyncio.log import logger
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from hythe.aio.addresses import sockaddr
from hythe.aio.runtime import Runtime, failure
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, State
from hythe.wire.segment import split_key

#: Most bytes handed to `data_received` at once: asyncio's `_SelectorSocketTransport.max_size`.
_MOST: Final = 256 * 1_024


class StreamTransport(transports._FlowControlMixin):
    """`get_extra_info` knows ``peername``, ``sockname``, ``connection`` (the `Connection`) and ``socket`` (None)."""

    __slots__ = (
        "__weakref__",
        "_begun",
        "_buffered",
        "_closing",
        "_connection",
        "_context",
        "_driver",
        "_ended",
        "_eof_written",
        "_lost",
        "_on_lost",
        "_paused",
        "_protocol",
        "_vain_writes",
        "_visiting",
    )

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    if TYPE_CHECKING:
        # Inherited, but typeshed does not tell.
        _extra: dict[str, Any]
        _loop: asyncio.AbstractEventLoop
        _protocol_paused: bool

        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    def __init__(
        self,
        runtime: Runtime,
        connection: Connection,
        protocol: asyncio.BaseProtocol,
        context: Context,
        on_lost: Callable[[StreamTransport], object] | None = None,
    ) -> None:
        """Take over an open connection; `on_lost` is called after the protocol's `connection_lost`."""
        remote, remote_port, local, local_port = split_key(connection.key)
        extra = {
            "peername": sockaddr(remote, remote_port),
            "sockname": sockaddr(local, local_port),
            "socket": None,
            "connection": connection,
        }
        super().__init__(extra, runtime.loop)
        self._driver = runtime.driver
        self._connection = connection
        self._context = context
        self._on_lost = on_lost or runtime.transports.discard
        self._begun = False  # `connection_made` was called
        self._paused = False
        self._ended = False  # the protocol was told of the peer's end of data
        self._eof_written = False
        self._closing = False
        self._lost = False  # `connection_lost` was called or will be
        self._visiting = False
        self._vain_writes = 0
        self.set_protocol(protocol)
        connection.owner = self
        runtime.transports.add(self)
        self._loop.call_soon(protocol.connection_made, self, context=context)
        self._loop.call_soon(self._begin, context=context)

    def __repr__(self) -> str:
        info = self._extra
        words = "closing " if self._closing and not self._lost else "closed " if self._lost else ""
        state = State(self._connection.state).label
        return f"<{type(self).__name__} {words}{state} {info['sockname']} -> {info['peername']}>"

    # --- The protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on call `protocol`, streaming or buffered."""
        self._protocol: Any = protocol  # Protocol or BufferedProtocol: told apart by `_buffered`
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Whom we call; None once the connection is lost."""
        return self._protocol  # type: ignore[no-any-return]

    # --- Reading

    def is_reading(self) -> bool:
        """Does the protocol get what arrives?"""
        return not (self._paused or self._closing)

    def pause_reading(self) -> None:
        """Leave what arrives in the connection; its window closes. Harmless when repeated."""
        if not self._closing:
            self._paused = True

    def resume_reading(self) -> None:
        """Go on. Harmless when repeated."""
        if self._paused and not self._closing:
            self._paused = False
            self._poke()

    # --- Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue `data`. Long `bytes` are referred to until acknowledged; anything else is copied now.

        TypeError: not bytes-like; RuntimeError: after `write_eof`.
        """
        if self._writable(data):
            self._append(data)
            self._poke()
            self._maybe_pause_protocol()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """As `write` for each, with one turn of the driver for all."""
        accepted = [data for data in list_of_data if self._writable(data)]
        for data in accepted:
            self._append(data)
        if accepted:
            self._poke()
            self._maybe_pause_protocol()

    def write_eof(self) -> None:
        """Nothing more to send: FIN behind what is queued (half-close). Reading goes on. Harmless when repeated."""
        if not (self._eof_written or self._closing):
            self._eof_written = True
            self._connection.shutdown()
            self._poke()

    def can_write_eof(self) -> bool:
        """TCP can."""
        return True

    def get_write_buffer_size(self) -> int:
        """Bytes written that TCP has not sent yet, or those beyond the connection's share of the send pool if more."""
        connection = self._connection
        sendq = connection.sendq
        unsent = min(len(sendq), sendq.end - connection.snd_nxt)
        return max(0, unsent, -connection.room())

    # --- The end

    def is_closing(self) -> bool:
        """Was it closed, or is the connection lost?"""
        return self._closing

    def close(self) -> None:
        """Read no more; let what is written leave, then FIN. Bytes that nobody read make it a reset (RFC 2525, 2.17)."""
        if self._closing:
            return
        self._closing = True
        if self.get_write_buffer_size():
            self._connection.shutdown()  # so that FIN rides on the last segment
            self._poke()
        else:
            self._finish(self._driver.clock())

    def abort(self) -> None:
        """Reset the connection; what is queued is dropped."""
        self._force_close(None)

    def abandon(self, error: OSError) -> None:
        """The host is closing: reset, the protocol's `connection_lost` being told why."""
        self._force_close(error)

    # --- The driver's side

    def visit(self, connection: Connection, now: int) -> None:
        """There is news: read, flush, notice the end."""
        connection.news = 0
        self._visiting = True
        try:
            self._context.run(self._attend, connection, now)
        finally:
            self._visiting = False

    def _attend(self, connection: Connection, now: int) -> None:
        if self._begun:
            self._read(connection)
        if self._lost:
            return
        if connection.state == CLOSED and connection.error and self._minds():
            self._force_close(failure(connection, connection.error))
        elif self._closing or self._protocol_paused:
            self._flush(connection, now)

    def _flush(self, connection: Connection, now: int) -> None:
        """Somebody waits for the write buffer to empty: send, so that only what TCP cannot send now remains."""
        connection.emit(now)
        self._maybe_resume_protocol()
        if self._closing and not self._lost and not self.get_write_buffer_size():
            self._finish(now)

    def _minds(self) -> bool:
        """Is a failure told at once? Who neither reads nor waits to write hears of it later, as with a kernel's socket.

        So data and an end of data that came before a reset are not lost to a slow reader.
        """
        return self._closing or self._protocol_paused or (self._begun and not self._paused and not self._ended)

    def _begin(self) -> None:
        """`connection_made` was called: what has arrived meanwhile may be told."""
        self._begun = True
        if not self._lost:
            self._poke()

    def _poke(self) -> None:
        """Something changed: have a turn, unless we are in the middle of one."""
        if not self._visiting:
            self._connection.note(0)
            self._driver.wake()

    # --- Reading, inside a turn

    def _read(self, connection: Connection) -> None:
        views = connection.recvq.views
        while views and not (self._paused or self._closing):
            if self._buffered:
                self._fill(connection, views)
            else:
                self._hand(connection, views)
        if connection.fin_received and not (views or self._ended or self._paused or self._closing):
            self._end_of_data()

    def _hand(self, connection: Connection, views: list[memoryview]) -> None:
        """To a streaming protocol, as bytes: the one copy."""
        if len(views) == 1 or len(views[0]) >= _MOST:
            data = bytes(views[0][:_MOST])
        else:
            count = size = 0
            while count < len(views) and size + len(views[count]) <= _MOST:
                size += len(views[count])
                count += 1
            data = b"".join(views[:count])
        connection.consume(len(data))
        self._call("data_received", self._protocol.data_received, data)

    def _fill(self, connection: Connection, views: list[memoryview]) -> None:
        """To a buffered protocol, into its own buffer: the one copy."""
        room = self._call("get_buffer", self._room)
        if self._lost:
            return
        size = 0
        for view in views:
            part = view[: len(room) - size]
            room[size : size + len(part)] = part
            size += len(part)
            if size == len(room):
                break
        room.release()  # the protocol may resize its buffer
        connection.consume(size)
        self._call("buffer_updated", self._protocol.buffer_updated, size)

    def _room(self) -> memoryview:
        room = memoryview(self._protocol.get_buffer(-1)).cast("B")
        if not room or room.readonly:
            raise RuntimeError("get_buffer() must return a writable buffer with room for at least one byte")
        return room

    def _end_of_data(self) -> None:
        self._ended = True
        half_open = self._call("eof_received", self._protocol.eof_received)
        if not half_open:
            self.close()

    def _call(self, name: str, method: Callable[..., Any], *arguments: object) -> Any:
        """Call the protocol. What it raises is reported, and the connection reset: it can no longer be trusted."""
        try:
            return method(*arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a user's code raises must not stop the driver
            self._fatal_error(error, f"Fatal error: protocol.{name}() call failed.")

    # --- Writing

    def _writable(self, data: object) -> bool:
        """May `data` be queued? False for nothing, and after the end."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return False
        if not self._closing and self._connection.state == CLOSED and self._connection.error:
            self._force_close(failure(self._connection, self._connection.error))
        if self._closing:
            self._vain_writes += 1
            if self._vain_writes > constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("write to a closed transport: %r", self)
            return False
        return True

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        if isinstance(data, memoryview) and not (data.ndim == 1 and data.itemsize == 1 and data.contiguous):
            data = data.tobytes()
        self._connection.sendq.append(data)

    # --- Ending

    def _finish(self, now: int) -> None:
        """Everything is with TCP: let go."""
        self._lost = True
        self._connection.close(now)
        if not self._visiting:
            self._driver.wake()
        self._loop.call_soon(self._call_connection_lost, None, context=self._context)

    def _force_close(self, exc: BaseException | None) -> None:
        """Reset, and tell the protocol why. asyncio's TLS layer calls this too."""
        if self._lost:
            return
        self._lost = self._closing = True
        self._connection.owner = None
        self._connection.abort()
        if not self._visiting:
            self._driver.wake()
        self._loop.call_soon(self._call_connection_lost, exc, context=self._context)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        )
        self._force_close(error)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(exc)
        finally:
            self._protocol = None
            self._on_lost(self)
