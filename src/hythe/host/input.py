"""The slow path in: whatever is not a plain TCP segment or UDP datagram.

IP options, fragments, extension headers, ICMP, unknown protocols, and everything that is wrong in some way. What turns out
to be TCP or UDP after all goes the same way as from the fast path. Sources that cannot be anybody's are dropped (RFC 1122,
3.2.1.3), and so is what bears a source route, which nobody honest uses (RFC 7126, 4.3 and 4.4; Linux drops them too).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hythe.config import HostConfig
from hythe.errors import ParseError
from hythe.host.control import Control
from hythe.host.counters import Counters
from hythe.host.fragments import Reassembler
from hythe.host.interfaces import Interface, is_loopback, may_be_source
from hythe.host.udp import Endpoints
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER
from hythe.wire import gso, icmp, icmpv6, ipv4, ipv6, segment, udp
from hythe.wire.checksum import pseudo_sum, require
from hythe.wire.ndp import ALL_NODES, solicited_node
from hythe.wire.packet import ABSENT, PARTIAL, Packet
from hythe.wire.segment import split_key

#: Loose and strict source and record route (RFC 791, 3.1).
_SOURCE_ROUTES: Final = frozenset((131, 137))


class PacketInput:
    """Reads any packet. `tcp`: where segments go, `endpoints`: where datagrams do, `control`: where ICMP does."""

    __slots__ = (
        "_addresses",
        "_any",
        "_control",
        "_counters",
        "_endpoints",
        "_tcp",
        "_timers",
        "deadline",
        "filed",
        "reassembler",
    )

    def __init__(
        self,
        config: HostConfig,
        addresses: set[bytes],
        tcp: Callable[[segment.Segment, int, Interface], None],
        endpoints: Endpoints,
        control: Control,
        timers: TimerQueue,
        counters: Counters,
    ) -> None:
        self._any = config.any_destination
        self._addresses = addresses
        self._tcp = tcp
        self._endpoints = endpoints
        self._control = control
        self._timers = timers
        self._counters = counters
        self.reassembler = Reassembler(config)
        self.deadline = NEVER
        self.filed = NEVER

    def receive(self, packet: Packet, now: int, interface: Interface) -> None:
        """One packet. Raises `ParseError`."""
        self._read(packet.view[: packet.length], now, interface, packet.checksum == ABSENT, packet.gso_size)

    def fire(self, now: int) -> None:
        """Datagrams that have waited too long for their fragments are given up (RFC 792; RFC 8200, 4.5)."""
        for first in self.reassembler.expire(now):
            kind, code = (
                (icmp.TIME_EXCEEDED, icmp.REASSEMBLY_EXCEEDED)
                if first[0] >> 4 == 4
                else (icmpv6.TIME_EXCEEDED, icmpv6.REASSEMBLY_EXCEEDED)
            )
            self._control.report(first, kind, code, now)
        self.deadline = self.reassembler.next_deadline()

    def no_such_port(self, view: memoryview, key: bytes, now: int, *, vouched: bool, gso_size: int) -> None:
        """A datagram for a port where nobody is: port unreachable (RFC 1122, 4.1.3.1), if it is for us at all.

        `vouched`: its checksum may be partial. What is quoted is a packet of a wire, the first of a batch.
        """
        if not self.is_ours(split_key(key)[2]):
            self._counters.not_ours += 1
            return
        kind, code = (
            (icmp.UNREACHABLE, icmp.PORT_UNREACHABLE) if view[0] >> 4 == 4 else (icmpv6.UNREACHABLE, icmpv6.PORT_UNREACHABLE)
        )
        self._control.report(gso.cut(view, len(view), gso_size, PARTIAL)[0] if vouched else view, kind, code, now)

    def is_ours(self, destination: bytes) -> bool:
        """Do we receive what is sent there?"""
        return destination in self._addresses or (self._any and not is_loopback(destination))

    def _read(self, view: memoryview, now: int, interface: Interface, verify: bool, gso_size: int) -> None:
        """`verify`: nobody vouches for the transport checksum."""
        version = view[0] >> 4 if len(view) else 0
        if version == 4:
            self._read4(view, now, interface, verify, gso_size)
        elif version == 6:
            self._read6(view, now, interface, verify, gso_size)
        else:
            raise ParseError(f"IP version is {version}, neither 4 nor 6")

    def _read4(self, view: memoryview, now: int, interface: Interface, verify: bool, gso_size: int) -> None:
        try:
            header = ipv4.parse(view, len(view))
        except ipv4.OptionError as error:
            self._refuse_option(view, error.pointer, now)
            return
        source = header.source
        if not may_be_source(source) or any(kind in _SOURCE_ROUTES for kind, _ in header.options):
            self._counters.martian += 1
        elif not self.is_ours(header.destination):
            self._counters.not_ours += 1
        elif header.is_fragment:
            self._reassemble(view, now, interface)
        elif header.protocol == icmp.PROTOCOL:
            self._control.receive4(view, header, now, interface, verify)
        elif not self._transport(
            header.protocol,
            view,
            header.header_length,
            header.total_length,
            source,
            header.destination,
            header.tos,
            verify,
            gso_size,
            now,
            interface,
        ):
            self._counters.unknown += 1
            self._control.report(view, icmp.UNREACHABLE, icmp.PROTOCOL_UNREACHABLE, now)

    def _refuse_option(self, view: memoryview, pointer: int, now: int) -> None:
        """RFC 1122, 3.2.2.5."""
        self._counters.malformed += 1
        header = ipv4.parse_start(view, len(view))
        if may_be_source(header.source) and self.is_ours(header.destination):
            self._control.report(view, icmp.PARAMETER_PROBLEM, 0, now, pointer=pointer)

    def _read6(self, view: memoryview, now: int, interface: Interface, verify: bool, gso_size: int) -> None:
        try:
            header = ipv6.parse(view, len(view))
            if not may_be_source(header.source):
                self._counters.martian += 1
            elif not self.is_ours(header.destination) and not _is_asked(header, interface):
                self._counters.not_ours += 1
            elif header.fragment is not None:
                self._reassemble(view, now, interface)
            elif header.protocol == icmpv6.PROTOCOL:
                self._control.receive6(view, header, now, interface, verify)
            elif header.protocol != ipv6.NO_NEXT_HEADER and not self._transport(
                header.protocol,
                view,
                header.payload_offset,
                header.end,
                header.source,
                header.destination,
                header.traffic_class,
                verify,
                gso_size,
                now,
                interface,
            ):
                self._counters.unknown += 1
                self._control.report(
                    view, icmpv6.PARAMETER_PROBLEM, ipv6.UNRECOGNIZED_NEXT_HEADER, now, pointer=header.named_at
                )
        except ipv6.HeaderError as error:
            self._counters.malformed += 1
            self._control.report(
                view, icmpv6.PARAMETER_PROBLEM, error.code, now, pointer=error.pointer, even_multicast=error.even_multicast
            )

    def _reassemble(self, view: memoryview, now: int, interface: Interface) -> None:
        whole = self.reassembler.add(view, len(view), now)
        self.deadline = self.reassembler.next_deadline()
        self._timers.file(self)
        if whole is not None:
            self._counters.reassembled += 1
            self._read(memoryview(whole), now, interface, True, 0)

    def _transport(
        self,
        protocol: int,
        view: memoryview,
        start: int,
        end: int,
        source: bytes,
        destination: bytes,
        tos: int,
        verify: bool,
        gso_size: int,
        now: int,
        interface: Interface,
    ) -> bool:
        """TCP or UDP at `view[start:end]`; False for anything else."""
        if protocol == udp.PROTOCOL:
            datagram = udp.read(view, start, end, source, destination, tos, verify)
            datagram.gso_size = gso_size
            if not self._endpoints.receive(datagram):
                self.no_such_port(view, datagram.key, now, vouched=not verify, gso_size=gso_size)
            return True
        if protocol == segment.PROTOCOL:
            if verify:
                require(view[start:end], "TCP", pseudo_sum(source, destination, protocol, end - start))
            arrived = segment.read(view, start, end, source, destination, tos)
            arrived.gso_size = gso_size
            self._tcp(arrived, now, interface)
            return True
        return False


def _is_asked(header: ipv6.Header6, interface: Interface) -> bool:
    """Is it ICMPv6 to all nodes of the link, or to the group of an address here (RFC 4291, 2.8)?"""
    destination = header.destination
    if header.protocol != icmpv6.PROTOCOL or destination[0] != 0xFF:
        return False
    return destination == ALL_NODES or any(
        len(each.address) == 16 and destination == solicited_node(each.address) for each in interface.prefixes
    )
