"""A script on hythe, on virtual time: nothing waits, and every time is exact."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from hythe.pkt import tcpinfo
from hythe.pkt.begun import Begun, expiry, waits
from hythe.pkt.runner import Pending, Run
from hythe.pkt.script import Script, ScriptError
from hythe.pkt.settings import LIVE, Settings, configure, settings
from hythe.pkt.shell import METRICS, Setting, check, initial
from hythe.pkt.sockets import Sockets
from hythe.pkt.tally import Tally
from hythe.pkt.wireform import Seen, read
from hythe.units import MILLISECOND, SECOND
from hythe.wire import gso
from hythe.wire.packet import ABSENT, NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet
from hythe.wire.segment import PROTOCOL as TCP
from hythe.wire.segment import split_key

#: Virtual time is exact; scripts are not: packetdrill allows them this much if they say nothing.
TOLERANCE: Final = 4 * MILLISECOND
#: The host's clock when the script's stands at zero. An hour of uptime, so that no timer is near zero.
_BEGIN: Final = 3_600 * SECOND
_TURNS: Final = 1_000
#: Who waits with one of these has its text in the segment that acknowledges what it waited for.
_WRITES: Final = frozenset({"write", "writev", "send", "sendto", "sendmsg"})


class Wire:
    """The link of the host under test: what it sends is kept, as the packets of a wire, until somebody asks."""

    def __init__(self, mtu: int, tally: Tally) -> None:
        self.mtu = mtu
        self._tally = tally
        self.sent: deque[Seen] = deque()

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """Nothing ever: packets are given to the host directly."""
        return ()

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        data = b"".join((head[VNET_SIZE:], *payload))
        for piece in gso.cut(data, len(data), gso_size, PARTIAL if flags & NEEDS_CSUM else ABSENT):
            seen = read(piece, now - _BEGIN)
            if seen is not None:
                self.sent.append(seen)
                self._tally.note(seen, out=True)

    def fileno(self) -> int:
        """There is none."""
        return -1

    def close(self) -> None:
        """Nothing to give back."""


class Virtual:
    """hythe's host with one interface, as a `Stack`."""

    def __init__(self, chosen: Settings, config: TcpConfig) -> None:
        self._now = _BEGIN
        self._mss = chosen.mss
        self._tally = Tally()
        self._wire = Wire(chosen.mtu, self._tally)
        self._host = Host(HostConfig(tcp=config, allow_privileged_ports=True), Random(1), bytes(32))
        own = Prefix(chosen.local, chosen.prefix)
        self._interface = self._host.attach("tun0", self._wire, (own,))
        self._host.routes.add(Route(Prefix(bytes(len(chosen.local)), 0), self._interface, chosen.gateway))
        self._sockets = Sockets(self._host, chosen, lambda: self._now)
        self._slot = Packet()
        self._begun: list[Begun] = []

    def advance(self, until: int) -> None:
        """As `Stack.advance`."""
        end = until + _BEGIN
        while (due := self._next_deadline()) <= end:
            self._fire(due)
        self._now = max(self._now, end)

    def inject(self, data: bytes) -> None:
        """As `Stack.inject`."""
        seen = read(data, self._now - _BEGIN)
        pieces = 0
        if seen is not None:
            self._tally.note(seen, out=False)
            pieces = self._mss if seen.protocol == TCP and seen.size > self._mss else 0
        self._host.receive(self._slot.fill(data, pieces), self._now, self._interface)
        self._turn()
        self._slot.poison()

    def next_packet(self, until: int) -> Seen | None:
        """As `Stack.next_packet`: timers fire until something has left."""
        end = until + _BEGIN
        while not self._wire.sent:
            due = self._next_deadline()
            if due > end:
                return None
            self._fire(due)
        return self._wire.sent.popleft()

    def call(self, name: str, arguments: Sequence[object], *, blocks: bool) -> Pending:
        """As `Stack.call`."""
        expires = expiry(name, arguments, self._now - _BEGIN)
        blocking = bool(arguments) and self._sockets.blocking(arguments[0])
        action = self._sockets.find(name)
        begun = Begun(
            action,
            arguments,
            lambda: self._now - _BEGIN,
            blocking=waits(name, arguments, blocking=blocking),
            expires=expires,
        )
        begun.eager = name in _WRITES
        self._turn()
        begun.attempt()
        if begun.outcome() is None:
            self._begun.append(begun)
        return begun

    def configure(self, setting: Setting) -> None:
        """As `Stack.configure`."""
        short = setting.name.removeprefix("net.ipv4.")
        try:
            if setting.name == METRICS and self._host.around.fast_open is not None:
                self._host.around.fast_open.forget()
            elif short == "tcp_fastopen":
                self._sockets.fast_open.allowed = int(setting.value, 0)
            elif short == "tcp_notsent_lowat":
                self._sockets.lowat = int(setting.value, 0)
            elif short == "tcp_fastopen_key":
                self._sockets.fast_open.common(setting.value)
        except ValueError as error:
            wrong = f"expected a value that {setting.name} can have, found {setting.value!r}"
            raise ScriptError(setting.path, setting.line, wrong) from error
        config = self._host.config
        self._host.config = replace(config, tcp=configure(config.tcp, setting))
        if setting.name in LIVE:
            self._sockets.configure(lambda each: configure(each, setting))

    def info(self) -> Mapping[str, int]:
        """As `Stack.info`."""
        connection = self._sockets.last
        if connection is None:
            return {}
        _, remote_port, _, local_port = split_key(connection.key)
        told = self._tally.told((local_port, remote_port), self._now - _BEGIN)
        return {**tcpinfo.hythe(connection, self._now), **told}

    def _next_deadline(self) -> int:
        """Of the host, or of a call that waits no longer than then."""
        waits = (each.expires + _BEGIN for each in self._begun if each.expires is not None)
        return min((self._host.next_deadline(), *waits))

    def _fire(self, due: int) -> None:
        self._now = max(self._now, due)
        self._host.fire(self._now)
        self._turn()
        self._retry()

    def _retry(self) -> None:
        for begun in self._begun:
            begun.attempt()
        self._begun = [each for each in self._begun if each.outcome() is None]

    def _turn(self) -> None:
        """Visit and emit, as a driver does, until there is no more news; then whoever waits tries again."""
        for _ in range(_TURNS):
            ready = self._host.take_ready()
            if not ready:
                break
            for begun in self._begun:
                if begun.eager:
                    begun.attempt()
            for item in ready:
                item.queued = False
                item.news = 0
                self._host.attend(item, self._now)
            self._retry()
        self._host.settle(self._now)


def run(script: Script, tolerance: int | None = None) -> None:
    """Play a script against hythe. Raises `Failure`, `ScriptError`."""
    chosen = settings(script)
    config = TcpConfig()
    check(script)
    for setting in initial(script):
        config = configure(config, setting)
    if tolerance is not None:
        chosen = replace(chosen, tolerance=tolerance)
    exact = TOLERANCE if chosen.tolerance is None else chosen.tolerance
    Run(script, chosen, Virtual(chosen, config), exact)()
