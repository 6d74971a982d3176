"""The join of the command's link and a tunnel.

Theory of operation. The relay stands where packets come in, on both sides (`Driver.add_link`'s receiver). What the command
sends to the network inside is the gateway's host's, as ever: names, publish, `host.hythe.internal`, ping of the gateway. All
else goes through the tunnel as it is, super-segment by super-segment; the hop limit stays, for this is a link and no router.
What comes out of the tunnel goes to the command as it is, if it is for the command and does not claim to come from the
network inside.

The two ends of a packet's way are known by its flow: one look-up. What has no flow yet is looked at more closely, and once:
whether it may go at all, where its addresses lead, whether it starts a flow. What cannot leave is told by ICMP: too big, and
no peer for that address.

The gateway never looks for another way: with everything matched (`Match`), there is nothing here that leads past the tunnel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hythe.aio.driver import Receiver
from hythe.config import RelayConfig
from hythe.errors import ParseError
from hythe.gateway.relay.flows import CHANGES, Flow, Flows, begins, find, reset_for
from hythe.gateway.relay.match import Match
from hythe.gateway.relay.passing import fragments, longest, outgoing, turned_back
from hythe.gateway.relay.shape import Look, look
from hythe.gateway.relay.translate import Translation
from hythe.gateway.relay.tunnel import Tunnel
from hythe.gateway.session import Session
from hythe.host.host import Host
from hythe.host.interfaces import Interface, may_be_source
from hythe.wire import icmp, icmpv6
from hythe.wire.packet import Packet
from hythe.wire.segment import ACK, SYN, make_key


class Ends:
    """Addresses, packed. `tunnel`: those that the tunnel has given us, the first of each family being what others see.

    `own`: the command's where it has others than those, of the same families in the same order; empty where it has the
    tunnel's themselves.
    """

    __slots__ = ("own", "tunnel")

    def __init__(self, tunnel: Sequence[bytes], own: Sequence[bytes] = ()) -> None:
        self.tunnel = tuple(tunnel)
        self.own = tuple(own)


class Relay:
    """`interface`: the command's, of the gateway's `host`. `otherwise`: takes what does not go through the tunnel.

    `dropped` counts what was not for the command, or had no business there.
    """

    def __init__(
        self,
        host: Host,
        interface: Interface,
        tunnel: Tunnel,
        ends: Ends,
        match: Match,
        session: Session,
        config: RelayConfig,
        otherwise: Receiver,
    ) -> None:
        self.host = host
        self.interface = interface
        self.tunnel = Interface("tunnel", tunnel.link, ())
        self.match = match
        self.flows = Flows(session, config, host.around.timers, self.tunnel, interface)
        self.dropped = 0
        self.resolver: Receiver | None = None  # takes what is for our own questions, where we ask any
        self.asked: Callable[[Look], bool] = lambda _seen: False
        self._otherwise = otherwise
        self._reaches = tunnel.reaches
        self._mine = frozenset(ends.tunnel)
        self._sizes = frozenset(map(len, ends.tunnel))
        pairs = [(own, next(each for each in ends.tunnel if len(each) == len(own))) for own in ends.own]
        self._translated = {own: Translation(own, theirs, source=True) for own, theirs in pairs}
        self._back = {theirs: (own, Translation(theirs, own, source=False)) for own, theirs in pairs}
        self._outer = dict(pairs)
        self._sources = frozenset(ends.own) if ends.own else self._mine

    # --- From the command

    def receive(self, packet: Packet, now: int, interface: Interface) -> None:
        """A packet of the command's."""
        flow, flags, start, data = find(packet, self.flows.tcp_up, self.flows.udp_up)
        if flow is None or flow.odd or flags & CHANGES:
            self._unusual_up(packet, now, interface)
            return
        flow.seen = now
        size = packet.length - data
        if flags:
            flow.said, flow.size = bytes(packet.view[start + 4 : start + 12]), size
        flow.record.bytes_up += size
        self._send_up(packet, now)

    def _send_up(self, packet: Packet, now: int) -> None:
        """Through the tunnel, if it fits."""
        try:
            tunnel = self.tunnel
            if longest(packet) > tunnel.link.mtu:
                self._too_big(packet, now)
                return
            if self._translated:
                view = packet.view
                own = bytes(view[12:16]) if view[0] >> 4 == 4 else bytes(view[8:24])
                translation = self._translated.get(own)
                if translation is not None:
                    translation.apply(packet)
            tunnel.send(now, *outgoing(packet))
        except ParseError:
            self.dropped += 1  # garbage that a program wrote by hand

    def _unusual_up(self, packet: Packet, now: int, interface: Interface) -> None:
        try:
            seen = look(packet)
        except ParseError:
            self._otherwise(packet, now, interface)
            return
        there, _ = self.flows.tables(seen.protocol)
        flow = there.get(seen.key)
        if flow is None and not self.match.leads(seen.destination, seen.far_port, now):
            self._otherwise(packet, now, interface)
            return
        if len(seen.source) not in self._sizes:
            self._no_peer(packet, seen, now)
            return
        if seen.source not in self._sources or not may_be_source(seen.destination):
            self.dropped += 1  # an address that is not the command's, or no single host's: nothing of that leaves
            return
        if not self._reaches(seen.destination):
            self._no_peer(packet, seen, now)
            return
        if flow is not None and flow.killed and seen.flags & (SYN | ACK) != SYN:
            self._answer_killed(seen, now, interface)
            return
        if begins(flow, seen):
            flow = self._open(seen, now, inbound=False)
        if flow is not None:
            flow.count(seen, now, up=True)
        self._send_up(packet, now)

    # --- From the tunnel

    def receive_down(self, packet: Packet, now: int, interface: Interface) -> None:
        """A packet that has come through the tunnel."""
        flow, flags, _, data = find(packet, self.flows.tcp_down, self.flows.udp_down)
        if flow is None or flow.odd or flags & CHANGES:
            self._unusual_down(packet, now)
            return
        flow.seen = now
        record = flow.record
        record.bytes_down += packet.length - data
        if not flags and not record.inbound:
            record.state = "ASSURED"
        self._send_down(packet, now)

    def _send_down(self, packet: Packet, now: int) -> None:
        try:
            if self._back:
                view = packet.view
                back = self._back.get(bytes(view[16:20]) if view[0] >> 4 == 4 else bytes(view[24:40]))
                if back is not None:
                    back[1].apply(packet)
            self.interface.send(now, *outgoing(packet))
        except ParseError:
            self.dropped += 1

    def _unusual_down(self, packet: Packet, now: int) -> None:
        try:
            seen = look(packet)
        except ParseError:
            self.dropped += 1
            return
        if self.resolver is not None and self.asked(seen):
            self.resolver(packet, now, self.tunnel)
            return
        _, back = self.flows.tables(seen.protocol)
        flow = back.get(seen.key)
        if flow is None and not self._welcome(seen, now):
            self.dropped += 1
            return
        if flow is not None and flow.killed:
            self._answer_killed(seen, now, self.tunnel)
            return
        if seen.error:
            self.flows.told(seen, now)
        elif begins(flow, seen):
            flow = self._open(seen, now, inbound=True)
        if flow is not None:
            flow.count(seen, now, up=False)
        self._send_down(packet, now)

    def _welcome(self, seen: Look, now: int) -> bool:
        """What has no flow: is it for the command, from where the command's answers would go?"""
        if seen.destination not in self._mine or not may_be_source(seen.source) or self.match.is_inside(seen.source):
            return False
        return seen.error or self.match.leads(seen.source, seen.port, now)

    # --- Flows

    def _open(self, seen: Look, now: int, *, inbound: bool) -> Flow:
        ours, theirs = (seen.destination, seen.source) if inbound else (seen.source, seen.destination)
        our_port, their_port = (seen.far_port, seen.port) if inbound else (seen.port, seen.far_port)
        if inbound:
            outer, inner = ours, self._back[ours][0] if ours in self._back else ours
        else:
            outer, inner = self._outer.get(ours, ours), ours
        up = make_key(inner, our_port, theirs, their_port)
        down = make_key(theirs, their_port, outer, our_port)
        return self.flows.open(seen, up, down, now, inbound=inbound)

    def _answer_killed(self, seen: Look, now: int, interface: Interface) -> None:
        """Something of a connection that was ended by hand: its sender is told so."""
        head = reset_for(seen)
        if head:
            interface.send(now, head)

    # --- What cannot leave

    def _too_big(self, packet: Packet, now: int) -> None:
        """Its sender is told so; a packet that may be fragmented is."""
        mtu = self.tunnel.link.mtu
        if turned_back(self.host.control, packet, mtu, now):
            return
        own = bytes(packet.view[12:16])
        if own in self._translated:
            self._translated[own].apply(packet)
        for piece in fragments(packet, mtu):
            self.tunnel.send(now, piece)

    def _no_peer(self, packet: Packet, seen: Look, now: int) -> None:
        """As Linux's WireGuard says it (drivers/net/wireguard/device.c)."""
        if seen.version == 4:
            self.host.control.report(packet.view[: packet.length], icmp.UNREACHABLE, icmp.HOST_UNREACHABLE, now)
        else:
            self.host.control.report(packet.view[: packet.length], icmpv6.UNREACHABLE, icmpv6.NO_ROUTE, now)
