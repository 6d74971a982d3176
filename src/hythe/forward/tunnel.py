"""One way with all that is forwarded by it: set up, watched, and made anew when it breaks.

The ports of this machine are bound once and stay; their clients wait some seconds for a way that is down, and are reset
then. The ports of the far end are asked for with each new connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hythe.errors import HytheError, MachineError, UsageError
from hythe.forward.flows import Flows
from hythe.forward.handshakes import Handshakes
from hythe.forward.local import LocalPort, SocksPort, UdpPort
from hythe.forward.places import Place, listen, port_of
from hythe.forward.specs import Forward
from hythe.forward.watch import Backoff, until_lost
from hythe.via.base import Way

if TYPE_CHECKING:
    from hythe.forward.remote import RemotePort
    from hythe.tunnel.wireguard.report import PeerReport
    from hythe.via.ssh import Ssh
    from hythe.via.wireguard import Wireguard

#: Seconds that the way to a server may take to open once the tunnel has been up: no longer than a network's return may.
_ATTEMPT: Final = 4.0
#: Seconds until the far end is asked again to listen where it would not, as it does while it holds a lost connection.
_AGAIN: Final = 2.0
#: Seconds between signs of life by WireGuard, as those by SSH are.
_ALIVE: Final = 15.0
#: Seconds between looks at its handshakes, and before the first is complete.
_LOOK: Final = 0.5
_LOOK_FIRST: Final = 0.02
CONNECTING: Final = "connecting"
UP: Final = "up"
DOWN: Final = "down"


@dataclass(frozen=True, slots=True)
class TunnelSpec:
    """What was asked for. `via`: the text of the way, with its secrets, which `name` has not."""

    name: str
    via: str = field(repr=False)
    forwards: tuple[Forward, ...]
    identities: tuple[str, ...] = ()
    compress: bool = False
    keepalive: float | None = None


class Tunnel:
    """`state`: CONNECTING, UP or DOWN, `since` seconds since 1970; `reason`: why it is down."""

    def __init__(
        self, spec: TunnelSpec, flows: Flows, given: Mapping[Place, list[socket.socket]], *, exits: bool, asks: bool = True
    ) -> None:
        """`given`: sockets that listen already. `exits`: a failure is the end. `asks`: may a person be asked?"""
        self.spec = spec
        self.state = CONNECTING
        self.since = time.time()
        self.reason = ""
        self.locals: list[LocalPort | SocksPort | UdpPort] = []
        self.remotes: list[RemotePort] = []
        self._flows = flows
        self._given = given
        self._exits = exits
        self._changed = asyncio.Event()
        self.way, self._ssh, self._wireguard, self._under = _way(spec, asks=asks)
        self._retries: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """Bind the ports of this machine. Raises `MachineError`."""
        for forward in self.spec.forwards:
            if forward.option == "-R":
                continue
            listeners = self._given.get(forward.place) or listen(forward.place, forward.option)
            if forward.option == "-D":
                self.locals.append(SocksPort(forward, listeners, self.way, self._flows))
            elif forward.udp:
                self.locals.append(UdpPort(forward, listeners, self.way, self._flows, self))
            else:
                self.locals.append(LocalPort(forward, listeners, self.way, self._flows, self))

    async def ready(self, patience: float) -> bool:
        """Is it up, or within so many seconds?"""
        if self.state != UP and self._wireguard is not None:
            self._wireguard.greet()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.state != UP:
                    self._changed.clear()
                    await self._changed.wait()
        return self.state == UP

    async def run(self, begun: Callable[[], None]) -> None:
        """Keep it up; `begun` is called once it is for the first time. Raises `UsageError`, `MachineError` in the end."""
        try:
            if self._wireguard is not None:
                for warning in self._wireguard.configuration.warnings:
                    self._flows.notice(warning)
                await self._wireguard.up()
                await self._keep_shaking(self._wireguard, begun)
            elif self._ssh is None:
                self._become(UP)
                begun()
                await asyncio.Event().wait()
            else:
                await self._connect(self._ssh, first=True)
                begun()
                await self._keep_up(self._ssh)
        except OSError as error:
            raise MachineError(error.strerror or str(error)) from error

    async def _keep_shaking(self, way: Wireguard, begun: Callable[[], None]) -> None:
        """WireGuard sees to itself: tell how it is."""
        handshakes = Handshakes()
        started = False
        while True:
            reason = handshakes.look(way.peers(), time.monotonic_ns())
            if not reason and self.state != UP:
                self._become(UP)
                if started:
                    self._flows.notice(f"{self.spec.name}: up again")
                started = True
                begun()
            elif handshakes.in_vain and (self._exits or not started):
                raise MachineError(f"{way.name}: {reason}")
            elif reason and started and reason != self.reason:
                self._become(DOWN, reason)
                self._flows.notice(f"{self.spec.name}: {reason}")
            await asyncio.sleep(_LOOK if started else _LOOK_FIRST)

    def peers(self) -> list[PeerReport]:
        """The far sides of a WireGuard tunnel."""
        return self._wireguard.peers() if self._wireguard is not None else []

    async def _keep_up(self, ssh: Ssh) -> None:
        from hythe.tunnel.ssh.client import UnreachableError

        dice = random.Random()
        while True:
            connection = ssh.connection
            assert connection is not None
            interval = connection.keepalive_interval
            reason = await until_lost(connection, ssh.probe, interval)
            self._become(DOWN, reason)
            self._flows.notice(f"{self.spec.name}: {reason}")
            if self._exits:
                raise MachineError(f"{ssh.name}: {reason}")
            backoff = Backoff(dice)
            while self.state != UP:
                await asyncio.sleep(backoff.next())
                try:
                    await self._connect(ssh, first=False)
                except (UnreachableError, OSError) as error:
                    self.reason = str(error)
            self._flows.notice(f"{self.spec.name}: up again")

    async def _connect(self, ssh: Ssh, *, first: bool) -> None:
        from hythe.forward.remote import RemotePort

        connection = await ssh.up(None if first else _ATTEMPT)
        for task in self._retries:
            task.cancel()
        self.remotes = [RemotePort(each, self._flows, self.way.name) for each in self.spec.forwards if each.option == "-R"]
        failures = []
        for remote in self.remotes:
            try:
                await remote.open(connection)
            except OSError as error:
                failures.append(f"{remote.forward}: {error.strerror}")
                if not first:
                    task = asyncio.get_running_loop().create_task(self._ask_again(remote, ssh))
                    self._retries.add(task)
                    task.add_done_callback(self._retries.discard)
        if failures and first and (self._exits or len(failures) == len(self.spec.forwards)):
            raise MachineError(failures[0])
        for failure in failures:
            self._flows.notice(failure)
        self._become(UP)

    async def _ask_again(self, remote: RemotePort, ssh: Ssh) -> None:
        """The server may hold the port for the connection that was lost, until it notices."""
        connection = ssh.connection
        while connection is not None and not connection.is_closed():
            await asyncio.sleep(_AGAIN)
            try:
                await remote.open(connection)
            except OSError:
                continue
            self._flows.notice(f"{remote.forward}: listens again")
            return

    async def reread(self) -> None:
        """Have its way go by its own files as they are now; tell what has changed, or is wrong."""
        for way in (*self._under, self.way):
            try:
                changed = await way.reread()
                if changed and way is self._wireguard:
                    await self._wireguard.up()
            except (HytheError, OSError) as error:
                self._flows.notice(f"{self.spec.name}: {way.name} stays as it was: {error}")
                continue
            if changed:
                self._flows.notice(f"{self.spec.name}: {way.name} read again: {changed}")

    def fail(self, reason: str) -> None:
        """It is not tried any more."""
        self._become(DOWN, reason)

    def _become(self, state: str, reason: str = "") -> None:
        if state != self.state:
            self.since = time.time()
        self.state = state
        self.reason = reason
        self._changed.set()

    def lines(self) -> list[str]:
        """What leads where, for people."""
        found = []
        for local in self.locals:
            forward, place = local.forward, local.forward.place
            shown = Place(place.text, place.addresses, port_of(local.listeners), place.udp, place.path)
            found.append(f"{shown}{'/udp' if place.udp else ''} -> {forward.target} by {self.way.name}")
        for remote in self.remotes:
            place = remote.forward.place
            shown = Place(place.text, place.addresses, remote.port, place.udp, place.path)
            found.append(f"{shown}{'/udp' if place.udp else ''} of {self.way.name} -> {remote.forward.target}")
        return found

    async def close(self) -> None:
        """End it with all it carries."""
        for task in self._retries:
            task.cancel()
        for each in self.locals:
            await each.close()
        await self.way.close()


def _way(spec: TunnelSpec, *, asks: bool) -> tuple[Way, Ssh | None, Wireguard | None, list[Way]]:
    """The way, and if its last hop is SSH or WireGuard, that; and what it stands on."""
    from hythe.via.make import make_each
    from hythe.via.spec import Route, parse

    route = parse(spec.via)
    if route.patterns:
        raise UsageError(f"--via {route} is for some destinations alone: a forward has one way, leave the rest out")
    last = route.hops[-1]
    if last.scheme != "ssh":
        for each in spec.forwards:
            if each.option == "-R":
                raise UsageError(f"{each}: {route} listens nowhere for us: -R takes --via ssh://…")
        if spec.compress or spec.identities:
            raise UsageError(f"-C and -i belong to SSH, and the way is {route}: leave them out")
        if last.scheme != "wg":
            *under, way = make_each(route)
            return way, None, None, under
        from hythe.via.wireguard import Wireguard

        alive = _ALIVE if spec.keepalive is None else spec.keepalive
        under = make_each(Route(route.hops[:-1]))
        wireguard = Wireguard(last, under[-1], keepalive=alive)
        return wireguard, None, wireguard, under
    from hythe.tunnel.ssh.client import Target
    from hythe.via.ssh import Ssh

    target = Target(last.host, last.port, last.user, spec.identities, spec.compress or None, spec.keepalive, asks)
    under = make_each(Route(route.hops[:-1]))
    ssh = Ssh(target, under[-1])
    return ssh, ssh, None, under
