"""ICMP of one host: echo, the errors it sends, and those it is told.

Theory of operation. *Sent*: `report` is the one way to send an error. It asks `may_send_error` (RFC 1122, 3.2.2; RFC 4443,
2.4(e)), so that no error begets another and none answers what was meant for many, and it is rate-limited.

*Told*: anybody can write an ICMP error, so one is believed only when what it quotes is ours and plausible: a connection
with that socket pair, and a sequence number that is outstanding (RFC 5927, 4.1); an endpoint with that port. What it says
is then noted there (`Connection.signal_error`, `Endpoint.complain`), or becomes a path MTU.
RFC 792; RFC 4443; RFC 1191 and 8201.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from hythe.host.counters import Counters
from hythe.host.echoes import Echoes, EchoRequest
from hythe.host.interfaces import Interface
from hythe.host.output import Output
from hythe.host.ratelimit import RateLimit
from hythe.host.reasons import by_the_host_itself, errno_of, icmp_of
from hythe.host.timewait import TimeWait
from hythe.host.udp import Complaint, Endpoints
from hythe.tcp.connection import Connection
from hythe.units import MILLISECOND
from hythe.wire import icmp, icmpv6, ipv4, ipv6
from hythe.wire.checksum import Octets
from hythe.wire.icmp import Echo, Error, Message
from hythe.wire.quote import Quote
from hythe.wire.segment import PROTOCOL as TCP
from hythe.wire.segment import split_key
from hythe.wire.udp import PROTOCOL as UDP

#: Of a packet whose echo request waits for somebody else's answer, enough for an error's quote is kept.
_QUOTE_MAX: Final = 576
#: What an echo reply has of the request's type of service (RFC 1349, 5.1): not what routers say by ECN.
_DSCP: Final = 0xFC


class Control:
    """`rate`: how many errors leave. `connections` and `endpoints`: who may be concerned by those that come."""

    __slots__ = (
        "_addresses",
        "_connections",
        "_counters",
        "_echoes",
        "_endpoints",
        "_output",
        "_rate",
        "_ttl",
    )

    def __init__(
        self,
        output: Output,
        connections: Mapping[bytes, Connection | TimeWait],
        endpoints: Endpoints,
        echoes: Echoes,
        addresses: set[bytes],
        rate: RateLimit,
        ttl: int,
        counters: Counters,
    ) -> None:
        self._output = output
        self._connections = connections
        self._endpoints = endpoints
        self._echoes = echoes
        self._addresses = addresses
        self._rate = rate
        self._ttl = ttl
        self._counters = counters

    # --- Sent

    def turn_down(self, key: bytes, seq: int, number: int, now: int) -> None:
        """Answer the SYN with this key and sequence number by "unreachable", for the reason `number` (errno)."""
        remote, remote_port, local, port = split_key(key)
        quoted = struct.pack(">HHI12x", remote_port, port, seq & 0xFFFFFFFF)
        kind, code = icmp_of(4 if len(remote) == 4 else 6, number)
        self.report(_packet(remote, local, TCP, quoted), kind, code, now)

    def unreachable(self, key: bytes, size: int, number: int, now: int) -> None:
        """Say of a datagram of `size` bytes with this key that it did not arrive, for the reason `number` (errno)."""
        kind, code = icmp_of(4 if len(key) == 12 else 6, number)
        self.report(quoted_datagram(key, size), kind, code, now)

    def report(
        self,
        original: Octets,
        kind: int,
        code: int,
        now: int,
        *,
        mtu: int = 0,
        pointer: int = 0,
        source: bytes | None = None,
        even_multicast: bool = False,
    ) -> None:
        """Send the error `kind`/`code` about the packet `original` (IP header first) to its sender, if that is allowed.

        `source`: who says so; else the packet's destination where that itself would, and our own address otherwise.
        """
        length = len(original)
        version = original[0] >> 4 if length else 0
        header = ipv4.parse_start(original, length) if version == 4 else ipv6.parse_start(original, length)
        sender, destination = header.source, header.destination
        interface = self._output.find(sender)
        if interface is None:
            self._counters.no_route += 1
            return
        if isinstance(header, ipv4.Header4):
            allowed = icmp.may_send_error(header, original, interface.is_broadcast(destination))
        else:
            allowed = icmpv6.may_send_error(header, original, kind, code) and (destination[0] != 0xFF or even_multicast)
        if not allowed:
            return
        if not self._rate.allows(sender, now):
            self._counters.icmp_limited += 1
            return
        if source is None:
            own = interface.source_for(sender)
            theirs = by_the_host_itself(version, kind, code) and destination[0] != 0xFF
            source = destination if own is None or theirs else own
        if version == 4:
            room = self._output.mtu(sender, interface.link) - ipv4.HEADER_SIZE - icmp.HEADER_SIZE
            packet = icmp.error_packet(source, sender, kind, code, original[:room], mtu=mtu, pointer=pointer, ttl=self._ttl)
        else:
            packet = icmpv6.error_packet(source, sender, kind, code, original, mtu=mtu, pointer=pointer, hop_limit=self._ttl)
        self._counters.icmp_errors_sent += 1
        self._output.send(packet, sender, now, interface.link)

    def echo_reply(
        self,
        source: bytes,
        destination: bytes,
        identifier: int,
        sequence: int,
        data: Octets,
        now: int,
        *,
        tos: int = 0,
        options: bytes = b"",
    ) -> None:
        """Send an echo reply from `source`. `options`: an IPv4 option area."""
        interface = self._output.find(destination)
        if interface is None:
            self._counters.no_route += 1
            return
        link = interface.link
        if len(destination) == 4:
            fits = ipv4.HEADER_SIZE + len(options) + icmp.HEADER_SIZE + len(data) <= self._output.mtu(destination, link)
            packet = icmp.echo_packet(
                source,
                destination,
                True,
                identifier,
                sequence,
                data,
                ttl=self._ttl,
                tos=tos,
                identification=0 if fits else self._output.identification(),
                raw_options=options,
            )
        else:
            packet = icmpv6.echo_packet(
                source, destination, True, identifier, sequence, data, hop_limit=self._ttl, traffic_class=tos
            )
        self._output.send(packet, destination, now, link)

    # --- Received

    def receive4(self, packet: Octets, header: ipv4.Header4, now: int, interface: Interface, verify: bool) -> None:
        """The ICMP message in a whole IPv4 packet. Raises `ParseError`."""
        message = icmp.parse(
            packet[header.header_length : header.total_length], header.total_length - header.header_length, verify
        )
        if isinstance(message, Echo):
            options = ipv4.recorded(header.options, header.destination, now // MILLISECOND) if header.options else b""
            self._echo(packet, header.source, header.destination, message, now, header.tos, options)
        elif isinstance(message, Error):
            too_big = message.type == icmp.UNREACHABLE and message.code == icmp.FRAGMENTATION_NEEDED
            self._told(4, message, too_big, interface, now)

    def receive6(self, packet: Octets, header: ipv6.Header6, now: int, interface: Interface, verify: bool) -> None:
        """The ICMPv6 message in a whole IPv6 packet. Raises `ParseError`."""
        message = icmpv6.parse(
            packet[header.payload_offset : header.end],
            header.end - header.payload_offset,
            header.source,
            header.destination,
            verify,
        )
        if header.destination[0] == 0xFF:
            self._echo_to_many(header, message, now, interface)
        elif isinstance(message, Echo):
            self._echo(packet, header.source, header.destination, message, now, header.traffic_class)
        elif isinstance(message, Error):
            self._told(6, message, message.type == icmpv6.PACKET_TOO_BIG, interface, now)

    def _echo_to_many(self, header: ipv6.Header6, message: Message, now: int, interface: Interface) -> None:
        """RFC 4443, 4.2: from an address of ours. With a limit, as one question has many answers; errors are not told so."""
        own = interface.source_for(header.source)
        if isinstance(message, Echo) and not message.reply and own is not None:
            if self._rate.allows(header.source, now):
                tos = header.traffic_class & _DSCP
                self.echo_reply(own, header.source, message.identifier, message.sequence, message.data, now, tos=tos)
            else:
                self._counters.icmp_limited += 1

    def _echo(
        self, packet: Octets, source: bytes, destination: bytes, echo: Echo, now: int, tos: int, options: bytes = b""
    ) -> None:
        """RFC 1122, 3.2.2.6: every host answers; a gateway's owner may ask others. Replies are for nobody here."""
        if echo.reply:
            return
        if destination in self._addresses:
            self.echo_reply(
                destination, source, echo.identifier, echo.sequence, echo.data, now, tos=tos & _DSCP, options=options
            )
        elif self._echoes.owner is not None:
            self._echoes.deliver(
                EchoRequest(
                    source, destination, echo.identifier, echo.sequence, bytes(echo.data), bytes(packet[:_QUOTE_MAX])
                )
            )

    def _told(self, version: int, error: Error, too_big: bool, interface: Interface, now: int) -> None:
        """An error came: whom does it concern, and is it to be believed?"""
        self._counters.icmp_errors_received += 1
        quote = error.quote
        key = quote.key
        number = errno_of(version, error.type, error.code)
        if key is None or not number:
            return
        if quote.protocol == TCP:
            connection = self._connections.get(key)
            if not isinstance(connection, Connection) or not _is_outstanding(connection, quote):
                return
            if too_big:
                self._output.paths.learn(quote.destination, error.mtu, interface.link.mtu, now)
            else:
                connection.signal_error(number, hard=True)  # fatal while opening only, as Linux does (RFC 5461, 3)
        elif quote.protocol == UDP:
            endpoint = self._endpoints.find(key)
            if endpoint is None:
                return
            if too_big and not self._output.paths.learn(quote.destination, error.mtu, interface.link.mtu, now):
                return
            remote, port, _, _ = split_key(key)
            endpoint.complain(Complaint(number, remote, port))


def _is_outstanding(connection: Connection, quote: Quote) -> bool:
    """RFC 5927, 4.1: the quoted sequence number must be one that was sent and not acknowledged."""
    sequence = quote.sequence
    if sequence is None:
        return False
    return connection.snd_una <= connection.unwrap(sequence, connection.snd_una) < connection.snd_nxt


def quoted_datagram(key: bytes, size: int) -> bytes:
    """The headers of a UDP datagram of `size` bytes, received with this key, as an ICMP error would quote them."""
    remote, remote_port, local, port = split_key(key)
    return _packet(remote, local, UDP, struct.pack(">HHHH", remote_port, port, 8 + size, 0), size)


def _packet(source: bytes, destination: bytes, protocol: int, transport: bytes, more: int = 0) -> bytes:
    """The start of an IP packet; `more`: bytes that followed `transport`."""
    if len(source) == 4:
        return ipv4.build(source, destination, protocol, len(transport) + more) + transport
    return ipv6.build(source, destination, protocol, len(transport) + more) + transport
