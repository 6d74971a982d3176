"""The datagram transport: a real `asyncio.DatagramTransport` on a UDP endpoint of a hythe host.

A datagram leaves when `sendto` is called, there is nothing to wait for; what arrives is handed over in the driver's turn, as
`bytes`. Errors of sending, and what ICMP says of a connected endpoint's remote end, go to `error_received`; an endpoint that
is not connected hears of neither ICMP nor its own past, as with Linux's sockets (ip(7), IP_RECVERR).

Explicit congestion notification is a matter of each datagram (RFC 8085, 3.1.7): `sendto(ecn=)` marks one, and while
`datagram_received` runs `ecn` tells how the one it got was marked.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextvars import Context
from typing import Any

from hythe.aio.addresses import check_port, endpoint, pack, sockaddr
from hythe.aio.runtime import Runtime
from hythe.errors import UsageError, connection_error
from hythe.host.udp import Endpoint
from hythe.wire.segment import split_key
from hythe.wire.udp import Datagram


class DatagramTransport(asyncio.DatagramTransport):
    """`get_extra_info` knows ``sockname``, ``peername``, ``endpoint`` (the `Endpoint`) and ``socket`` (None).

    `any_address`: the zeros that an endpoint bound to all addresses was asked for; it keeps to their family.
    """

    __slots__ = (
        "_any_address",
        "_begun",
        "_closing",
        "_context",
        "_driver",
        "_endpoint",
        "_loop",
        "_protocol",
        "_transports",
        "ecn",
    )

    def __init__(
        self,
        runtime: Runtime,
        udp: Endpoint,
        protocol: asyncio.DatagramProtocol,
        context: Context,
        any_address: bytes = bytes(4),
    ) -> None:
        super().__init__(
            {
                "sockname": sockaddr(udp.address or any_address, udp.port),
                "peername": sockaddr(*udp.remote) if udp.remote else None,
                "socket": None,
                "endpoint": udp,
            }
        )
        self._driver = runtime.driver
        self._loop = runtime.loop
        self._transports = runtime.transports
        self._endpoint = udp
        self._any_address = any_address
        self._protocol: Any = protocol
        self._context = context
        self._begun = False
        self._closing = False
        #: Codepoint of the datagram that is being handed over: 0 none, 1 and 2 ECT(1) and ECT(0), 3 CE.
        self.ecn = 0
        udp.owner = self
        self._transports.add(self)
        self._loop.call_soon(protocol.connection_made, self, context=context)
        self._loop.call_soon(self._begin, context=context)

    def __repr__(self) -> str:
        state = " closed" if self._closing else ""
        return f"<{type(self).__name__}{state} {self.get_extra_info('sockname')} -> {self.get_extra_info('peername')}>"

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on call `protocol`."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Whom we call; None once the transport is closed."""
        return self._protocol  # type: ignore[no-any-return]

    # --- Sending

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None, *, ecn: int = 0) -> None:
        """Send one datagram, which may be empty, to `addr`, or to the remote end of a connected endpoint.

        `addr`: (numeric address, port), what else `datagram_received` gave is ignored. `ecn`: its codepoint, 0 to 3.

        What sending fails of (too long, no route) goes to `error_received`. TypeError: not bytes-like; ValueError: a
        connected endpoint and another address, or no codepoint; `UsageError`: an address that is none.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if not 0 <= ecn <= 3:
            raise ValueError(f"{ecn!r} is not an ECN codepoint: give 0 to 3")
        remote = self._endpoint.remote
        if remote is not None:
            if addr is not None and _destination(addr) != remote:
                raise ValueError(f"Invalid address: must be None or {sockaddr(*remote)}")
        elif addr is not None:
            remote = _destination(addr)
        if self._closing:
            return
        if isinstance(data, memoryview) and not (data.ndim == 1 and data.itemsize == 1 and data.contiguous):
            data = data.tobytes()
        try:
            if remote is None:
                raise OSError(errno.EDESTADDRREQ, "the endpoint is not connected: give sendto an address")
            self._endpoint.send(self._driver.clock(), data, *remote, ecn=ecn)
        except OSError as error:
            self._call(self._protocol.error_received, error)

    # --- The end

    def is_closing(self) -> bool:
        """Was it closed?"""
        return self._closing

    def close(self) -> None:
        """Receive no more; `connection_lost` follows. Nothing waits to be sent."""
        self._end(None)

    def abort(self) -> None:
        """As `close`."""
        self._end(None)

    def abandon(self, error: OSError) -> None:
        """The host is closing: the protocol's `connection_lost` is told why."""
        self._end(error)

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._endpoint.owner = None
        self._endpoint.close()
        self._loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _call_connection_lost(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._protocol = None
            self._transports.discard(self)

    # --- The driver's side

    def visit(self, udp: Endpoint, now: int) -> None:
        """Hand over what has come. Before `connection_made` it waits in the endpoint."""
        udp.news = 0
        if self._begun:
            self._context.run(self._attend, udp)

    def _begin(self) -> None:
        self._begun = True
        if not self._closing:
            self._endpoint.note(0)
            self._driver.wake()

    def _attend(self, udp: Endpoint) -> None:
        for complaint in udp.take_complaints():
            if udp.remote is not None and udp.address is not None and not self._closing:
                ends = endpoint(udp.address, udp.port), endpoint(complaint.address, complaint.port)
                self._call(self._protocol.error_received, connection_error(complaint.number, *ends))
        for datagram in udp.take():
            self._hand(datagram, udp)

    def _hand(self, datagram: Datagram, udp: Endpoint) -> None:
        address, port, local, _ = split_key(datagram.key)
        if udp.address is None and len(local) != len(self._any_address):
            return
        source = sockaddr(address, port)
        self.ecn = datagram.ecn
        for piece in datagram.pieces():
            if self._closing:
                return
            self._call(self._protocol.datagram_received, bytes(piece), source)

    def _call(self, method: Callable[..., object], *arguments: object) -> None:
        """Call the protocol. What it raises is reported; the next datagram knows nothing of it."""
        try:
            method(*arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # whatever a user's code raises must not stop the driver
            self._loop.call_exception_handler(
                {
                    "message": "Exception in a callback of a datagram protocol",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )


def _destination(addr: tuple[str, int]) -> tuple[bytes, int]:
    address = pack(addr[0])
    if address is None:
        raise UsageError(f"{addr[0]!r} is not a numeric address: resolve names before sendto")
    return address, check_port(addr[1])
