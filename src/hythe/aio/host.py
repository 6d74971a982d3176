"""`hythe.Host`: a TCP/IP host with an address of its own, spoken to through asyncio.

    async with hythe.Host("10.0.0.2/24", "fd00::2/64", link=hythe.Tun("tun0")) as host:
        server = await host.start_server(echo, port=8007)
        reader, writer = await host.open_connection("10.0.0.1", 8080)

The verbs have the names, the arguments and the meaning of the event loop's and of `asyncio`'s own; what they return are real
transports, servers and streams. Many hosts may live in one process and on one loop, each with its own driver.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import errno
import secrets
import ssl as ssl_module
import warnings
from collections.abc import Awaitable, Callable, Sequence
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from hythe.aio.addresses import Resolve, check_port, find, pack
from hythe.aio.datagrams import DatagramTransport
from hythe.aio.driver import Driver
from hythe.aio.opening import Manner, Opening, connect_first, plug, summary, zone
from hythe.aio.runtime import Runtime
from hythe.aio.segments import WORDS, Attachment
from hythe.aio.server import Server
from hythe.aio.tls import Tls
from hythe.config import HostConfig, TcpConfig
from hythe.errors import UsageError
from hythe.host.host import Host as Core
from hythe.host.interfaces import Interface, Prefix
from hythe.host.routes import Route
from hythe.host.udp import Endpoint
from hythe.link.base import Link
from hythe.link.frames import FrameLink
from hythe.link.pair import loop
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSING, FIN_WAIT_1, LAST_ACK

#: As `asyncio.streams`: bytes a `StreamReader` buffers before it pauses the transport is twice this.
LIMIT: Final = 64 * 1_024
#: asyncio switches Nagle's algorithm off on every TCP socket (TCP_NODELAY), and so do we.
DEFAULTS: Final = HostConfig(tcp=TcpConfig(nagle=False))
_FLUSHING: Final = frozenset({FIN_WAIT_1, CLOSING, LAST_ACK})
#: How often `close` looks whether everything has left, in seconds.
_LOOK: Final = 0.002


P = TypeVar("P", bound=asyncio.BaseProtocol)
D = TypeVar("D", bound=asyncio.DatagramProtocol)


class Host:
    """A host on the running asyncio loop. Use it with ``async with``, or call `start` and `close`.

    `addresses`: each ``"10.0.0.2/24"`` or ``"fd00::2/64"``, with the length of its network. `link`: where packets go and
    come from; it is closed with the host. `routes`: further networks behind the link (``"0.0.0.0/0"`` for all of IPv4).
    On an Ethernet segment (`hythe.Tap`, `hythe.Hub.port`) the host is a station: `mac` is its MAC address, a random one if
    None, routes name a gateway (``"0.0.0.0/0 via 10.0.0.1"``), and addresses may be the words ``"dhcp"`` and ``"auto"``.
    `nameservers`: whom to ask for names, through the host itself. `resolve`: instead of them, an async callable that turns
    a name into numeric addresses, for example a `hythe.Resolver`. With neither, only numeric addresses are understood.
    `config`: every limit and default of the stack; `DEFAULTS` is `HostConfig()` without Nagle's algorithm.
    `allow_privileged_ports`: may servers bind ports below 1024?
    `random`, `secret`: for ports and for initial sequence numbers (RFC 6056, RFC 6528); only a test gives its own, or who
    wants ``"auto"`` to make the same addresses each time (RFC 7217).
    Raises `UsageError` for an address that is none.
    """

    def __init__(
        self,
        *addresses: str,
        link: Link | FrameLink | None = None,
        mac: str | None = None,
        routes: Sequence[str] = (),
        resolve: Resolve | None = None,
        nameservers: Sequence[str] = (),
        config: HostConfig = DEFAULTS,
        allow_privileged_ports: bool | None = None,
        random: Random | None = None,
        secret: bytes | None = None,
    ) -> None:
        if allow_privileged_ports is not None:
            config = dataclasses.replace(config, allow_privileged_ports=allow_privileged_ports)
        #: The sans-I/O host inside: connections, listeners, routes, counters.
        self._secret = secret or secrets.token_bytes(32)
        self.core = Core(config, random or SystemRandom(), self._secret)
        self._resolve = resolve
        if nameservers:
            from hythe.aio.resolver import Resolver  # for those who use it

            self._resolve = resolve or Resolver(*nameservers, via=self)
        self._loop_interface: Interface | None = None  # by which it reaches its own addresses
        self._attachments: list[Attachment] = []
        self._runtime: Runtime | None = None
        self._closed = False
        if link is not None:
            self.attach(*addresses, link=link, routes=routes, mac=mac)
        elif addresses or routes or mac:
            raise UsageError("addresses and routes need a link: give the host link=, for example hythe.Tun('tun0')")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._runtime else "not started"
        prefixes = [str(prefix) for interface in self.core.interfaces for prefix in interface.prefixes]
        return f"<hythe.Host {' '.join(prefixes) or 'without address'} {state}>"

    def attach(
        self,
        *addresses: str,
        link: Link | FrameLink,
        routes: Sequence[str] = (),
        name: str | None = None,
        mac: str | None = None,
    ) -> Interface:
        """One more interface, before or after the start; arguments as the constructor's. Raises `UsageError`.

        On an Ethernet segment its addresses are not there at once: wait for `configured`.
        """
        name = name or getattr(link, "name", "") or f"link{len(self.core.interfaces)}"
        prefixes: tuple[Prefix, ...] = ()
        attachment: Attachment | None = None
        if isinstance(link, FrameLink):
            attachment = Attachment(self.core, link, mac, addresses, name, self._secret, self._moved)
            self._attachments.append(attachment)
            interface = attachment.station.interface
        elif mac is not None or WORDS & set(addresses):
            raise UsageError("mac=, 'dhcp' and 'auto' need an Ethernet segment, for example link=hythe.Tap('tap0')")
        else:
            prefixes = tuple(Prefix.parse(each) for each in addresses)
            interface = self.core.attach(name, link, prefixes)
        for each in routes:
            self.core.routes.add(Route.parse(each, interface))
        if self._runtime is not None:
            self._runtime.driver.add_link(interface)
            if attachment is not None:
                attachment.begin(self._runtime)
        self._moved(prefixes, ())
        return interface

    def _moved(self, came: Sequence[Prefix], went: Sequence[Prefix]) -> None:
        """What is sent to an address of ours stays here (RFC 1122, 3.3.1.1), as on any host."""
        if self._loop_interface is None and came:
            self._loop_interface = self.core.attach("lo", loop(), ())
            if self._runtime is not None:
                self._runtime.driver.add_link(self._loop_interface)
        if self._loop_interface is not None:
            for prefix in went:
                self.core.remove_address(self._loop_interface, Prefix(prefix.address, 8 * len(prefix.address)))
            for prefix in came:
                self.core.add_address(self._loop_interface, Prefix(prefix.address, 8 * len(prefix.address)))

    # --- Its life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if getattr(self, "_runtime", None) is not None and not self._closed:
            warnings.warn(f"unclosed host {self!r}", ResourceWarning, source=self, stacklevel=2)

    async def start(self) -> None:
        """Answer packets from now on, and on an Ethernet segment wait for `configured`.

        RuntimeError when it was started before.
        """
        if self._runtime is not None or self._closed:
            raise RuntimeError(f"{self!r} cannot be started again: make a new one")
        driver = Driver(self.core)
        try:
            for interface in self.core.interfaces:
                driver.add_link(interface)
        except BaseException:
            driver.close()
            raise
        self._runtime = Runtime(self.core, driver)
        for attachment in self._attachments:
            attachment.begin(self._runtime)
        try:
            await self.configured()
        except BaseException:
            await self.close()
            raise

    async def configured(self) -> None:
        """Until the addresses of all interfaces are ours: probed, lent, or made of what routers say.

        A DHCP server may never answer: `asyncio.timeout` is the limit. Without ``resolve=`` and ``nameservers=`` names are
        looked up where the network says. OSError(EADDRINUSE) when somebody else has one of the addresses.
        """
        for attachment in self._attachments:
            await attachment.settled()
        servers = [each for attachment in self._attachments for each in attachment.name_servers()]
        if servers and self._resolve is None:
            from hythe.aio.resolver import Resolver  # for those who use it

            self._resolve = Resolver(*servers, via=self)

    async def close(self, *, grace: float = 1.0) -> None:
        """End everything, the links too; nothing is left behind. Harmless when repeated.

        Servers stop, connections that are still open are reset. Those that were closed in order may deliver what was
        written for `grace` seconds at most, as a kernel goes on after the program has ended; then they are reset too.
        """
        if self._closed:
            return
        self._closed = True
        runtime = self._runtime
        try:
            if runtime is not None:
                self._stop(runtime)
                await self._flushed(runtime, grace)
        finally:
            self._tear_down(runtime)
        await asyncio.sleep(0)  # `connection_lost` has been called when we return

    def _stop(self, runtime: Runtime) -> None:
        """End servers, and whatever its user has not closed."""
        core = runtime.core
        error = ConnectionAbortedError(errno.ECONNABORTED, "the host was closed")
        for owner in {listener.owner for listener in core.listeners.values()}:
            if isinstance(owner, Server):
                owner.close()
        for transport in list(runtime.transports):
            if not transport.is_closing():
                transport.abandon(error)
        for connection in [each for each in core.connections.values() if isinstance(each, Connection)]:
            if isinstance(connection.owner, Opening):
                connection.owner.abandon(error)
        runtime.driver.wake()

    async def _flushed(self, runtime: Runtime, grace: float) -> None:
        """Until everything that was closed in order is acknowledged, or `grace` seconds are over."""
        deadline = runtime.loop.time() + grace
        await asyncio.sleep(0)
        while runtime.loop.time() < deadline and (runtime.transports or self._unfinished()):
            await asyncio.sleep(_LOOK)

    def _unfinished(self) -> bool:
        return any(connection.state in _FLUSHING for connection in self.core.connections.values())

    def _tear_down(self, runtime: Runtime | None) -> None:
        """Reset what is left, and give descriptors back."""
        try:
            if runtime is not None:
                for transport in list(runtime.transports):
                    transport.abandon(ConnectionAbortedError(errno.ECONNABORTED, "the host was closed"))
                for connection in list(self.core.connections.values()):
                    if isinstance(connection, Connection):
                        connection.abort()
                runtime.driver.turn()  # the resets leave
        finally:
            if runtime is not None:
                for attachment in self._attachments:
                    attachment.close(runtime.driver.clock())
                runtime.driver.close()
            for interface in self.core.interfaces:
                interface.link.close()

    def _running(self) -> Runtime:
        if self._runtime is None or self._closed:
            raise RuntimeError(f"{self!r}: use it inside `async with`, or between `start` and `close`")
        return self._runtime

    # --- TCP

    async def create_connection(
        self,
        protocol_factory: Callable[[], P],
        host: str,
        port: int,
        *,
        ssl: ssl_module.SSLContext | bool | None = None,
        server_hostname: str | None = None,
        local_addr: tuple[str | None, int] | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        config: TcpConfig | None = None,
        fast_open: bytes | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Connect to (`host`, `port`) and return (transport, protocol), as `loop.create_connection` does.

        A zone tells which link a link-local address is on, by the interface's name or number: ``fe80::1%link0``.
        The addresses of a name are tried in order, with `happy_eyeballs_delay` (seconds; RFC 8305 says 0.25) the next
        before the last has failed. `local_addr`: (address or None, port or 0) to connect from. `config`:
        this connection's own limits. `fast_open`: the first bytes to send, which leave with the SYN where the server has
        given this host a cookie before (RFC 7413), and may then arrive twice (2.1); not with `ssl`. Cancelling ends the
        attempt. Raises ConnectionRefusedError, TimeoutError, OSError (EHOSTUNREACH, ENETUNREACH, EADDRINUSE, …),
        ssl.SSLError, socket.gaierror, `UsageError`.
        """
        runtime = self._running()
        check_port(port)
        if fast_open is not None:
            if ssl:
                raise ValueError("fast_open is sent before anything else, and so cannot be with ssl")
            config = dataclasses.replace(config or runtime.core.config.tcp, fast_open=True)
        tls = Tls.client(ssl, host, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
        manner = Manner(self._local(local_addr), config, fast_open or b"", zone(self.core, host))
        addresses = await find(host, self._resolve)
        connection = await connect_first(runtime, addresses, port, manner, happy_eyeballs_delay)
        return await plug(runtime, connection, protocol_factory, tls)

    async def open_connection(
        self, host: str, port: int, *, limit: int = LIMIT, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and return (reader, writer), as `asyncio.open_connection` does.

        `limit`: bytes, of the reader's buffer. Everything else as `create_connection`.
        """
        loop = self._running().loop
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await self.create_connection(lambda: protocol, host, port, **options)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: int = 0,
        *,
        backlog: int | None = None,
        ssl: ssl_module.SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        fast_open: int = 0,
    ) -> Server:
        """Listen on `port`, as `loop.create_server` does; 0 picks one (`server.sockets[0].getsockname()[1]`).

        `host`: an address of this host or several; None or an empty string for all, ``"0.0.0.0"`` and ``"::"`` for all of
        a family. `backlog`: connections half-open or not yet accepted, `HostConfig.backlog` if None. `fast_open`: so many of
        them may have the data of their SYN read before their handshake is done (RFC 7413). OSError: EADDRINUSE,
        EADDRNOTAVAIL; PermissionError below port 1024 without `allow_privileged_ports`; `UsageError`, socket.gaierror.
        """
        runtime = self._running()
        check_port(port)
        tls = Tls.server(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        names = [host] if host is None or isinstance(host, str) else list(host)
        places = [(address, port) for name in names for address in await self._places(name)]
        server = Server(runtime, protocol_factory, places, backlog, tls, fast_open)
        if start_serving:
            await server.start_serving()
        return server

    async def start_server(
        self,
        client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
        host: str | Sequence[str] | None = None,
        port: int = 0,
        *,
        limit: int = LIMIT,
        **options: Any,
    ) -> Server:
        """Call `client_connected_cb` with (reader, writer) of each connection, as `asyncio.start_server` does.

        `limit`: bytes, of each reader's buffer. Everything else as `create_server`.
        """
        loop = self._running().loop

        def factory() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=limit, loop=loop)
            return asyncio.StreamReaderProtocol(reader, client_connected_cb, loop=loop)

        return await self.create_server(factory, host, port, **options)

    # --- UDP

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], D],
        local_addr: tuple[str | None, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
    ) -> tuple[DatagramTransport, D]:
        """A UDP endpoint, as `loop.create_datagram_endpoint`: (transport, protocol).

        `local_addr`: (address of this host, or None, ``"0.0.0.0"`` or ``"::"`` for all, and port or 0). `remote_addr`:
        connected to it, the endpoint sends and receives there only. OSError: EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH;
        PermissionError below port 1024 without `allow_privileged_ports`; `UsageError`, socket.gaierror.
        """
        runtime = self._running()
        if remote_addr is None:
            udp = self.core.bind(*self._local(local_addr))
        else:
            udp = await self._connected(self._local(local_addr), remote_addr[0], check_port(remote_addr[1]))
        try:
            protocol = protocol_factory()
        except BaseException:
            udp.close()
            raise
        asked = pack(local_addr[0]) if local_addr and local_addr[0] else None
        transport = DatagramTransport(runtime, udp, protocol, contextvars.copy_context(), asked or bytes(4))
        await asyncio.sleep(0)  # `connection_made` has been called when we return
        return transport, protocol

    async def _connected(self, local: tuple[bytes | None, int], name: str, port: int) -> Endpoint:
        """An endpoint connected to the first address of `name` that there is a way to."""
        failures: list[OSError] = []
        for address in await find(name, self._resolve):
            try:
                return self.core.bind(*local, (address, port))
            except OSError as error:
                failures.append(error)
        raise summary(failures)

    # --- Addresses

    def _local(self, local_addr: tuple[str | None, int] | None) -> tuple[bytes | None, int]:
        if local_addr is None:
            return None, 0
        name, port = local_addr
        address = pack(name) if name else None
        if name and address is None:
            raise UsageError(f"local_addr {name!r} is not a numeric address of this host")
        if address is None or not any(address):
            return None, check_port(port)
        if address not in self.core.addresses and not self.core.config.any_destination:
            raise OSError(errno.EADDRNOTAVAIL, f"{name} is not an address of this host")
        return address, check_port(port)

    async def _places(self, name: str | None) -> list[bytes | None]:
        """What a server that is told `name` listens on."""
        if not name:
            return [None]
        found: list[bytes | None] = []
        for address in await find(name, self._resolve):
            own = sorted(each for each in self.core.addresses if len(each) == len(address))
            found += own if not any(address) else [address]  # all zeros: every address of the family
        if not found:
            raise OSError(errno.EADDRNOTAVAIL, f"this host has no address of the family of {name}")
        return found
