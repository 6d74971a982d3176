"""What passes through a tunnel, counted by socket pair, for the session and its views.

Theory of operation. The command's own TCP goes to the far end, so nothing here decides anything: a flow is found by one
dictionary look-up for each super-segment and counts its payload. TCP's state is followed as any firewall does, by SYN, FIN
and RST; a connection whose ends have both said FIN is over, but what still comes of it (last acknowledgments, FINs sent
again) finds its flow for a while and is not taken for a new one. All else ends by idleness; where there are too many flows
an old and silent one makes room.

Flows are known by two keys, as their packets bear them on either side (`segment.make_key`): `up` as the command sends,
`down` as the far end does.
"""

from __future__ import annotations

import errno
import struct
from itertools import islice
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from hythe.config import RelayConfig
from hythe.gateway.relay.shape import Look
from hythe.gateway.session import FlowRecord, Session
from hythe.host.interfaces import Interface
from hythe.host.reasons import errno_of
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER, SECOND
from hythe.wire.packet import Packet
from hythe.wire.segment import ACK, FIN, RST, SYN, envelope, split_key
from hythe.wire.segment import PROTOCOL as _TCP
from hythe.wire.udp import PROTOCOL as _UDP

#: What of TCP's flags changes a state.
CHANGES: Final = FIN | SYN | RST
_SWEEP: Final = 10 * SECOND
#: Where there are too many, the most silent of so many of the oldest goes.
_LOOKED_AT: Final = 64
#: What still comes of a connection that is over finds its flow for this long: Linux has it at 120 s as well
#: (nf_conntrack_tcp_timeout_time_wait).
_LINGER: Final = 120 * SECOND
#: RFC 5382, REQ-5: an established connection is given 2 h 4 min; one that is not, 4 min.
_TCP_IDLE: Final = 7_440 * SECOND
_TCP_OPENING: Final = 240 * SECOND
_NUMBERS: Final = struct.Struct(">II")
_PORTED: Final = (_TCP, _UDP)
_NAMES: Final = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}


class Flow:
    """One flow. When `record` has ended, what still comes is let through, or with `killed` answered by RST.

    `seen`: when something last passed. `said`: sequence and acknowledgment number that TCP last sent up, `size` what it sent
    with them, in sequence numbers. `finished_up`, `finished_down`: who has said FIN; `heard`: from the far end since the
    command has. `odd`: its packets want a closer look.
    """

    __slots__ = (
        "down",
        "finished_down",
        "finished_up",
        "flows",
        "heard",
        "killed",
        "odd",
        "opened",
        "protocol",
        "record",
        "said",
        "seen",
        "size",
        "up",
    )

    def __init__(self, flows: Flows, protocol: int, up: bytes, down: bytes, record: FlowRecord, now: int) -> None:
        self.flows = flows
        self.protocol = protocol
        self.up = up
        self.down = down
        self.record = record
        self.seen = now
        self.killed = False
        self.opened = False
        self.finished_up = False
        self.finished_down = False
        self.heard = False
        self.odd = False
        self.said = b""
        self.size = 0

    def refresh(self) -> None:
        """The record's figures are always fresh."""

    def fileno(self) -> int:
        """There is no socket of ours."""
        return -1

    def kill(self, now: int) -> None:
        """As `LiveFlow.kill`: both ends of a TCP connection are reset; of others the next packet begins a flow anew."""
        self.flows.kill(self, now)

    @property
    def unfinished(self) -> bool:
        """Has the command more to say, or is the far end's word for the last of it still out?"""
        return self.opened and not self.record.ended and not (self.finished_up and self.heard)

    def count(self, seen: Look, now: int, *, up: bool) -> None:
        """One packet that was looked at has passed."""
        self.seen = now
        record = self.record
        if not record.ended:
            if up:
                record.bytes_up += seen.size
            else:
                record.bytes_down += seen.size
        if seen.protocol == _TCP:
            if up:
                self.said, self.size = seen.said, seen.span
            elif self.finished_up:
                self.heard = True
                self.odd = bool(record.ended)
            if seen.flags & CHANGES:
                self._signal(seen.flags, now, up=up)
        elif up == record.inbound:
            record.state = "ASSURED"
            record.error = 0

    def _signal(self, flags: int, now: int, *, up: bool) -> None:
        """TCP with SYN, FIN or RST has passed."""
        record = self.record
        if record.ended:
            return
        if flags & RST:
            refused = not self.opened
            record.error = errno.ECONNREFUSED if refused and not up else errno.ECONNRESET
            self.flows.end(self, now, refused=refused)
        elif flags & SYN:
            opener = up != record.inbound
            if not opener and flags & ACK:
                self.opened = True
                record.state = "ESTABLISHED"
                record.rtt = now - record.began
        else:
            if up:
                self.finished_up = self.odd = True
            else:
                self.finished_down = True
            if self.finished_up and self.finished_down:
                self.flows.end(self, now)
            else:
                record.state = "FIN_WAIT_2" if up else "CLOSE_WAIT"


#: What `find` gives for a packet without a flow.
_NOTHING: Final = (None, 0, 0, 0)


def find(packet: Packet, tcp: dict[bytes, Flow], udp: dict[bytes, Flow]) -> tuple[Flow | None, int, int, int]:
    """The flow of a plain TCP or UDP packet, TCP's flags, where its header begins, and its payload.

    None for what is not plain (options of IP, fragments, other protocols), too: that wants a closer look.
    """
    view, length = packet.view, packet.length
    first = view[0]
    if first == 0x45:
        if view[6] & 0x3F or view[7]:
            return _NOTHING
        protocol = view[9]
        if protocol == _TCP and length >= 40:
            return tcp.get(bytes(view[12:24])), view[33], 20, 20 + (view[32] >> 2 & 0x3C)
        if protocol == _UDP and length >= 28:
            return udp.get(bytes(view[12:24])), 0, 20, 28
    elif first >> 4 == 6:
        protocol = view[6]
        if protocol == _TCP and length >= 60:
            return tcp.get(bytes(view[8:44])), view[53], 40, 40 + (view[52] >> 2 & 0x3C)
        if protocol == _UDP and length >= 48:
            return udp.get(bytes(view[8:44])), 0, 40, 48
    return _NOTHING


def begins(flow: Flow | None, seen: Look) -> bool:
    """Is it the first packet of a flow? `flow`: the one that has its key, if any."""
    if not seen.starts:
        return False
    opens = seen.flags & (SYN | ACK) == SYN
    return flow is None or bool(flow.record.ended and (opens or seen.protocol != _TCP))


def reset_for(seen: Look) -> bytes:
    """What answers something of a connection that was ended by hand (RFC 9293, 3.10.7.1); nothing where that is a RST."""
    if seen.flags & RST:
        return b""
    sequence, acknowledged = _NUMBERS.unpack(seen.said)
    if seen.flags & ACK:
        return envelope(seen.key).head(acknowledged, 0, RST, 0)
    return envelope(seen.key).head(0, sequence + seen.span, RST | ACK, 0)


class Flows:
    """`tcp_up`, `udp_up`, `other_up` and the same down: by key. `far`, `near`: whereby packets leave, up and down."""

    def __init__(self, session: Session, config: RelayConfig, timers: TimerQueue, far: Interface, near: Interface) -> None:
        self.session = session
        self._config = config
        self._timers = timers
        self._far = far
        self._near = near
        self.tcp_up: dict[bytes, Flow] = {}
        self.tcp_down: dict[bytes, Flow] = {}
        self.udp_up: dict[bytes, Flow] = {}
        self.udp_down: dict[bytes, Flow] = {}
        self.other_up: dict[bytes, Flow] = {}
        self.other_down: dict[bytes, Flow] = {}
        self.deadline = NEVER
        self.filed = NEVER

    def tables(self, protocol: int) -> tuple[dict[bytes, Flow], dict[bytes, Flow]]:
        """(up, down) of TCP, UDP, or all else."""
        if protocol == _TCP:
            return self.tcp_up, self.tcp_down
        if protocol == _UDP:
            return self.udp_up, self.udp_down
        return self.other_up, self.other_down

    def open(self, seen: Look, up: bytes, down: bytes, now: int, *, inbound: bool = False) -> Flow:
        """A flow more, of which `seen` is the first packet. `inbound`: the far end has sent it."""
        protocol = seen.protocol
        far, port, _, _ = split_key(down)
        outside = (inet_ntop(AF_INET if len(far) == 4 else AF_INET6, far), port if protocol in _PORTED else 0)
        record = self.session.begin(_NAMES.get(protocol, f"ip{protocol}"), up, outside, now)
        record.inbound = inbound
        flow = Flow(self, protocol, up, down, record, now)
        flow.opened = protocol == _TCP and not seen.flags & SYN  # forgotten meanwhile
        record.state = "UNREPLIED" if protocol != _TCP else "ESTABLISHED" if flow.opened else "SYN_SENT"
        there, back = self.tables(protocol)
        previous = there.get(up)
        if previous is not None:
            self.drop(previous, now)
        there[up] = back[down] = flow
        if len(there) > self._config.tunnel_flows:
            self.drop(min(islice(there.values(), _LOOKED_AT), key=lambda each: each.seen), now)
        self.session.enter(flow)
        if self.deadline == NEVER:
            self.deadline = now + _SWEEP
            self._timers.file(self)
        return flow

    def told(self, seen: Look, now: int) -> None:
        """An ICMP error about a flow has passed: noted where it says why."""
        quote = seen.quoted()
        key = quote.key if quote is not None else None
        if quote is None or key is None:
            return
        there, back = self.tables(quote.protocol)
        flow = back.get(key) or there.get(key)
        number = errno_of(seen.version, seen.kind, seen.code)
        if flow is None or not number or number == errno.EMSGSIZE or flow.record.ended:
            return
        flow.record.error = number
        if quote.protocol == _TCP and not flow.opened:
            self.end(flow, now, refused=True)

    def end(self, flow: Flow, now: int, *, refused: bool = False) -> None:
        """It is over; the flow stays for what still comes."""
        record = flow.record
        if not record.ended:
            flow.odd = True
            if flow.protocol == _TCP:
                record.state = "CLOSED"
            self.session.end(record, now, refused=refused)

    def kill(self, flow: Flow, now: int) -> None:
        """By hand."""
        if flow.record.ended:
            return
        flow.record.error = errno.ECONNABORTED
        self.end(flow, now)
        if flow.protocol == _TCP:
            flow.killed = True
            if flow.said:
                self._tell_both(flow, now)
        else:
            self.drop(flow, now)

    def _tell_both(self, flow: Flow, now: int) -> None:
        """As far as we know its numbers."""
        sequence, acknowledged = _NUMBERS.unpack(flow.said)
        sequence += flow.size
        self._far.send(now, envelope(flow.down).head(sequence, acknowledged, RST | ACK, 0))
        self._near.send(now, envelope(flow.up).head(acknowledged, sequence, RST | ACK, 0))

    def drop(self, flow: Flow, now: int) -> None:
        """Forget it."""
        self.end(flow, now)
        there, back = self.tables(flow.protocol)
        if there.get(flow.up) is flow:
            del there[flow.up]
        if back.get(flow.down) is flow:
            del back[flow.down]

    def fire(self, now: int) -> None:
        """Forget what has been silent for long enough."""
        left = 0
        for there in (self.tcp_up, self.udp_up, self.other_up):
            for flow in [each for each in there.values() if now - each.seen >= self._patience(each)]:
                if flow.protocol == _TCP and not flow.record.ended:
                    flow.record.error = errno.ETIMEDOUT
                self.drop(flow, now)
            left += len(there)
        self.deadline = now + _SWEEP if left else NEVER

    def _patience(self, flow: Flow) -> int:
        if flow.protocol == _TCP:
            return _LINGER if flow.record.ended else _TCP_IDLE if flow.opened else _TCP_OPENING
        if flow.protocol == _UDP:
            return self._config.dns_idle if flow.record.state == "ASSURED" and _is_dns(flow) else self._config.udp_idle
        return self._config.ping_idle

    @property
    def bytes_up(self) -> int:
        """Of the flows that go on; the session has those of the ended."""
        return sum(flow.record.bytes_up for flow in self.tcp_up.values() if not flow.record.ended)

    @property
    def unfinished(self) -> bool:
        """Is anything that the command sent by TCP, or may still send, on its way?"""
        return any(flow.unfinished for flow in self.tcp_up.values())


def _is_dns(flow: Flow) -> bool:
    return flow.record.outside is not None and flow.record.outside[1] == 53
