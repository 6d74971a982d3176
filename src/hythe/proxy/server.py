"""The proxy in one process: its entries, what they share, and how a change of the configuration reaches them.

Theory of operation. An *entry* is one listening port. A connection goes through

    accept -> stages in front -> speak (mapped port, SOCKS, HTTP) -> open by the entry's way -> stages behind -> join

where `Entry.stages` are called with the client, one after the other, before a word is exchanged; one may replace
`Client.stream` (TLS), or know better who it is (PROXY protocol). A reload keeps the entries that are as before, and makes
others anew around the listening sockets that stay, so that nobody in the kernel's queue is lost; who is there keeps the
entry that he came by, with its way, until he goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import resource
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from hythe.forward import service
from hythe.forward.flows import Flows
from hythe.forward.places import Place, listen
from hythe.proxy.access import Access
from hythe.proxy.behind import Behind
from hythe.proxy.clients import Client, rested
from hythe.proxy.config import EntryConfig, LimitConfig, MapConfig, ProxyConfig
from hythe.proxy.datagrams import DatagramMapping
from hythe.proxy.http import Http
from hythe.proxy.kinds import Listen
from hythe.proxy.ledger import Ledger
from hythe.proxy.limits import Limits
from hythe.proxy.log import Log
from hythe.proxy.mapping import Mapping as MappedPort
from hythe.proxy.passage import SWEEP, Passage
from hythe.proxy.plain import Port
from hythe.proxy.socks import Socks
from hythe.proxy.stages import Stage, stages
from hythe.proxy.users import Users
from hythe.proxy.zones import Zones
from hythe.tunnel.accepting import Acceptor, Make
from hythe.via.base import Way
from hythe.via.direct import leaving
from hythe.via.make import make_all
from hythe.via.patterns import endpoint
from hythe.via.pool import Pool

#: Clients that have not said what they want, of one entry.
_GREETING: Final = 1_000
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})


class Speaker(Protocol):
    """What is said to the clients of an entry."""

    async def speak(self, client: Client, greeted: Callable[[], object]) -> None:
        """Serve a client until it ends; `greeted` once it has said what it wants."""

    def without_task(self, port: Port) -> Make | None:
        """What serves clients that need no task, where that can be."""

    async def close(self) -> None:
        """Hold nothing any more. Clients that are there stay."""


class Entry:
    """One listening port. `kind`: map, socks or http; `text`: where it listens. `resting`: clients that want nothing now."""

    def __init__(self, server: Server, kind: str, config: MapConfig | EntryConfig) -> None:
        self.kind = kind
        self.config = config
        self.listen: Listen = config.listen
        self.text = config.listen.text
        self.connect = config.connect
        self.stages: list[Stage] = stages(config, server.flows.notice)
        self.resting: set[Client] = set()
        self._entering: dict[socket.socket, Client] = {}  # those whom a stage may have taken the socket from
        self._numbers: set[int] = set()  # of its ports
        self.way = server.way_out(config)
        self.datagrams: DatagramMapping | None = None
        self.speaker: Speaker | None = None
        self._room = server.room(kind, config)
        passage = self.passage = server.passage
        if isinstance(config, EntryConfig):
            login = must_log_in(server.config, config)
            make = Socks if kind == "socks" else Http
            self.speaker = make(passage, lambda: server.users, login=login)
        elif config.listen.udp:
            self.datagrams = DatagramMapping(self, config, passage)
        else:
            self.speaker = MappedPort(config, passage, self.way)
        self._acceptor = Acceptor(
            self._serve,
            f"a client of {self.text}",
            clients=config.connections,
            greeting=_GREETING,
            away=self._tell_away,
            make=self._plain(),
        )

    def _plain(self) -> Make | None:
        if self.stages or self.speaker is None:
            return None
        return self.speaker.without_task(Port(self, self.passage, self._room))

    def take(self, opened: socket.socket) -> None:
        """Serve a socket, ours from now on."""
        (self.datagrams or self._acceptor).listen(opened)
        self._numbers.add(opened.getsockname()[1])

    @property
    def sockets(self) -> list[socket.socket]:
        """What is listened to."""
        return (self.datagrams or self._acceptor).listeners

    async def _serve(self, stream: socket.socket, greeted: Callable[[], object]) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert self.speaker is not None
        try:
            client = Client(self, stream, stream.getpeername(), task.cancel)
        except OSError:
            stream.close()
            return  # it has gone
        share = None
        try:
            share = self._room.begin("") if self._room is not None else None
            if self.stages:
                self._entering[stream] = client
            for stage in self.stages:
                await stage.admit(client)
        except OSError as error:  # it has gone, is not who it should be, or one too many
            self.passage.log.tell_refused(client, error)
        else:
            await self.speaker.speak(client, greeted)
            client.stream.close()
            await rested(client.stream, client.rest)
        finally:
            self._entering.pop(stream, None)
            if share is not None:
                share.end()
            if client.stream is not stream:  # a stage has put another in its place
                client.stream.close()
            stream.close()

    def _tell_away(self, stream: socket.socket, why: str) -> None:
        """There was no room for a client."""
        with contextlib.suppress(OSError):  # it has gone by itself
            client = self._entering.get(stream) or Client(self, stream, stream.getpeername(), stream.close)
            self.passage.log.tell_refused(client, OSError(errno.ENOBUFS, why))

    def is_at(self, address: str, port: int) -> bool:
        """Does it listen there?"""
        if port not in self._numbers:
            return False
        for each in self.sockets:
            host, own = each.getsockname()[:2]
            if own == port and (_same(host, address) or (host in _WILDCARDS and is_local(address))):
                return True
        return False

    def stop(self) -> None:
        """Listen no more; clients that have said what they want stay."""
        self._acceptor.stop()
        for client in list(self.resting):
            client.leave()

    def hand_over(self) -> None:
        """Another has its sockets from now on."""
        (self.datagrams or self._acceptor).hand_over()

    async def fade(self) -> None:
        """Its clients may stay; when they have gone, it ends."""
        await self.retire()
        await self._acceptor.settle(None)
        await self._end()

    async def settle(self, seconds: float) -> bool:
        """Wait for the clients to go; have they?"""
        return await self._acceptor.settle(seconds)

    async def close(self) -> None:
        """End it, with its clients."""
        await self._acceptor.close()
        await self.retire()
        await self._end()

    async def _end(self) -> None:
        """The last client has gone."""
        for stage in self.stages:
            await stage.close()
        if isinstance(self.speaker, MappedPort):
            await self.speaker.behind.close()
        await self.way.close()

    async def retire(self) -> None:
        """Hold nothing any more that is not a client's."""
        if self.datagrams is not None:
            await self.datagrams.close()
        if self.speaker is not None:
            await self.speaker.close()


class Server:
    """`open` before anything else. `number`: of one of several processes, which share their ports and `ledger`; or 0."""

    def __init__(
        self,
        config: ProxyConfig,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        number: int = 0,
        ledger: Ledger | None = None,
    ) -> None:
        self._shares = number > 0
        self._ledger = ledger or Ledger()
        self.config = config
        self.clock = clock
        self.flows = Flows(max(1, number), config.workers)
        self.users = Users(config.users, clock, self._ledger)
        self.passage = Passage(
            self.flows,
            Log(config.log),
            Access(config.rule, self.is_ours),
            Limits(config.per_client, "this client", clock, self._ledger),
            Limits(config.per_user, "this user", clock, self._ledger),
            clock,
        )
        self.pool = Pool(self.flows.notice)
        self.entries: list[Entry] = []
        self._leaving: dict[asyncio.Task[None], Entry] = {}
        self._loop = asyncio.get_running_loop()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    # --- Opening, and changing

    def open(self, given: Sequence[socket.socket] = ()) -> None:
        """Listen everywhere, with the sockets that were handed over. UsageError, MachineError: then nowhere."""
        raise_descriptor_limit()
        self._take(self.config, open_all(self.config, {}, given, shares=self._shares))

    def _take(self, config: ProxyConfig, sockets: list[list[socket.socket]]) -> None:
        before = {(each.kind, each.listen): each for each in self.entries}
        same_users = config.users.keys() == self.config.users.keys()
        self.config = config
        self.entries = []
        for (kind, each), opened in zip(_entries(config), sockets, strict=True):
            old = before.pop((kind, each.listen), None)
            if old is not None and old.config == each and same_users:
                self.entries.append(old)
                continue
            if old is not None:
                old.hand_over()
                self._let_go(old)
            entry = Entry(self, kind, each)
            for one in opened:
                entry.take(one)
            self.entries.append(entry)
        for old in before.values():
            old.stop()
            self._let_go(old)
        self.passage.circles.use(self.entries)

    def reload(self, config: ProxyConfig) -> None:
        """Go by another configuration. UsageError, MachineError: then by the one before, as if nothing had been asked."""
        kept = {(each.kind, each.listen): each.sockets for each in self.entries}
        fresh = open_all(config, kept, (), shares=self._shares)
        passage = self.passage
        passage.log.reopen(config.log)
        passage.access = Access(config.rule, self.is_ours)
        passage.per_client = passage.per_client.changed(config.per_client)
        passage.per_user = passage.per_user.changed(config.per_user)
        if config.users != self.config.users:
            self.users = Users(config.users, self.clock, self._ledger)
        self._take(config, fresh)
        self.pool.rereading.ask()  # what ways read themselves may have changed though nothing else has

    def _let_go(self, entry: Entry) -> None:
        """Close an entry when its last client has gone."""
        task = self._loop.create_task(entry.fade())
        self._leaving[task] = entry
        task.add_done_callback(self._leaving.pop)

    def places(self) -> list[str]:
        """Where it listens, and what for, for people."""
        found = []
        for entry in self.entries:
            config = entry.config
            leads = f" -> {', '.join(config.to)}" if isinstance(config, MapConfig) else ""
            names = (each.getsockname() for each in entry.sockets)
            at = " and ".join(endpoint(name[0], name[1]) for name in names)
            found.append(f"{entry.kind} {at}{'/udp' if entry.listen.udp else ''}{leads}{_by(config)}")
        return found

    def room(self, kind: str, config: MapConfig | EntryConfig) -> Limits | None:
        """Counts the clients of an entry, where several processes have them together."""
        if not self._shares:
            return None
        return Limits(LimitConfig(connections=config.connections), f"{kind} {config.listen.text}", self.clock, self._ledger)

    def way_out(self, config: MapConfig | EntryConfig) -> Way:
        """The way of an entry, to be closed by it. UsageError, MachineError."""
        return self.pool.take(config.via) if config.via else leaving(config.source)

    # --- What is ours

    def is_ours(self, address: str, port: int) -> bool:
        """Is it where we listen?"""
        return any(entry.is_at(address, port) for entry in self.entries)

    def _sweep(self) -> None:
        self.passage.sweep()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    # --- The end

    def stop(self) -> None:
        """Listen no more; clients that have said what they want stay."""
        for entry in self.entries:
            entry.stop()

    async def settle(self, seconds: float) -> bool:
        """Wait for the clients to go; have they?"""
        until = self._loop.time() + seconds
        entries = [*self.entries, *self._leaving.values()]
        gone = [await each.settle(max(0.0, until - self._loop.time())) for each in entries]
        return all(gone)

    async def close(self) -> None:
        """End everything."""
        self._sweeping.cancel()
        self.pool.rereading.close()
        for entry in [*self.entries, *self._leaving.values()]:
            await entry.close()
        self.passage.names.close()
        self.passage.log.close()


def open_all(
    config: ProxyConfig,
    kept: Mapping[tuple[str, Listen], list[socket.socket]],
    given: Sequence[socket.socket],
    *,
    shares: bool,
) -> list[list[socket.socket]]:
    """The sockets of each entry in turn: those `kept`, those `given`, or fresh ones. UsageError, MachineError: then none."""
    places = all_places(config)
    assigned = service.assigned(given, [place for _, _, place in places], "port of the configuration")
    found: list[list[socket.socket]] = []
    fresh: list[socket.socket] = []
    try:
        for kind, each, place in places:
            opened = kept.get((kind, each.listen)) or assigned.get(place)
            if opened is None:
                opened = listen(place, kind, shared=shares)
                fresh += opened
            found.append(opened)
    except BaseException:
        for one in fresh:
            one.close()
        raise
    return found


def all_places(config: ProxyConfig) -> list[tuple[str, MapConfig | EntryConfig, Place]]:
    """Where each entry is to listen, nothing being opened yet. UsageError, MachineError for what this machine lacks."""
    for _, each in _entries(config):
        prove(each)
    zones = Zones(config.internal, config.external)
    places = []
    for kind, each in _entries(config):
        addresses = zones.places(each.listen, expose=each.expose, login=must_log_in(config, each))
        places.append((kind, each, Place(each.listen.text, addresses, each.listen.port, udp=each.listen.udp)))
    return places


def prove(config: MapConfig | EntryConfig) -> None:
    """See that the files of an entry are there and can be used, before anything is changed. UsageError, MachineError."""
    stages(config, lambda _: None)
    if config.via:
        make_all(config.via)
    if isinstance(config, MapConfig):
        Behind(config)


def must_log_in(config: ProxyConfig, entry: MapConfig | EntryConfig) -> bool:
    """Must clients of an entry log in? Of a mapped port they cannot."""
    if isinstance(entry, MapConfig):
        return False
    return bool(config.users) if entry.login is None else entry.login


def _entries(config: ProxyConfig) -> list[tuple[str, MapConfig | EntryConfig]]:
    return [
        *(("map", each) for each in config.map),
        *(("socks", entry) for entry in config.socks),
        *(("http", entry) for entry in config.http),
    ]


def _by(config: MapConfig | EntryConfig) -> str:
    return f" via {'; '.join(map(str, config.via))}" if config.via else ""


def is_local(address: str) -> bool:
    """Does this machine take packets for an address as its own? The kernel binds to no other."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def raise_descriptor_limit() -> None:
    """Each client is two descriptors: take all we may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _same(one: str, other: str) -> bool:
    return ipaddress.ip_address(one.partition("%")[0]) == ipaddress.ip_address(other.partition("%")[0])
