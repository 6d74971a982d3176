"""The host: packets in by interface, demultiplexed by socket pair, and what leaves because of them.

Theory of operation. `receive` is the one way in. It reads a plain TCP packet with one `struct` call, finds its connection
by the key those bytes contain, and gives it the segment; a plain UDP datagram goes to its endpoint the same way.
Everything else (other protocols, options, fragments) takes the slow path, `PacketInput`. A packet that cannot be read is
counted and dropped; no `ParseError` leaves the host.

Connections, listeners and datagram endpoints with news are in the ready list. The driver takes it (`take_ready`), lets
each owner visit, and gives each back to `attend`, which emits and does the bookkeeping: a closed connection is forgotten,
one in TIME-WAIT is replaced by a small record.

Time comes in as `now`, randomness and configuration by the constructor.
"""

from __future__ import annotations

import errno
from random import Random

from hythe.config import HostConfig, TcpConfig
from hythe.errors import ParseError
from hythe.host.accepting import Acceptor
from hythe.host.control import Control
from hythe.host.counters import Counters
from hythe.host.echoes import Echoes
from hythe.host.input import PacketInput
from hythe.host.interfaces import Interface, Prefix
from hythe.host.output import Output
from hythe.host.pathmtu import PathMtus
from hythe.host.ports import check_right, ephemeral
from hythe.host.ratelimit import RateLimit
from hythe.host.routes import Route, RouteTable
from hythe.host.timewait import TimeWait, TimeWaits
from hythe.host.udp import Endpoint, Endpoints
from hythe.link.base import Link
from hythe.tcp.block import Ready, Surroundings
from hythe.tcp.challenges import ChallengeLimit
from hythe.tcp.connection import Connection
from hythe.tcp.fastopen import FastOpen
from hythe.tcp.isn import SequenceNumbers
from hythe.tcp.listener import Listener
from hythe.tcp.pathmtu import path_changed
from hythe.tcp.recvq import ReceiveMemory
from hythe.tcp.sendq import SendPool
from hythe.tcp.states import CLOSED, TIME_WAIT
from hythe.tcp.timers import TimerQueue
from hythe.wire import udp
from hythe.wire.checksum import pseudo_sum, verify
from hythe.wire.packet import ABSENT, Packet
from hythe.wire.segment import PROTOCOL as TCP
from hythe.wire.segment import Segment, envelope, make_key, read4, read6, split_key
from hythe.wire.udp import PROTOCOL as UDP


class Host:
    """A TCP/IP host. `random`: for ports and labels; `secret`: 16 to 32 bytes nobody can guess, for RFC 6528."""

    def __init__(self, config: HostConfig, random: Random, secret: bytes) -> None:
        self.config = config
        self.random = random
        tcp = config.tcp
        self.around = Surroundings(
            TimerQueue(), SendPool(config.send_pool, tcp.send_buffer_min, tcp.send_buffer_max), SequenceNumbers(secret)
        )
        self.around.memory = ReceiveMemory(config.receive_memory)
        self.around.fast_open = FastOpen(secret, config.fast_open_servers)
        self.around.challenges = ChallengeLimit(config.challenge_acks_per_second, random)
        self.counters = Counters()
        self.interfaces: list[Interface] = []
        self.routes = RouteTable()
        self.addresses: set[bytes] = set()
        self.connections: dict[bytes, Connection | TimeWait] = {}
        self.listeners: dict[tuple[bytes | None, int], Listener] = {}
        timers = self.around.timers
        self.paths = PathMtus(config.path_mtu_expires, timers, self._path_changed)
        self.output = Output(self.routes, self.paths, random)
        self.endpoints = Endpoints(config, random, self.around, self.output, self.addresses, self.counters)
        #: Echo requests to others, for the owner of a gateway.
        self.pings = Echoes(self.around, config.datagram_buffer, self.counters)
        self.control = Control(
            self.output,
            self.connections,
            self.endpoints,
            self.pings,
            self.addresses,
            # A gateway has one peer, who asks on behalf of many.
            RateLimit(
                config.icmp_errors_per_second,
                config.icmp_errors_per_second if config.any_destination else config.icmp_errors_per_peer,
            ),
            config.ttl,
            self.counters,
        )
        self.input = PacketInput(
            config, self.addresses, self._demultiplex, self.endpoints, self.control, timers, self.counters
        )
        self.time_waits = TimeWaits(tcp.time_wait, config.time_wait_limit, timers, self._forget)
        self._acceptor = Acceptor(
            config,
            secret,
            self.addresses,
            self.listeners,
            self.connections,
            self.around,
            self._connection,
            self.counters,
        )

    # --- Interfaces

    def attach(self, name: str, link: Link, prefixes: tuple[Prefix, ...]) -> Interface:
        """An interface on `link` with our addresses; each brings the route to its network."""
        interface = Interface(name, link, prefixes)
        self.interfaces.append(interface)
        for prefix in prefixes:
            self.addresses.add(prefix.address)
            self.routes.add(Route(prefix, interface))
        return interface

    def move(self, interface: Interface, link: Link) -> None:
        """The interface goes on by another link of the same MTU, and its connections with it."""
        before = interface.send
        interface.link, interface.send = link, link.send
        for connection in self.connections.values():
            if isinstance(connection, Connection) and connection.send == before:
                connection.send = interface.send

    def add_address(self, interface: Interface, prefix: Prefix, *, on_link: bool = True) -> None:
        """One more address; `on_link`: its network is the link's, so a route leads there."""
        self.addresses.add(prefix.address)
        interface.prefixes += (prefix,)
        if on_link:
            self.routes.add(Route(prefix, interface))

    def remove_address(self, interface: Interface, prefix: Prefix) -> None:
        """The address is ours no more: nothing is received there. Connections from it find that out by themselves."""
        self.addresses.discard(prefix.address)
        interface.prefixes = tuple(each for each in interface.prefixes if each != prefix)
        self.routes.discard(Route(prefix, interface))
        self.endpoints.forget()

    def route(self, destination: bytes) -> Route:
        """The route to `destination`; OSError(ENETUNREACH) when there is none."""
        found = self.routes.find(destination)
        if found is None:
            raise OSError(errno.ENETUNREACH, "network is unreachable: the host has no route there")
        return found

    # --- The driver's cycle: feed, visit, re-arm

    def receive(self, packet: Packet, now: int, interface: Interface) -> None:
        """Feed one packet that came by `interface`."""
        try:
            view = packet.view
            first = view[0]
            segment = datagram = None
            if first == 0x45:
                protocol = view[9]
                if protocol == TCP:
                    segment = read4(packet)
                elif protocol == UDP:
                    datagram = udp.read4(packet)
            elif first >> 4 == 6:
                protocol = view[6]
                if protocol == TCP:
                    segment = read6(packet)
                elif protocol == UDP:
                    datagram = udp.read6(packet)
            if segment is None:
                if datagram is None:
                    self.input.receive(packet, now, interface)
                elif not self.endpoints.receive(datagram):
                    vouched, gso_size = packet.checksum != ABSENT, packet.gso_size
                    self.input.no_such_port(view[: packet.length], datagram.key, now, vouched=vouched, gso_size=gso_size)
            elif packet.checksum == ABSENT and not _sums_right(view, segment):
                self.counters.bad_checksum += 1
            else:
                self._demultiplex(segment, now, interface)
        except ParseError:
            self.counters.malformed += 1

    def take_ready(self) -> list[Ready]:
        """Everything with news, each once; the caller visits each owner and then calls `attend`."""
        ready = self.around.ready
        self.around.ready = []
        return ready

    def attend(self, item: Ready, now: int) -> None:
        """After the visit: send what is due, and let go of what has ended."""
        item.emit(now)
        state = item.state
        if state in (CLOSED, TIME_WAIT) and isinstance(item, Connection):
            self._retire(item, now)

    def settle(self, now: int) -> None:
        """The driver is about to sleep: send the ACKs that were waiting for something to ride on (`eager_ack`)."""
        owing = self.around.owing
        if owing:
            self.around.owing = []
            for connection in owing:
                connection.owing = False
                if connection.ack_owed and connection.state not in (CLOSED, TIME_WAIT):
                    connection.ack_now = True
                    connection.emit(now)

    def next_deadline(self) -> int:
        """When `fire` is due: may be early, never late; NEVER for no timer."""
        return self.around.timers.next_deadline()

    def fire(self, now: int) -> None:
        """Let timers fire; what they cause is in the ready list afterwards."""
        self.around.timers.fire(now)

    # --- Verbs

    def listen(
        self, address: bytes | None, port: int, backlog: int | None = None, *, hold: bool = False, fast_open: int = 0
    ) -> Listener:
        """Passive open. Port 0 picks an ephemeral one, or with `any_destination` and no address stands for all.

        `fast_open`: so many connections at a time may have the text of their SYN read before their handshake is done.
        OSError: EADDRINUSE, EADDRNOTAVAIL; PermissionError below 1024 without the right.
        """
        check_right(port, self.config.allow_privileged_ports)
        if address is not None and address not in self.addresses and not self.config.any_destination:
            raise OSError(errno.EADDRNOTAVAIL, "cannot listen on an address this host does not have")
        if port == 0 and not self.config.any_destination:
            port = ephemeral(
                *self.config.ephemeral_ports,
                self.random,
                lambda each: (address, each) in self.listeners or (None, each) in self.listeners,
            )
        if (address, port) in self.listeners:
            raise OSError(errno.EADDRINUSE, f"port {port} is listened on already: close that listener or choose another")
        listener = Listener(address, port, backlog or self.config.backlog, self.around, hold=hold, fast_open=fast_open)
        self.listeners[address, port] = listener
        return listener

    def bind(self, address: bytes | None, port: int, remote: tuple[bytes, int] | None = None) -> Endpoint:
        """A UDP endpoint on one of our addresses or (None) all; with `remote` (address, port) connected to that.

        Port 0 picks an ephemeral one, or with `any_destination` and no address stands for all that is not ours. OSError:
        EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH; PermissionError below 1024 without the right. `Endpoint.close` ends it.
        """
        return self.endpoints.bind(address, port, remote)

    def unlisten(self, listener: Listener) -> None:
        """Stop listening; connections not yet accepted are reset."""
        self.listeners.pop((listener.address, listener.port), None)
        listener.close()

    def connect(
        self,
        remote: bytes,
        port: int,
        now: int,
        *,
        local: bytes | None = None,
        local_port: int = 0,
        config: TcpConfig | None = None,
        interface: Interface | None = None,
    ) -> Connection:
        """Active open; the SYN leaves when the driver next visits. OSError: ENETUNREACH, EADDRNOTAVAIL, EADDRINUSE.

        `interface`: the link that `remote` is on, where the address alone does not tell (RFC 4007, 6).
        """
        interface = interface or self.route(remote).interface
        source = local or interface.source_for(remote)
        if source is None:
            raise OSError(errno.EADDRNOTAVAIL, "no address of the right family on the interface that leads there")
        if local_port:
            check_right(local_port, self.config.allow_privileged_ports)
        else:
            local_port = ephemeral(
                *self.config.ephemeral_ports,
                self.random,
                lambda each: make_key(remote, port, source, each) in self.connections,
            )
        key = make_key(remote, port, source, local_port)
        if key in self.connections:
            raise OSError(errno.EADDRINUSE, "that socket pair is in use")
        connection = self._connection(key, interface, now, config)
        self.connections[key] = connection
        connection.open()
        return connection

    # --- TCP in

    def _demultiplex(self, segment: Segment, now: int, interface: Interface) -> None:
        connection = self.connections.get(segment.key)
        if connection is None:
            self._acceptor.receive(segment, None, now, interface)
        elif connection.state == TIME_WAIT and isinstance(connection, TimeWait) and connection.allows(segment):
            self._acceptor.receive(segment, connection, now, interface)
        else:
            connection.receive(segment, now)

    def _connection(
        self, key: bytes, interface: Interface, now: int, config: TcpConfig | None, iss: int | None = None
    ) -> Connection:
        """A new block, not among `connections` yet."""
        flow = self.random.getrandbits(20) if len(key) > 12 else 0
        hops = interface.hop_limit if len(key) > 12 else None
        link = interface.link
        connection = Connection(
            key,
            envelope(key, hops or self.config.ttl, flow),
            config or self.config.tcp,
            self.around,
            interface.send,
            link.mtu,
            now,
            iss,
        )
        if len(self.paths):
            path_changed(connection, self.paths.get(split_key(key)[0], link.mtu))
        return connection

    def _retire(self, connection: Connection, now: int) -> None:
        connection.recvq.charge(self.around.memory, 0)  # what its owner has not read is its own matter now
        if self.connections.get(connection.key) is not connection:
            return
        if connection.parent is not None:
            connection.parent.failed(connection, now)
        if connection.state == TIME_WAIT:
            self.connections[connection.key] = self.time_waits.add(connection, now)
        else:
            del self.connections[connection.key]

    def _forget(self, record: TimeWait) -> None:
        if self.connections.get(record.key) is record:  # else a new connection has taken its place
            del self.connections[record.key]

    def _path_changed(self, destination: bytes) -> None:
        """What is known of the path MTU to `destination` has changed: rare enough to look at all connections."""
        interface = self.output.find(destination)
        if interface is None:
            return
        mtu = self.paths.get(destination, interface.link.mtu)
        for connection in list(self.connections.values()):
            if isinstance(connection, Connection) and split_key(connection.key)[0] == destination:
                path_changed(connection, mtu)


def _sums_right(view: memoryview, segment: Segment) -> bool:
    """Are the checksums of a plain packet that nobody vouches for right: the IPv4 header's and TCP's?"""
    key = segment.key
    if len(key) == 12:
        total = int.from_bytes(view[2:4], "big")
        return verify(view[:20]) and verify(view[20:total], pseudo_sum(key[:4], key[4:8], TCP, total - 20))
    size = int.from_bytes(view[4:6], "big")
    return verify(view[40 : 40 + size], pseudo_sum(key[:16], key[16:32], TCP, size))
