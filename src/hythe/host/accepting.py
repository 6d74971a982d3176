"""A segment that belongs to no connection: it opens one, answers a SYN cookie, or is refused (RFC 9293, 3.10.7.1 and 2).

Theory of operation. A SYN for a listener with room becomes a connection. When the backlog is full the SYN is answered from
a `SynCookies`, without keeping anything, unless the listener holds its SYNs: then its owner is to decide, and the sender
tries again. ACKs are checked for cookies only while some that were given out may still come back (Linux:
tcp_synq_no_recent_overflow), so that at other times nobody can guess one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hythe.config import HostConfig, TcpConfig
from hythe.host.counters import Counters
from hythe.host.interfaces import Interface, is_unspecified, may_be_source
from hythe.host.timewait import TimeWait
from hythe.tcp.block import Surroundings
from hythe.tcp.connection import Connection
from hythe.tcp.cookies import LIFE, SynCookies, recalled, stamp
from hythe.tcp.listener import Listener
from hythe.tcp.opening import scale_for
from hythe.units import MILLISECOND
from hythe.wire.options import Options, build
from hythe.wire.options import parse as parse_options
from hythe.wire.segment import ACK, CWR, ECE, RST, SYN, Segment, envelope, split_key

#: Makes a block, not among the connections yet: (key, interface, now, config, first sequence number).
Make = Callable[[bytes, Interface, int, TcpConfig | None, int | None], Connection]

_NOTHING: Final = memoryview(b"")


class Acceptor:
    """What the host's listeners do with segments. `secret`: 16 to 32 bytes nobody can guess."""

    __slots__ = ("_addresses", "_around", "_config", "_connections", "_cookies", "_counters", "_listeners", "_make")

    def __init__(
        self,
        config: HostConfig,
        secret: bytes,
        addresses: set[bytes],
        listeners: dict[tuple[bytes | None, int], Listener],
        connections: dict[bytes, Connection | TimeWait],
        around: Surroundings,
        make: Make,
        counters: Counters,
    ) -> None:
        self._config = config
        self._cookies = SynCookies(secret)
        self._addresses = addresses
        self._listeners = listeners
        self._connections = connections
        self._around = around
        self._make = make
        self._counters = counters

    def receive(self, segment: Segment, before: TimeWait | None, now: int, interface: Interface) -> None:
        """`before`: the old incarnation in TIME-WAIT that lets this SYN pass. Raises `ParseError` for bad options."""
        remote, _, local, port = split_key(segment.key)
        if local not in self._addresses and not (self._config.any_destination and is_unicast(local, interface)):
            self._counters.not_ours += 1  # RFC 1122, 4.2.3.10: not even a SYN to many is answered
            return
        if is_unspecified(remote) or not is_unicast(remote, interface):
            self._counters.martian += 1  # RFC 1122, 3.2.1.3: a RST would go to many, or to nobody
            return
        listeners = self._listeners
        listener = listeners.get((local, port)) or listeners.get((None, port)) or listeners.get((None, 0))
        flags = segment.flags
        if listener is None or flags & RST or (flags & ACK and not self._returned(listener, segment, now, interface)):
            self._refuse(segment, now, interface)
        elif flags & (SYN | ACK) == SYN:
            if listener.full:
                self._turn_away(listener, segment, now, interface)
                return
            # The old incarnation's numbers must not be repeated (RFC 6191, 2; Linux adds the same distance).
            iss = before.snd_nxt + 65_537 & 0xFFFFFFFF if before is not None else None
            fresh = self._make(segment.key, interface, now, None, iss)
            room = listener.takes_text(now)
            fresh.answer(segment, now, hold=listener.hold, fast_open=room, trusting=listener.trusting)
            self._connections[segment.key] = fresh
            listener.begun(fresh)

    def _refuse(self, segment: Segment, now: int, interface: Interface) -> None:
        """Nobody is here: RST, never in answer to a RST (RFC 9293, 3.10.7.1)."""
        if segment.flags & RST:
            return
        self._counters.resets_sent += 1
        writer = envelope(segment.key, self._config.ttl)
        if segment.flags & ACK:
            head = writer.head(segment.ack, 0, RST, 0)
        else:
            head = writer.head(0, segment.seq + segment.length, RST | ACK, 0)
        interface.link.send(now, head)

    # --- SYN cookies

    def _turn_away(self, listener: Listener, segment: Segment, now: int, interface: Interface) -> None:
        """No room. A cookie, unless the owner is behind with taking those that are open: then time must help."""
        if listener.hold or not self._config.syn_cookies or len(listener.arrivals) >= listener.backlog:
            listener.dropped += 1
            return
        asked = parse_options(segment.options or b"")
        listener.cookies_until = now + LIFE
        self._counters.syn_cookies_sent += 1
        tcp = self._config.tcp
        key = segment.key
        writer = envelope(key, self._config.ttl)
        default = tcp.mss_default4 if writer.version == 4 else tcp.mss_default6
        cookie = self._cookies.make(key, segment.seq, asked.mss or default, now)
        flags = SYN | ACK
        options = Options(mss=max(min(interface.link.mtu - writer.header_size, tcp.mss_max), 48))
        if tcp.timestamps and asked.ts_val is not None:
            asked.sack_permitted = options.sack_permitted = tcp.sack and asked.sack_permitted
            if tcp.window_scaling and asked.wscale is not None:
                options.wscale = scale_for(tcp.window_max)
            ecn = tcp.ecn != "off" and segment.flags & (ECE | CWR) == ECE | CWR
            flags |= ECE if ecn else 0
            offset = self._around.sequence.timestamp_offset(key)
            options.ts_val = stamp(now // MILLISECOND, asked, ecn=ecn) + offset & 0xFFFFFFFF
            options.ts_ecr = asked.ts_val
        window = min(tcp.receive_buffer, 0xFFFF)
        interface.link.send(now, writer.head(cookie, segment.seq + 1, flags, window, options=build(options)))

    def _returned(self, listener: Listener, segment: Segment, now: int, interface: Interface) -> bool:
        """An ACK came. True if it bears a cookie of ours: then the connection is here, as if it had been all the time."""
        if now >= listener.cookies_until or segment.flags & SYN:
            return False
        key = segment.key
        irs, cookie = segment.seq - 1 & 0xFFFFFFFF, segment.ack - 1 & 0xFFFFFFFF
        mss = self._cookies.check(key, irs, cookie, now)
        if mss is None:
            return False
        self._counters.syn_cookies_returned += 1
        if len(listener.arrivals) >= listener.backlog:
            listener.dropped += 1  # the peer believes it is open, and will say so again
            return True
        offset = self._around.sequence.timestamp_offset(key)
        options, ecn = recalled(mss, parse_options(segment.options or b""), offset, self._config.tcp)
        fresh = self._make(key, interface, now, None, cookie)
        flags = SYN | ECE | CWR if ecn else SYN
        fresh.resume(Segment(key, irs, 0, flags, segment.window, _NOTHING, 0, None, 0, 0, 0), options, now)
        self._connections[key] = fresh
        listener.begun(fresh)
        fresh.receive(segment, now)
        return True


def is_unicast(address: bytes, interface: Interface) -> bool:
    """Is it one host's address: no multicast group, no broadcast address of a network here?"""
    return may_be_source(address) and not interface.is_broadcast(address)
