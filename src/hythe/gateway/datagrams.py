"""UDP through the gateway: one socket outside for each address and port of the command (RFC 4787).

Theory of operation. A *mapping* is one end of the command's, address and port, with one socket outside that all its
datagrams leave by, whoever they are for: endpoint-independent mapping (RFC 4787, REQ-1), which is what lets peers find each
other through us. A *flow* is a mapping together with one peer: the socket pair by which the command knows it, a record in
the session, and the headers ready for the way back. What a stranger sends to the mapping's socket is delivered as well,
from its true address (REQ-8, endpoint-independent filtering), as a flow of its own.

Both ways datagrams travel in runs: equal ones of one flow in a row leave as one send outside, and as one write inside. Their
ECN bits go with them.

UDP has no end, so flows end by idleness, and the least recently used makes room where there are too many. A mapping lasts
as long as any of its flows. What cannot be sent, and what ICMP outside says of what was, the command is told by ICMP.
"""

from __future__ import annotations

import errno
import select
from collections import OrderedDict
from typing import Final

from hythe.aio.driver import Driver
from hythe.config import RelayConfig
from hythe.gateway.destinations import Leads
from hythe.gateway.egress.base import DatagramEgress, Datagrams, Destination, Lost, Peer
from hythe.gateway.egress.kernel import RUN_MAX, SEGMENTS_MAX
from hythe.gateway.line import Line, Watched
from hythe.gateway.session import FlowRecord, Session
from hythe.host.control import quoted_datagram
from hythe.host.host import Host
from hythe.host.udp import Endpoint, Sender
from hythe.units import KIB, NEVER, SECOND
from hythe.wire.segment import make_key, split_key
from hythe.wire.udp import Datagram

_DNS: Final = 53
#: Room for a full run and the longest datagram behind it.
_ROOM: Final = 128 * KIB
#: Datagrams received from one mapping in a row; like the driver's batches of packets it begins with one and doubles.
_BATCH: Final = 64
#: How often idle flows are looked for. One look at all of them costs less than a timer for each.
_SWEEP: Final = 10 * SECOND
_NO_DESCRIPTORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class DatagramFlow:
    """One socket pair of the command's. `mapping` is None where the destination is refused: then `refusal` says why."""

    __slots__ = ("expires", "gate", "idle", "key", "mapping", "peer", "record", "refusal", "sender")

    def __init__(
        self,
        gate: DatagramGate,
        key: bytes,
        record: FlowRecord,
        mapping: Mapping | None,
        peer: Peer,
        sender: Sender,
        idle: int,
    ) -> None:
        self.gate = gate
        self.key = key
        self.record = record
        self.mapping = mapping
        self.peer = peer
        self.sender = sender
        self.refusal = 0
        self.idle = idle
        self.expires = NEVER

    def refresh(self) -> None:
        """The record's figures are always fresh; when something last passed, the end of its patience tells."""
        moments = self.record.moments
        if moments is not None:
            last = self.expires - self.idle
            if moments.first_down:
                moments.last_down = last
            else:
                moments.last_up = last

    def fileno(self) -> int:
        """The mapping's."""
        return self.mapping.fd if self.mapping is not None else -1

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`; UDP knows no reset, and the next datagram begins a flow anew."""
        self.record.error = errno.ECONNABORTED
        self.gate.end(self, now)


class Mapping(Watched):
    """One end of the command's and its socket outside. `flows`: by peer."""

    __slots__ = ("batch", "flows", "gate", "inside", "outside")

    def __init__(self, gate: DatagramGate, inside: tuple[bytes, int], outside: Datagrams) -> None:
        super().__init__(outside.fileno(), gate.line)
        self.gate = gate
        self.inside = inside
        self.outside = outside
        self.flows: dict[Peer, DatagramFlow] = {}
        self.batch = 1


class DatagramGate:
    """Owner of the host's catch-all UDP endpoint."""

    def __init__(
        self,
        host: Host,
        driver: Driver,
        egress: DatagramEgress,
        destinations: Leads,
        session: Session,
        config: RelayConfig,
    ) -> None:
        self.host = host
        self.driver = driver
        self.egress = egress
        self.destinations = destinations
        self.session = session
        self.config = config
        self.endpoint = host.bind(None, 0)
        self.endpoint.owner = self
        self.flows: OrderedDict[bytes, DatagramFlow] = OrderedDict()  # the least recently used first
        self.mappings: OrderedDict[tuple[bytes, int], Mapping] = OrderedDict()  # the same
        self.line = Line(self._down, self.endpoint.note)
        self.dropped = 0
        self._room = memoryview(bytearray(_ROOM))
        self._exhausted = False
        self.deadline = NEVER
        self.filed = NEVER

    def visit(self, endpoint: Endpoint, now: int) -> None:
        """Datagrams have come, from either side."""
        endpoint.news = 0
        endpoint.take_complaints()  # of replies that the command no longer waits for
        datagrams = endpoint.take()
        if datagrams:
            self._up(datagrams, now)
        self.line.serve(now)

    # --- From the command outwards

    def _up(self, datagrams: list[Datagram], now: int) -> None:
        """Equal datagrams of one flow in a row are one run."""
        index, count = 0, len(datagrams)
        while index < count:
            first = datagrams[index]
            index += 1
            key, size, total, tos = first.key, first.size, first.size, first.tos
            pieces = [first.payload]
            gso_size = first.gso_size
            if not gso_size and size:
                while index < count and len(pieces) < SEGMENTS_MAX:
                    following = datagrams[index]
                    more = following.size
                    if following.key != key or not 0 < more <= size or following.gso_size or total + more > RUN_MAX:
                        break
                    if following.tos != tos:
                        break
                    pieces.append(following.payload)
                    total += more
                    index += 1
                    if more < size:
                        break
                if len(pieces) > 1:
                    gso_size = size
            self._send(key, pieces, total, gso_size, tos & 3, now)

    def _send(self, key: bytes, pieces: list[memoryview], size: int, gso_size: int, ecn: int, now: int) -> None:
        flow = self.flows.get(key)
        if flow is None:
            flow = self._open(key, now)
            if flow is None:
                self.dropped += 1
                return
        else:
            self.flows.move_to_end(key)
        flow.expires = now + flow.idle
        mapping = flow.mapping
        if mapping is None:
            self.host.control.unreachable(key, size, flow.refusal, now)
            return
        self.mappings.move_to_end(mapping.inside)
        try:
            mapping.outside.send(pieces, gso_size, flow.peer, ecn)
        except BlockingIOError:
            self.dropped += 1
        except OSError as error:
            flow.record.error = error.errno or errno.EIO
            self.host.control.unreachable(key, size, flow.record.error, now)
            return
        flow.record.bytes_up += size

    def _open(self, key: bytes, now: int) -> DatagramFlow | None:
        """The flow of a new socket pair, which may be a refused one; None for want of descriptors."""
        remote, remote_port, local, port = split_key(key)
        try:
            destination = self.destinations.datagram(local, port)
            if destination is None:
                return self._refused(key, self.destinations.reason(local) or errno.EACCES, now)
            mapping = self._mapping(remote, remote_port, now)
            peer = mapping.outside.peer(destination)
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                self._say_exhausted()
                return None
            return self._refused(key, error.errno or errno.EHOSTUNREACH, now)
        return self._begin(key, mapping, peer, destination, now)

    def _mapping(self, address: bytes, port: int, now: int) -> Mapping:
        """The mapping of one end of the command's. OSError when there can be none."""
        mapping = self.mappings.get((address, port))
        if mapping is not None:
            return mapping
        if len(self.mappings) >= self.config.udp_mappings:
            self._close(next(iter(self.mappings.values())), now)
        mapping = Mapping(self, (address, port), self.egress.open_datagrams(4 if len(address) == 4 else 6))
        self.mappings[address, port] = mapping
        self.driver.register(mapping.fd, mapping, select.EPOLLIN)
        return mapping

    def _begin(self, key: bytes, mapping: Mapping, peer: Peer, destination: Destination, now: int) -> DatagramFlow:
        record = self.session.begin("udp", key, (destination.host, destination.port), now)
        record.via = destination.via
        record.state = "UNREPLIED"
        flow = DatagramFlow(self, key, record, mapping, peer, self.host.endpoints.sender(key), self.config.udp_idle)
        mapping.flows[peer] = flow
        self.session.enter(flow)
        return self._keep(flow, now)

    def _refused(self, key: bytes, number: int, now: int) -> DatagramFlow:
        """A destination that is not for the command, remembered: it may try more than once. For the session it has ended."""
        record = self.session.begin("udp", key, None, now)
        record.error = number
        self.session.end(record, now, refused=True)
        flow = DatagramFlow(self, key, record, None, (), self.host.endpoints.sender(key), self.config.udp_idle)
        flow.refusal = number
        return self._keep(flow, now)

    def turn_down(self, flow: DatagramFlow, number: int, now: int) -> None:
        """One that has begun comes to nothing: from now on it is refused."""
        mapping = flow.mapping
        assert mapping is not None
        flow.mapping, flow.refusal = None, number
        flow.record.error = number
        self.session.end(flow.record, now, refused=True)
        mapping.flows.pop(flow.peer, None)
        if not mapping.flows:
            self._close(mapping, now)

    def _keep(self, flow: DatagramFlow, now: int) -> DatagramFlow:
        """Know it from now on, and look whether it has become idle."""
        flow.expires = now + flow.idle
        self.flows[flow.key] = flow
        if len(self.flows) > self.config.udp_flows:
            self.end(next(iter(self.flows.values())), now)
        if self.deadline == NEVER:
            self.deadline = now + _SWEEP
            self.host.around.timers.file(self)
        return flow

    def _say_exhausted(self) -> None:
        if not self._exhausted:
            self._exhausted = True
            self.session.notice(
                f"no more descriptors after {len(self.mappings)} UDP sockets: further ones are "
                "silent while these last; raise the hard limit (ulimit -Hn)"
            )

    # --- From outside to the command

    def _down(self, mapping: Mapping, now: int) -> None:
        if self.mappings.get(mapping.inside) is not mapping:
            return  # it ended in this very turn
        outside = mapping.outside
        runs, more = outside.receive(self._room, mapping.batch)
        if mapping.troubled or not runs:
            mapping.troubled = False
            for lost in outside.errors():
                self._lost(mapping, lost, now)
        mapping.batch = min(2 * mapping.batch, _BATCH) if more else 1
        for peer, start, end, gso_size, ecn in runs:
            flow = mapping.flows.get(peer) or self._stranger(mapping, peer, now)
            if flow is None:
                self.dropped += 1
                continue
            record = flow.record
            if record.state != "ASSURED":
                record.state = "ASSURED"
                record.error = 0
                if record.moments is not None:
                    record.moments.first_down = now
                if peer[1] == _DNS:
                    flow.idle = self.config.dns_idle
            record.bytes_down += end - start
            flow.expires = now + flow.idle
            flow.sender.send(now, self._room[start:end], gso_size, ecn)

    def _stranger(self, mapping: Mapping, peer: Peer, now: int) -> DatagramFlow | None:
        """Somebody the command has not spoken to; None where it may not hear from there."""
        source = self.destinations.inside(peer[0])
        if source is None:
            return None
        address, port = mapping.inside
        return self._begin(make_key(address, port, source, peer[1]), mapping, peer, Destination(peer[0], peer[1]), now)

    def _lost(self, mapping: Mapping, lost: Lost, now: int) -> None:
        """Tell the command what came of a datagram, in the words of its own network."""
        flow = mapping.flows.get(lost.peer)
        if flow is None or lost.number == errno.EMSGSIZE:  # from now on the kernel cuts what it sends there to size
            return
        flow.record.error = lost.number
        if lost.icmp is None:
            self.host.control.unreachable(flow.key, lost.size, lost.number, now)
            return
        kind, code = lost.icmp
        source = self.destinations.inside(lost.by) if lost.by is not None else None
        self.host.control.report(quoted_datagram(flow.key, lost.size), kind, code, now, source=source)

    # --- The end

    def fire(self, now: int) -> None:
        """End what has been idle for long enough."""
        for flow in [each for each in self.flows.values() if each.expires <= now]:
            self.end(flow, now)
        self.deadline = now + _SWEEP if self.flows else NEVER

    def end(self, flow: DatagramFlow, now: int) -> None:
        """Forget a flow, and its mapping when it was the last."""
        self.flows.pop(flow.key, None)
        mapping = flow.mapping
        if mapping is not None:  # else it has ended for the session
            flow.refresh()
            self.session.end(flow.record, now)
            mapping.flows.pop(flow.peer, None)
            if not mapping.flows:
                self._close(mapping, now)

    def _close(self, mapping: Mapping, now: int) -> None:
        """Forget a mapping with all its flows."""
        if self.mappings.pop(mapping.inside, None) is None:
            return
        for flow in list(mapping.flows.values()):
            self.end(flow, now)
        self.driver.unregister(mapping.fd)
        mapping.outside.close()

    def close(self) -> None:
        """Close every socket; the records stay as they are."""
        for mapping in self.mappings.values():
            self.driver.unregister(mapping.fd)
            mapping.outside.close()
        self.mappings.clear()
