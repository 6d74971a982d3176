"""A forward-only SSH server: ports and Unix sockets are reached through it, and nothing else is to be had.

No shell, no command, no subsystem, no agent, no X11. Whoever has a key of the file comes in, by whatever user name: all act
with the rights of the user who runs this. What a key may reach is in its line (`authorized`).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any, Final, NoReturn, Protocol, cast

import asyncssh
from asyncssh.connection import SSHServerConnectionOptions
from asyncssh.packet import UInt32

from hythe.errors import HytheError, MachineError, UsageError
from hythe.tunnel.ssh.authorized import AuthorizedKeys, Entry
from hythe.tunnel.ssh.client import CIPHERS, KEEPALIVE, KEEPALIVES, PLAIN
from hythe.tunnel.ssh.connection import ServerConnection
from hythe.tunnel.ssh.listening import Listener, PathListener, UdpListener
from hythe.tunnel.ssh.splice import Splice, connect_unix


class Watch(Protocol):
    """Told of each stream, as `hythe.forward.flows.Flows` is."""

    def begin(self, protocol: str, near: Any, far: Any, via: str, *, inbound: bool = False) -> Any:
        """One more."""

    def opened(self, flow: Any) -> None:
        """Its far end is there."""

    def end(self, flow: Any, error: OSError | None) -> None:
        """It has ended."""


#: Opens what a client asks for.
Reach = Callable[[str, int], Awaitable[socket.socket]]
#: One line of the log.
Say = Callable[[str], None]

_PROHIBITED: Final = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
_BACKLOG: Final = 128
_NO_MORE_METHODS: Final = 14  # RFC 4253, 11.1
_BY_APPLICATION: Final = 11
_LOOK: Final = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server bears. Times in seconds; `idle`: without any channel or listening port, 0 for no limit.

    `strangers`: connections that have not logged in, `alike` of them from one address or, of IPv6, one network.
    `channels` and `listeners`: of one connection.
    """

    connections: int = 100
    strangers: int = 20
    alike: int = 10
    attempts: int = 6
    login: float = 30.0
    idle: float = 0.0
    channels: int = 512
    listeners: int = 32


class Server:
    """Serves `listeners` until `close`. `gateway_ports`: may clients listen on other addresses than loopback?"""

    def __init__(
        self, keys: AuthorizedKeys, reach: Reach, say: Say, limits: Limits, watch: Watch, *, gateway_ports: bool = False
    ) -> None:
        self.watch = watch
        self.keys = keys
        self.reach = reach
        self.say = say
        self.limits = limits
        self.gateway_ports = gateway_ports
        self.guests: set[Guest] = set()
        self._servers: list[asyncio.Server] = []
        self._options: Any = None
        self._look: asyncio.TimerHandle | None = None

    async def begin(self, listeners: Sequence[socket.socket], host_keys: Sequence[asyncssh.SSHKey]) -> None:
        """Take clients from now on."""
        loop = asyncio.get_running_loop()
        self._options = await SSHServerConnectionOptions.construct(
            cast("Any", None),
            config=[],
            server_factory=cast("Any", lambda: Guest(self)),
            server_host_keys=list(host_keys),
            encryption_algs=list(CIPHERS),
            compression_algs=list(PLAIN),
            login_timeout=self.limits.login,
            keepalive_interval=KEEPALIVE,
            keepalive_count_max=KEEPALIVES,
            gss_host=None,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            x509_trusted_certs=None,
            agent_forwarding=False,
            allow_pty=False,
        )
        for listener in listeners:
            server = await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG)
            self._servers.append(server)
        if self.limits.idle:
            self._check()

    def _connection(self) -> ServerConnection:
        return _Limited(asyncio.get_running_loop(), self._options)

    def has_room(self, new: Guest) -> bool:
        """May it stay? Who sends many that do not log in, loses those rather than that others lose their place."""
        strangers: dict[str, list[Guest]] = {}
        for each in self.guests:
            if not each.logged_in:
                strangers.setdefault(each.origin, []).append(each)
        own = len(strangers.get(new.origin, ()))
        if len(self.guests) >= self.limits.connections or own >= self.limits.alike:
            return False
        if sum(map(len, strangers.values())) < self.limits.strangers:
            return True
        most = max(strangers.values(), key=len)
        if len(most) <= own + 1:
            return False
        min(most, key=lambda each: each.since).push_out()
        return True

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        for guest in list(self.guests):
            guest.check_idle(now)
        self._look = asyncio.get_running_loop().call_later(min(_LOOK, self.limits.idle), self._check)

    async def close(self) -> None:
        """Take no more clients, and end those that are there."""
        if self._look is not None:
            self._look.cancel()
        for server in self._servers:
            server.close()
        guests = list(self.guests)
        for guest in guests:
            guest.end("the server ends")
        for guest in guests:
            await guest.connection.wait_closed()


class _Limited(ServerConnection):
    """Counts what fails."""

    attempts = 0

    def send_userauth_failure(self, partial_success: bool) -> None:
        """One failure more; the first, of the method `none`, is how clients ask which methods there are."""
        self.attempts += 1
        guest = self.get_owner()
        if isinstance(guest, Guest) and self.attempts > guest.server.limits.attempts + 1:
            self.disconnect(_NO_MORE_METHODS, "Too many authentication failures")
            return
        super().send_userauth_failure(partial_success)

    def _process_direct_udp_at_hythe_open(self, packet: Any) -> tuple[Any, Any]:
        """A channel for datagrams (`datagrams.DIRECT`)."""
        packet.get_string(), packet.get_uint32()  # for all destinations
        packet.check_end()
        return self.create_tcp_channel(), self._guest().datagrams()

    def _process_udp_forward_at_hythe_global_request(self, packet: Any) -> None:
        """Listen for datagrams (`datagrams.LISTEN`)."""
        host, port = packet.get_string().decode(), packet.get_uint32()
        packet.check_end()
        try:
            listener = self._guest().udp_listener(host, port)
        except (OSError, asyncssh.ChannelListenError):
            self._report_global_response(False)
            return
        self._local_listeners[f"udp:{host}:{listener.get_port()}"] = listener
        self._report_global_response(UInt32(listener.get_port()))

    def _process_cancel_udp_forward_at_hythe_global_request(self, packet: Any) -> None:
        """Listen no more (`datagrams.UNLISTEN`)."""
        host, port = packet.get_string().decode(), packet.get_uint32()
        packet.check_end()
        listener = self._local_listeners.pop(f"udp:{host}:{port}", None)
        if listener is not None:
            listener.close()
        self._report_global_response(listener is not None)

    def _guest(self) -> Guest:
        guest = self.get_owner()
        assert isinstance(guest, Guest)
        return guest


class Guest(asyncssh.SSHServer):
    """One client."""

    connection: ServerConnection

    def __init__(self, server: Server) -> None:
        self.server = server
        self.entry: Entry | None = None
        self.address = ""
        self.port = 0
        self._shown = ""
        self._reason = ""
        self.logged_in = False
        self.since = asyncio.get_running_loop().time()
        self._listeners = 0
        self._idle_since: float | None = None

    @property
    def name(self) -> str:
        """The client's end, for the log."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def connection_made(self, conn: Any) -> None:
        """It has come; if there are too many, it goes."""
        self.connection = conn
        self.address, self.port = conn.get_extra_info("peername", ("", 0))[:2]
        if self.server.has_room(self):
            self.server.guests.add(self)
        else:
            self.server.say(f"{self.name} one client too many")
            conn.abort()

    @property
    def origin(self) -> str:
        """What somebody may have many ports of: an address, or a network of IPv6 (RFC 4291, 2.5.4)."""
        address = self.address.partition("%")[0]
        return str(IPv6Network((address, 64), strict=False)) if ":" in address else address

    def push_out(self) -> None:
        """Somebody else is to have its place."""
        self.server.guests.discard(self)
        self.server.say(f"{self.name} had to go: it has not logged in, and others want to")
        self.connection.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self.server.guests.discard(self)
        if self.logged_in:
            self.server.say(f"{self.name} left{f': {exc}' if exc is not None else ''}")
        elif self._reason:
            self.server.say(f"{self.name} was not let in: {self._reason}")

    def end(self, reason: str) -> None:
        """Send it away."""
        self.connection.disconnect(_BY_APPLICATION, reason)

    def check_idle(self, now: float) -> None:
        """Is it here for nothing?"""
        if not self.logged_in or self.connection._channels or self.connection._local_listeners:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since > self.server.limits.idle:
            self.server.say(f"{self.name} idle for too long")
            self.end("idle for too long")

    # --- Who is it?

    def begin_auth(self, username: str) -> bool:
        """Everybody has to prove who they are."""
        return True

    def public_key_auth_supported(self) -> bool:
        """By a key."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Is it one of the file?"""
        return self._find(key, authority=False)

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Is it one of the file's authorities?"""
        return self._find(key, authority=True)

    def _find(self, key: asyncssh.SSHKey, *, authority: bool) -> bool:
        self._shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        try:
            self.entry, reason = self.server.keys.find(key, self.address, authority=authority)
        except HytheError as error:
            self.entry, reason = None, str(error)
        self._reason = f"{self._shown}: {reason}" if reason else ""
        return self.entry is not None

    def auth_completed(self) -> None:
        """It has proved it."""
        self.logged_in = True
        self.server.say(f"{self.name} came in as {self.connection.get_extra_info('username')} with {self._shown}")

    # --- What it asks for

    def session_requested(self) -> NoReturn:
        """No shell, no command, no subsystem. Who gets this wrong has most likely left -N out."""
        raise asyncssh.ChannelOpenError(_PROHIBITED, "this server forwards ports, and does nothing else (ssh -N)")

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """A port of somewhere."""
        self._may_open_one_more()
        if self.entry is None or not self.entry.may_open(dest_host, dest_port):
            raise asyncssh.ChannelOpenError(_PROHIBITED, f"{dest_host} port {dest_port} is not permitted to this key")
        return self._reached(self.server.reach(dest_host, dest_port), (orig_host, orig_port), (dest_host, dest_port))

    def unix_connection_requested(self, dest_path: str) -> Any:
        """A Unix socket of this machine."""
        self._may_open_one_more()
        if self.entry is None or not self.entry.may_use_paths():
            raise asyncssh.ChannelOpenError(_PROHIBITED, "Unix sockets are not permitted to this key")
        return self._reached(connect_unix(dest_path), ("", 0), (dest_path, 0))

    async def _reached(self, opening: Awaitable[socket.socket], near: tuple[str, int], far: tuple[str, int]) -> Splice:
        flow = self.server.watch.begin("tcp" if far[1] else "unix", near, far, self.name)
        try:
            return self._watched(Splice(await opening, moved=_counting(flow, inbound=False)), flow)
        except OSError as error:
            self.server.watch.end(flow, error)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.strerror or str(error)) from error

    def came(self, client: socket.socket, address: Any, host: str, port: int) -> Splice:
        """Somebody has come to a port that this client listens on."""
        near = (address[0], address[1]) if isinstance(address, tuple) else ("", 0)
        flow = self.server.watch.begin("tcp" if port else "unix", near, (host or "*", port), self.name, inbound=True)
        return self._watched(Splice(client, moved=_counting(flow, inbound=True)), flow)

    def _watched(self, splice: Splice, flow: Any) -> Splice:
        flow.kill = splice.abort
        self.server.watch.opened(flow)
        splice.ended.add_done_callback(lambda ended: self.server.watch.end(flow, ended.result()))
        return splice

    def _may_open_one_more(self) -> None:
        if len(self.connection._channels) >= self.server.limits.channels:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "too many channels of one connection")

    def datagrams(self) -> Any:
        """An association of datagrams."""
        from hythe.tunnel.ssh.datagrams import Outlet

        self._may_open_one_more()
        entry = self.entry
        if entry is None or not entry.forwards or not self._certified():
            raise asyncssh.ChannelOpenError(_PROHIBITED, "forwarding is not permitted to this key")
        return Outlet(entry.may_open).channel

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """Listen for it. False where it may not."""
        if not self._may_listen(listen_host, listen_port):
            return False
        return Listener.opened(self.connection, self.came, listen_host, listen_port, gateway_ports=self.server.gateway_ports)

    def unix_server_requested(self, listen_path: str) -> Any:
        """Listen on a Unix socket for it."""
        if self.entry is None or not self.entry.may_use_paths() or not self._one_listener_more():
            return False
        return PathListener.opened(self.connection, self.came, listen_path)

    def udp_listener(self, host: str, port: int) -> UdpListener:
        """Listen for datagrams. OSError, `ChannelListenError`."""
        if not self._may_listen(host, port):
            raise asyncssh.ChannelListenError("not permitted")
        return UdpListener(self.connection, host, port, gateway_ports=self.server.gateway_ports)

    def _may_listen(self, host: str, port: int) -> bool:
        entry = self.entry
        if entry is not None and entry.may_listen(host, port) and self._certified() and self._one_listener_more():
            return True
        self.server.say(f"{self.name} may not listen on {host or '*'} port {port}")
        return False

    def _certified(self) -> bool:
        """A certificate may forbid what its authority's line allows (permit-port-forwarding)."""
        return self.connection.check_certificate_permission("port-forwarding")

    def _one_listener_more(self) -> bool:
        return len(self.connection._local_listeners) < self.server.limits.listeners


def _counting(flow: Any, *, inbound: bool) -> Callable[[int, int], None]:
    """Counts a splice's bytes in its record: `inbound`, the socket is the client's, else that of what it asked for."""
    tally = flow.tally

    def asked_for(from_socket: int, to_socket: int) -> None:
        tally.down += from_socket
        tally.up += to_socket

    def came(from_socket: int, to_socket: int) -> None:
        tally.up += from_socket
        tally.down += to_socket

    return came if inbound else asked_for


def host_key(path: str) -> tuple[asyncssh.SSHKey, bool]:
    """The key in a file, made if there is none; was it? Raises `UsageError`, `MachineError`."""
    place = os.path.expanduser(path)
    try:
        with open(place, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise UsageError(f"the host key {path} can be read by others, so it proves nothing: chmod 600 {path}")
            return asyncssh.import_private_key(file.read()), False
    except FileNotFoundError:
        return _make_host_key(place), True
    except asyncssh.KeyImportError as error:
        raise UsageError(f"{path} has no private key ({str(error)[:1].lower()}{str(error)[1:]})") from error
    except OSError as error:
        raise MachineError(f"the host key {path} cannot be read ({error.strerror}): name another with --host-key") from error


def _make_host_key(place: str) -> asyncssh.SSHKey:
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"hythe on {socket.gethostname()}")
    try:
        os.makedirs(os.path.dirname(place) or ".", 0o700, exist_ok=True)
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(key.export_private_key("openssh"))
        with open(f"{place}.pub", "wb") as file:
            file.write(key.export_public_key("openssh"))
    except OSError as error:
        raise MachineError(
            f"the host key {place} cannot be written ({error.strerror}): name another file with --host-key"
        ) from error
    return key
