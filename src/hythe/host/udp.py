"""UDP of one host: endpoints, and which of them a datagram is for (RFC 768; RFC 1122, 4.1).

Theory of operation. An endpoint is bound to an address (or all of them) and a port, and may be connected to one remote
end, from which alone it then receives. A datagram goes to the connected endpoint of its socket pair, else to the one
bound to its very address, else to the one bound to the port on all addresses, else, on a gateway, to the catch-all. What
was found is remembered by the datagram's key, so that it is one look-up in a dictionary from the second on; every bind
and close forgets it all.

Like connections, endpoints tell of news by entering the ready list, once: `take` gives all datagrams that wait. Their
payloads lie in the link's ring until the turn ends; what the owner has not taken by then is copied (`keep`), within
`HostConfig.datagram_buffer`, and beyond that dropped, as UDP may. Sending happens at once: there is nothing to wait for.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

from hythe.config import HostConfig
from hythe.host.counters import Counters
from hythe.host.interfaces import is_loopback, may_be_source
from hythe.host.output import Output
from hythe.host.ports import check_right, ephemeral
from hythe.tcp.block import CHANGED, READABLE, Surroundings
from hythe.tcp.states import CLOSED, ESTABLISHED
from hythe.wire.checksum import Octets
from hythe.wire.segment import make_key, split_key
from hythe.wire.udp import PAYLOAD_MAX4, PAYLOAD_MAX6, Datagram, Envelope4, envelope

#: What a waiting datagram counts for beyond its payload: about what it costs Python to keep.
OVERHEAD: Final = 256
#: Errors told by ICMP that an endpoint remembers for its owner.
COMPLAINTS_LIMIT: Final = 64
#: Keys whose endpoint is remembered, and remote ends whose headers an endpoint has at hand.
_KNOWN_LIMIT: Final = 4_096
_SENDERS_LIMIT: Final = 256


class Complaint(NamedTuple):
    """ICMP says of what we sent to (`address`, `port`): `number`, an errno, ECONNREFUSED where nobody listens."""

    number: int
    address: bytes
    port: int


class Sender:
    """Sends the datagrams of one socket pair, `key` being what the answers will bear. The headers are made once."""

    __slots__ = ("_envelope", "_output", "_remote")

    def __init__(self, key: bytes, output: Output, ttl: int) -> None:
        self._envelope = envelope(key, ttl)
        self._output = output
        self._remote = split_key(key)[0]

    def send(self, now: int, payload: memoryview | bytes, gso_size: int = 0, ecn: int = 0) -> None:
        """Send one datagram, or with `gso_size` as many as pieces of that many bytes make, the last one shorter perhaps.

        `ecn`: their codepoint, 0 to 3 (RFC 3168, 5; RFC 8085, 3.1.7). A datagram longer than the path carries leaves in
        fragments (RFC 1122, 4.1.4). Raises OSError(ENETUNREACH).
        """
        link = self._output.interface(self._remote).link
        writer = self._envelope
        writer.tos = ecn
        size = len(payload)
        largest = self._output.mtu(self._remote, link) - writer.header_size
        if size <= largest or 0 < gso_size <= largest:
            link.send(now, writer.head(size, gso_size), (payload,) if size else ())
            return
        step = gso_size or size
        for at in range(0, size, step):
            piece = payload[at : at + step]
            packet = (
                writer.packet(piece, self._output.identification())
                if isinstance(writer, Envelope4)
                else writer.packet(piece)
            )
            self._output.send(packet, self._remote, now, link)


class Endpoint:
    """One end of UDP. `address`: 4 or 16 bytes, None for all; `remote`: (address, port) when connected, else None.

    `news`, `queued`, `owner`, `state` and `emit` are the ready list's (`tcp.block.Ready`); `state` is ESTABLISHED for a
    connected endpoint and CLOSED for any other, as netstat shows them. `dropped` counts datagrams that found no room.
    """

    __slots__ = (
        "_complaints",
        "_held",
        "_kept",
        "_limit",
        "_queue",
        "_senders",
        "_table",
        "address",
        "dropped",
        "news",
        "owner",
        "port",
        "queued",
        "remote",
        "state",
    )

    def __init__(
        self, table: Endpoints, address: bytes | None, port: int, remote: tuple[bytes, int] | None, limit: int
    ) -> None:
        self._table = table
        self._limit = limit
        self._queue: list[Datagram] = []
        self._held = 0
        self._kept = 0  # so many at the front of the queue are copies already
        self._complaints: list[Complaint] = []
        self._senders: dict[bytes, Sender] = {}
        self.address = address
        self.port = port
        self.remote = remote
        self.dropped = 0
        self.owner: Any = None
        self.queued = False
        self.news = 0
        self.state = ESTABLISHED if remote else CLOSED

    # --- What the host does

    def deliver(self, datagram: Datagram) -> None:
        """Queue one datagram for the owner, or drop it for want of room."""
        cost = datagram.size + OVERHEAD
        if self._held + cost > self._limit:
            self.dropped += 1
            self._table.counters.datagrams_dropped += 1
            return
        self._held += cost
        self._queue.append(datagram)
        self.news |= READABLE
        if not self.queued:
            self.queued = True
            self._table.around.ready.append(self)

    def complain(self, complaint: Complaint) -> None:
        """Note what ICMP says of something that was sent from here."""
        if len(self._complaints) < COMPLAINTS_LIMIT:
            self._complaints.append(complaint)
            self.note(CHANGED)

    def emit(self, now: int) -> None:
        """The turn ends: copy what was not taken out of the link's ring."""
        queue = self._queue
        for datagram in queue[self._kept :]:
            datagram.payload = memoryview(bytes(datagram.payload))
        self._kept = len(queue)

    # --- What the owner asks

    def note(self, news: int) -> None:
        """Ask for a visit."""
        self.news |= news
        if not self.queued:
            self.queued = True
            self._table.around.ready.append(self)

    def take(self) -> list[Datagram]:
        """All datagrams that wait, oldest first; payloads are good for this turn. `Datagram.pieces` splits joined ones."""
        queue = self._queue
        self._queue = []
        self._held = self._kept = 0
        return queue

    def take_complaints(self) -> list[Complaint]:
        """What ICMP has said since the last time."""
        complaints, self._complaints = self._complaints, []
        return complaints

    def send(
        self,
        now: int,
        payload: Octets,
        address: bytes | None = None,
        port: int = 0,
        *,
        source: bytes | None = None,
        gso_size: int = 0,
        ecn: int = 0,
    ) -> None:
        """Send one datagram to (`address`, `port`), or to the remote end of a connected endpoint.

        With `gso_size` the payload is several datagrams of that size in a row. `source` chooses one of our addresses for
        an endpoint bound to all. `ecn`: the codepoint for explicit congestion notification, 0 to 3; what a received one
        bears is `Datagram.ecn`. OSError: EMSGSIZE, EDESTADDRREQ, ENETUNREACH, EADDRNOTAVAIL.
        """
        if address is None:
            if self.remote is None:
                raise OSError(errno.EDESTADDRREQ, "the endpoint is not connected: say where the datagram shall go")
            address, port = self.remote
        longest = PAYLOAD_MAX4 if len(address) == 4 else PAYLOAD_MAX6
        if len(payload) > longest:
            raise OSError(errno.EMSGSIZE, f"a datagram carries {longest} bytes at most, not {len(payload)}")
        local = source or self.address or self._table.source(address)
        if len(local) != len(address):
            raise OSError(errno.EADDRNOTAVAIL, "the endpoint is bound to an address of the other family")
        self.sender(make_key(address, port, local, self.port)).send(
            now, payload if isinstance(payload, memoryview) else memoryview(payload), gso_size, ecn
        )

    def sender(self, key: bytes) -> Sender:
        """What sends to the remote end of the socket pair `key`."""
        sender = self._senders.get(key)
        if sender is None:
            if len(self._senders) >= _SENDERS_LIMIT:
                self._senders.clear()
            sender = self._senders[key] = self._table.sender(key)
        return sender

    def close(self) -> None:
        """Receive no more. Harmless when repeated."""
        self._table.remove(self)
        self.take()


class Endpoints:
    """All UDP endpoints of one host, and the demultiplexer. `addresses`: those of the host."""

    __slots__ = ("_addresses", "_bound", "_config", "_connected", "_found", "_output", "_random", "around", "counters")

    def __init__(
        self,
        config: HostConfig,
        random: Random,
        around: Surroundings,
        output: Output,
        addresses: set[bytes],
        counters: Counters,
    ) -> None:
        self._config = config
        self._random = random
        self._output = output
        self._addresses = addresses
        self._bound: dict[tuple[bytes | None, int], Endpoint] = {}
        self._connected: dict[bytes, Endpoint] = {}
        self._found: dict[bytes, Endpoint] = {}
        self.around = around
        self.counters = counters

    def __iter__(self) -> Iterator[Endpoint]:
        yield from self._bound.values()
        yield from self._connected.values()

    def bind(self, address: bytes | None, port: int, remote: tuple[bytes, int] | None = None) -> Endpoint:
        """As `Host.bind`."""
        config = self._config
        check_right(port, config.allow_privileged_ports)
        if remote is not None and address is None:
            address = self.source(remote[0])
        if address is not None and address not in self._addresses and not config.any_destination:
            raise OSError(errno.EADDRNOTAVAIL, "cannot bind an address this host does not have")
        if remote is not None and address is not None and len(remote[0]) != len(address):
            raise OSError(errno.EADDRNOTAVAIL, "local and remote address must be of one family")
        if port == 0 and (address is not None or not config.any_destination):
            taken = {endpoint.port for endpoint in self}
            port = ephemeral(*config.ephemeral_ports, self._random, taken.__contains__)
        endpoint = Endpoint(self, address, port, remote, config.datagram_buffer)
        if remote is not None and address is not None:
            key = make_key(*remote, address, port)
            if key in self._connected:
                raise OSError(errno.EADDRINUSE, "that socket pair is in use")
            self._connected[key] = endpoint
        elif (address, port) in self._bound:
            raise OSError(errno.EADDRINUSE, f"UDP port {port} is in use: close that endpoint or choose another")
        else:
            self._bound[address, port] = endpoint
        self._found.clear()
        return endpoint

    def remove(self, endpoint: Endpoint) -> None:
        """Forget an endpoint. Harmless when repeated."""
        if endpoint.remote is not None and endpoint.address is not None:
            key = make_key(*endpoint.remote, endpoint.address, endpoint.port)
            if self._connected.get(key) is endpoint:
                del self._connected[key]
        elif self._bound.get((endpoint.address, endpoint.port)) is endpoint:
            del self._bound[endpoint.address, endpoint.port]
        self._found.clear()

    def receive(self, datagram: Datagram) -> bool:
        """Give a datagram to its endpoint; False when there is none."""
        endpoint = self._found.get(datagram.key) or self.find(datagram.key)
        if endpoint is None:
            return False
        endpoint.deliver(datagram)
        return True

    def find(self, key: bytes) -> Endpoint | None:
        """The endpoint that datagrams of this key are for."""
        remote, _, local, port = split_key(key)
        ours = local in self._addresses
        if not may_be_source(remote) or not (ours or (self._config.any_destination and not is_loopback(local))):
            return None
        bound = self._bound
        found = self._connected.get(key) or bound.get((local, port)) or bound.get((None, port))
        if found is None and not ours:
            found = bound.get((None, 0))  # the gateway's own closed ports stay closed
        if found is not None:
            if len(self._found) >= _KNOWN_LIMIT:
                self._found.clear()
            self._found[key] = found
        return found

    def forget(self) -> None:
        """An address has gone: find every endpoint anew."""
        self._found.clear()

    def source(self, destination: bytes) -> bytes:
        """Our address towards `destination`. OSError: ENETUNREACH, EADDRNOTAVAIL."""
        source = self._output.interface(destination).source_for(destination)
        if source is None:
            raise OSError(errno.EADDRNOTAVAIL, "no address of the right family on the interface that leads there")
        return source

    def sender(self, key: bytes) -> Sender:
        """What sends to the remote end of a socket pair; its local end need not be bound here."""
        return Sender(key, self._output, self._config.ttl)
