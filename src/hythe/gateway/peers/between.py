"""Peers of a gateway reach each other, where that is asked for: what they send each other is forwarded, packet by packet.

Theory of operation. This stands before the gateway's host (`Driver.add_link`'s receiver) and above captures and faults,
which see such a packet twice: as it comes, and as it leaves. The destination is looked up in a table of all peers' networks,
once for each super-segment. What is for none of them, or for the gateway itself, is the host's. All else never meets the
gateway's TCP: it leaves by the link it came from as it is, with one hop less to live, and what cannot leave is told by ICMP.

The tunnel has made sure that what comes from a peer is of its own addresses. A packet never goes back to the peer that it
came from (RFC 4443, 3.1), so nothing goes round between us and a peer for which we are the way to its own network.

Flows are counted as those of a tunnel are (`relay/flows`): `up` is away from the peer that began.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from hythe.config import RelayConfig
from hythe.errors import ParseError
from hythe.gateway.peers.layout import Peer, PeersLayout
from hythe.gateway.relay.flows import CHANGES, Flow, Flows, begins, find, reset_for
from hythe.gateway.relay.passing import fragments, longest, outgoing, turned_back
from hythe.gateway.relay.shape import Look, look
from hythe.gateway.session import Session
from hythe.host.host import Host
from hythe.host.interfaces import Interface
from hythe.tunnel.wireguard.allowed import AllowedIPs
from hythe.wire import icmp, icmpv6, ndp
from hythe.wire.packet import Packet
from hythe.wire.segment import ACK, SYN, make_key, split_key

#: Addresses looked up that are remembered.
_KNOWN: Final = 4_096
#: Has the gateway's own addresses, though a peer may have the network around them.
_OURSELVES: Final = Peer("", ())


class Between:
    """Of one gateway: its `host`, and the `interface` of its tunnel. `heard(address)`: is it known where that peer is?

    `dropped` counts what no router passes on.
    """

    def __init__(
        self,
        host: Host,
        interface: Interface,
        layout: PeersLayout,
        session: Session,
        config: RelayConfig,
        heard: Callable[[bytes], bool],
    ) -> None:
        self.flows = Flows(session, config, host.around.timers, interface, interface)
        self.dropped = 0
        self._host = host
        self._interface = interface
        self._heard = heard
        self._whose: AllowedIPs[Peer] = AllowedIPs(_KNOWN)
        self.know(layout, 0)

    def know(self, layout: PeersLayout, now: int) -> None:
        """These are the peers now. Flows whose ends are not two of them any more are over."""
        whose: AllowedIPs[Peer] = AllowedIPs(_KNOWN)
        for peer in layout.peers:
            for network in peer.networks:
                if network[1]:  # a peer of everything has no network of its own: that is the world
                    whose.add(ipaddress.ip_network(network), peer)
        for family in layout.families:
            for own in (family.gateway, family.host):
                whose.add(ipaddress.ip_network(own), _OURSELVES)
        self._whose = whose
        for table in (self.flows.tcp_up, self.flows.udp_up, self.flows.other_up):
            for flow in list(table.values()):
                source, _, destination, _ = split_key(flow.up)
                if not self._apart(source, destination):
                    self.flows.drop(flow, now)

    def _apart(self, source: bytes, destination: bytes) -> bool:
        """Are they two peers?"""
        ends = self._whose.find(source), self._whose.find(destination)
        return ends[0] is not ends[1] and None not in ends and _OURSELVES not in ends

    # --- Packets

    def receive(self, packet: Packet, now: int, interface: Interface) -> None:
        """A packet of some peer's."""
        view = packet.view
        whose = self._whose.find(bytes(view[16:20]) if view[0] >> 4 == 4 else bytes(view[24:40]))
        if whose is None or whose is _OURSELVES:
            self._host.receive(packet, now, interface)
            return
        flows, up = self.flows, True
        flow, flags, start, data = find(packet, flows.tcp_up, flows.udp_up)
        if flow is None:
            flow, flags, start, data = find(packet, flows.tcp_down, flows.udp_down)
            up = False
        if flow is None or flow.odd or flags & CHANGES:
            self._unusual(packet, now)
            return
        flow.seen = now
        record, size = flow.record, packet.length - data
        if not up:
            record.bytes_down += size
            if not flags:
                record.state = "ASSURED"
        else:
            record.bytes_up += size
            if flags:
                flow.said, flow.size = bytes(view[start + 4 : start + 12]), size
        self._forward(packet, now)

    def _unusual(self, packet: Packet, now: int) -> None:
        try:
            seen = look(packet)
        except ParseError:
            self.dropped += 1
            return
        if not (_travels(seen.source) and _travels(seen.destination)):
            self.dropped += 1
            return
        if not (self._apart(seen.source, seen.destination) and self._heard(seen.destination)):
            self._nobody(packet, seen, now)
            return
        flow, up = self._flow(seen)
        if flow is not None and flow.killed and seen.flags & (SYN | ACK) != SYN:
            head = reset_for(seen)
            if head:
                self._interface.send(now, head)
            return
        if not self._forward(packet, now):
            return
        if seen.error:
            self.flows.told(seen, now)
        elif begins(flow, seen):
            flow, up = self._open(seen, now), True
        if flow is not None:
            flow.count(seen, now, up=up)

    def _flow(self, seen: Look) -> tuple[Flow | None, bool]:
        """Whose packet it is, and whether it goes up."""
        there, back = self.flows.tables(seen.protocol)
        key = seen.key
        flow = there.get(key)
        return (flow, True) if flow is not None else (back.get(key), False)

    def _open(self, seen: Look, now: int) -> Flow:
        down = make_key(seen.destination, seen.far_port, seen.source, seen.port)
        flow = self.flows.open(seen, seen.key, down, now)
        whose = self._whose.find(seen.destination)
        flow.record.name = whose.name if whose is not None else ""
        return flow

    def _forward(self, packet: Packet, now: int) -> bool:
        """Send it on, if it may live on and fits (RFC 1812, 5.3.1; RFC 8200, 3)."""
        view = packet.view
        four = view[0] >> 4 == 4
        at = 8 if four else 7
        if view[at] <= 1:
            self._expired(packet, now)
            return False
        try:
            mtu = self._interface.link.mtu
            too_long = longest(packet) > mtu
            if too_long and turned_back(self._host.control, packet, mtu, now):
                return False
            view[at] -= 1
            if four:
                # A hop less is in the sum's upper byte (RFC 1624, 3: there is no negative zero).
                total = (view[10] << 8 | view[11]) + 0x100
                total += total >= 0xFFFF
                view[10], view[11] = total >> 8 & 0xFF, total & 0xFF
            if too_long:
                for piece in fragments(packet, mtu):
                    self._interface.send(now, piece)
            else:
                self._interface.send(now, *outgoing(packet))
        except ParseError:
            self.dropped += 1
            return False
        return True

    def _expired(self, packet: Packet, now: int) -> None:
        view, report = packet.view, self._host.control.report
        if view[0] >> 4 == 4:
            report(view[: packet.length], icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED, now)
        else:
            report(view[: packet.length], icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT_EXCEEDED, now)

    def _nobody(self, packet: Packet, seen: Look, now: int) -> None:
        """There is no other peer that could have it, or nobody knows where that is."""
        if seen.version == 4:
            kind, code = icmp.UNREACHABLE, icmp.HOST_UNREACHABLE
        else:
            kind, code = icmpv6.UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE
        self._host.control.report(packet.view[: packet.length], kind, code, now)


def _travels(address: bytes) -> bool:
    """Is it one host's, and does it mean the same beyond its link (RFC 6890; RFC 3927, 2.7; RFC 4291, 2.5.6)?"""
    if len(address) == 4:
        return address[0] not in (0, 127) and address[0] < 224 and address[:2] != b"\xa9\xfe"
    return address[0] != 0xFF and not ndp.is_link_local(address) and any(address[:15])
