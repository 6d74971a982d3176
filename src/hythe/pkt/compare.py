"""What a script expects to leave against what left.

Theory of operation. A script counts from its own zero: the SYN of each side has the number the script gives it, and all
others count from there; ports are not named, timestamps begin anywhere. A `Flow` holds the way from there to the wire. The
peer's SYN is sent with the number that the script writes; ours is learned when it leaves, the ports from whoever opens, the
timestamps from the first that leaves.

Super-segments have been cut into the packets of a wire before they come here. A packet that a script expects longer than
the MSS is then matched by consecutive full segments; all but the last of them may lack its PSH and FIN.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt import wireform
from hythe.pkt.script import Icmp, Option, PacketEvent, Tcp, Udp
from hythe.pkt.settings import Settings
from hythe.pkt.wireform import Seen
from hythe.wire import icmp, icmpv6
from hythe.wire.segment import ACK, CWR, FIN, PSH, SYN, URG, flag_names
from hythe.wire.segment import PROTOCOL as TCP

_MASK: Final = 0xFFFFFFFF
#: Kinds of the options that are numbers of a fixed size: (kind, format).
_FORMATS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "nop": (1, ""),
        "eol": (0, ""),
        "mss": (2, ">H"),
        "wscale": (3, ">B"),
        "sackOK": (4, ""),
        "FO": (34, ""),
        "md5": (19, ""),
    }
)
#: The number of Fast Open's experiment, from before the option had a kind: draft-ietf-tcpm-fastopen.
_EXPERIMENT: Final = bytes.fromhex("f989")
_PLAIN_NAMES: Final[Mapping[int, str]] = MappingProxyType({0: "eol", 1: "nop", 2: "mss", 3: "wscale", 4: "sackOK"})
_UNREACHABLE4: Final[Mapping[str, int]] = MappingProxyType(
    {
        "net_unreachable": icmp.NET_UNREACHABLE,
        "host_unreachable": icmp.HOST_UNREACHABLE,
        "protocol_unreachable": icmp.PROTOCOL_UNREACHABLE,
        "port_unreachable": icmp.PORT_UNREACHABLE,
        "frag_needed": icmp.FRAGMENTATION_NEEDED,
        "source_route_failed": icmp.SOURCE_ROUTE_FAILED,
        "net_unknown": icmp.NET_UNKNOWN,
        "host_unknown": icmp.HOST_UNKNOWN,
        "source_host_isolated": icmp.SOURCE_ISOLATED,
        "net_unreachable_for_tos": icmp.NET_UNREACHABLE_FOR_TOS,
        "host_unreachable_for_tos": icmp.HOST_UNREACHABLE_FOR_TOS,
        "precedence_violation": icmp.PRECEDENCE_VIOLATION,
        "precedence_cutoff": icmp.PRECEDENCE_CUTOFF,
        "net_prohibited": icmp.NET_PROHIBITED,
        "host_prohibited": icmp.HOST_PROHIBITED,
        "packet_filtered": icmp.ADMINISTRATIVELY_PROHIBITED,
        "admin_prohibited": icmp.ADMINISTRATIVELY_PROHIBITED,
    }
)
_UNREACHABLE6: Final[Mapping[str, int]] = MappingProxyType(
    {
        "no_route": icmpv6.NO_ROUTE,
        "net_unreachable": icmpv6.NO_ROUTE,
        "admin_prohibited": icmpv6.ADMINISTRATIVELY_PROHIBITED,
        "not_neighbour": icmpv6.BEYOND_SCOPE,
        "host_unreachable": icmpv6.ADDRESS_UNREACHABLE,
        "address_unreachable": icmpv6.ADDRESS_UNREACHABLE,
        "port_unreachable": icmpv6.PORT_UNREACHABLE,
    }
)


#: Code 0 of "unreachable": what it means where a script does not say.
_FIRST_CODE: Final[Mapping[int, str]] = MappingProxyType({4: "net_unreachable", 6: "no_route"})


class Flow:
    """One socket pair of the script, and how its numbers become the wire's. `mss`: the longest payload that may leave."""

    __slots__ = (
        "_remote_syn", "_stamps", "_ts_first", "_ts_offset", "local_port", "mss", "named", "offset", "open_anew", "over",
        "remote_port", "settings", "tolerance",
    )  # fmt: skip

    def __init__(self, settings: Settings, local_port: int, remote_port: int, tolerance: int) -> None:
        self.settings = settings
        self.local_port = local_port
        self.remote_port = remote_port
        self.tolerance = tolerance
        self.offset: int | None = None  # our first number on the wire
        self.open_anew = True  # the next SYN of ours tells `offset`
        self.mss = 0
        self.over = False  # our program has closed it: another SYN of the peer begins another connection
        self.named: tuple[int, int] | None = None  # ours and the peer's port as the script calls them, if it does
        self._remote_syn: int | None = None
        self._ts_offset: int | None = None
        self._ts_first = (0, 0)
        self._stamps: dict[int, int] = {}

    @property
    def ports(self) -> tuple[int, int]:
        """(ours, the peer's)."""
        return self.local_port, self.remote_port

    def ours(self, number: int) -> int:
        """A number of our sequence space, from the script to the wire."""
        return number + (self.offset or 0) & _MASK

    def theirs(self, number: int) -> int:
        """A number of the peer's sequence space, from the script to the wire."""
        return number + (self._remote_syn or 0) & _MASK

    def relative_ack(self, number: int) -> int:
        """The same from the wire to the script."""
        return signed(number - (self._remote_syn or 0))

    # --- In

    def inbound(self, event: PacketEvent) -> bytes:
        """The packet of the wire that `event` describes."""
        settings, what = self.settings, event.what
        marks = wireform.Marks(event.tos or event.ecn or 0, 64 if event.ttl is None else event.ttl, event.flow_label or 0)
        ports = (self.remote_port, self.local_port)
        if isinstance(what, Udp):
            return wireform.udp_packet(settings.remote, settings.local, ports, what.size, marks)
        if isinstance(what, Icmp):
            return self._icmp(what)
        if what.flags & SYN:
            if self._remote_syn is None or (self.over and what.seq != self._remote_syn):
                self._remote_syn = what.seq
                self.open_anew = self.open_anew or self.over
                self.over = False
            for option in what.options or ():
                if option.kind == "mss":
                    self.mss = min(self.mss or option.values[0], option.values[0])
        options = wireform.join_options([self._encode(each, inbound=True) for each in what.options or ()])
        ack = self.ours(what.ack) if what.ack is not None else 0
        window = 0 if what.window is None else what.window
        seq = what.seq if what.flags & SYN else self.theirs(what.seq)
        header = wireform.tcp_header(ports, seq, ack, what.flags, window, what.urgent, options)
        return wireform.tcp_packet(settings.remote, settings.local, header, what.size, marks)

    def _icmp(self, what: Icmp) -> bytes:
        settings = self.settings
        kind, code = icmp_type(what, settings.version)
        quote = wireform.quoted(
            settings.local, settings.remote, self.ports, self.ours(what.seq), what.size, of_udp=what.quotes_udp
        )
        return wireform.icmp_error(settings.gateway, settings.local, kind, code, quote, what.mtu)

    def _encode(self, option: Option, *, inbound: bool) -> tuple[int, bytes]:
        """An option of the script as (kind, data) of the wire."""
        if option.kind == "sack":
            edges = [self.ours(edge) if inbound else self.theirs(edge) for edge in option.values]
            return 5, struct.pack(f">{len(edges)}I", *edges)
        if option.kind == "TS":
            value, echo = option.values
            if inbound:
                echo = self._stamps.get(echo, echo + (self._ts_offset or 0) if echo else 0)
            return 8, struct.pack(">II", value & _MASK, echo & _MASK)
        if option.kind == "FOEXP":
            return 254, _EXPERIMENT + option.data
        kind, layout = _FORMATS[option.kind]
        return kind, struct.pack(layout, *option.values) + option.data

    # --- Out

    def concerns(self, seen: Seen, *, icmp: bool) -> bool:
        """Is a packet one that scripts speak of: TCP or UDP from us to the peer; or ICMP, if it may be?"""
        return (
            (seen.protocol in (TCP, wireform.UDP) or (icmp and seen.protocol in wireform.ICMP))
            and seen.source == self.settings.local
            and seen.destination == self.settings.remote
        )

    def learn(self, expected: PacketEvent, seen: Seen) -> None:
        """Before the first comparison: where our numbers, ports and timestamps begin."""
        what = expected.what
        if isinstance(what, Udp) or (isinstance(what, Tcp) and what.flags & seen.flags & SYN and not seen.flags & ACK):
            self.local_port, self.remote_port = seen.ports
        if not isinstance(what, Tcp):
            return
        if what.flags & seen.flags & SYN:
            if self.open_anew:
                self.offset = seen.seq  # whatever stands for it in the script: all others count from it
                self.open_anew = False
                self._ts_offset = None
            for kind, data in seen.options:
                if kind == 2 and len(data) == 2:
                    announced = int.from_bytes(data, "big")
                    self.mss = min(self.mss or announced, announced)
        stamp = next((each for each in what.options or () if each.kind == "TS"), None)
        live = next((data for kind, data in seen.options if kind == 8), None)
        if stamp is not None and live is not None:
            value = int.from_bytes(live[:4], "big")
            if self._ts_offset is None:
                self._ts_offset = value - stamp.values[0]
                self._ts_first = (stamp.values[0], value)
            self._stamps[stamp.values[0]] = value

    def goes_on(self, what: PacketEvent, parts: list[Seen]) -> bool:
        """Are `parts` the beginning of a longer packet that `what` expects, so that more of it must follow?"""
        if not isinstance(what.what, Tcp) or not parts[0].size:
            return False
        first, total = parts[0].size, sum(part.size for part in parts)
        full = all(part.size == first for part in parts) and first >= self.mss - 40
        return total < what.what.size and full

    def differences(self, event: PacketEvent, parts: list[Seen], *, more: bool) -> list[str]:
        """In words, how what was seen differs from what was expected; empty if not. `more` of the stream is to follow."""
        what, first, last = event.what, parts[0], parts[-1]
        if isinstance(what, Icmp):
            return self._icmp_differences(what, first)
        if first.protocol != (TCP if isinstance(what, Tcp) else wireform.UDP):
            return ["protocol"]
        found = _mark_differences(event, first)
        if first.ports != self.ports:
            found.append(f"ports {first.ports[0]} > {first.ports[1]}, expected {self.local_port} > {self.remote_port}")
        size = sum(part.size for part in parts)
        if what.size != size:
            found.append(f"length {size}, expected {what.size}")
        if isinstance(what, Udp):
            return found
        flags = last.flags | (first.flags & CWR)
        # A sender may push more often than it must, and need not while more is to follow (RFC 9293, 3.9.1.2).
        free = PSH if last.size and (more or not what.flags & PSH) else 0
        if (flags ^ what.flags) & ~free:
            found.append(f"flags {flag_names(flags)}, expected {flag_names(what.flags)}")
        for part in parts[:-1]:
            if (part.flags ^ what.flags) & ~(PSH | FIN | CWR):
                found.append(f"flags {flag_names(part.flags)}, expected {flag_names(what.flags)}")
        if first.seq != self.ours(0 if what.flags & SYN else what.seq):
            found.append(f"seq {signed(first.seq - (self.offset or 0))}, expected {what.seq}")
        found += self._fields(what, parts)
        if what.options is not None:
            found += self._option_differences(what.options, first)
        return found

    def _icmp_differences(self, what: Icmp, seen: Seen) -> list[str]:
        if seen.protocol not in wireform.ICMP:
            return ["protocol"]
        kind = icmp_type(what, self.settings.version)
        return [] if seen.ports == kind else [f"ICMP type and code {seen.ports}, expected {kind}"]

    def _fields(self, what: Tcp, parts: list[Seen]) -> list[str]:
        found = []
        absolute = bool(what.flags & SYN)  # whatever stands beside a SYN is written in full
        for part in parts:
            if (
                what.ack is not None
                and what.flags & ACK
                and part.ack != (what.ack & _MASK if absolute else self.theirs(what.ack))
            ):
                found.append(f"ack {signed(part.ack) if absolute else self.relative_ack(part.ack)}, expected {what.ack}")
            if what.window is not None and part.window != what.window:
                found.append(f"win {part.window}, expected {what.window}")
        if what.flags & URG and parts[0].urgent != what.urgent:
            found.append(f"urg {parts[0].urgent}, expected {what.urgent}")
        return found[:1] if len(parts) > 1 else found

    def _option_differences(self, wanted: tuple[Option, ...], seen: Seen) -> list[str]:
        expected = [self._encode(each, inbound=False) for each in wanted]
        actual = list(seen.options)
        if [kind for kind, _ in expected if kind > 1] != [kind for kind, _ in actual if kind > 1]:
            return [f"options <{options_text(seen, self)}>"]
        if not any(each.kind in ("nop", "eol") for each in wanted):  # a script may leave the padding out
            actual = [each for each in actual if each[0] > 1]
        if len(expected) != len(actual):
            return [f"options <{options_text(seen, self)}>"]
        for (kind, want), (other, have) in zip(expected, actual, strict=True):
            if kind != other or not (self._same_stamps(want, have) if kind == 8 else want == have):
                return [f"options <{options_text(seen, self)}>"]
        return []

    def _same_stamps(self, want: bytes, have: bytes) -> bool:
        """The echo must be equal; the value as far as the script's clock says how fast it goes."""
        value, echo = struct.unpack(">II", want)
        live, live_echo = struct.unpack(">II", have)
        if echo != live_echo:
            return False
        tick = self.settings.ts_tick
        first, live_first = self._ts_first
        return not tick or abs(signed(live - live_first) - signed(value - first)) <= max(1, self.tolerance // tick)

    def stamp(self, value: int) -> int:
        """A timestamp of ours, from the wire to the script."""
        return signed(value - (self._ts_offset or 0))


def _mark_differences(event: PacketEvent, seen: Seen) -> list[str]:
    found = []
    if event.ecn is not None and event.ecn != seen.marks.ecn:
        found.append("ECN mark")
    for name in ("tos", "ttl", "flow_label"):
        wanted, have = getattr(event, name), getattr(seen.marks, name)
        if wanted is not None and wanted != have:
            found.append(f"{name} {have}, expected {wanted}")
    return found


def signed(number: int) -> int:
    """A difference of 32-bit numbers as one that may be negative."""
    return (number + (1 << 31) & _MASK) - (1 << 31)


def icmp_type(what: Icmp, version: int) -> tuple[int, int]:
    """(type, code) of the error that a script's words name; KeyError for words that mean nothing in this IP version."""
    word, detail = what.words[0], what.words[1] if len(what.words) > 1 else _FIRST_CODE[version]
    if version == 4:
        if word == "unreachable":
            return icmp.UNREACHABLE, _UNREACHABLE4[detail]
        plain = {"time_exceeded": icmp.TIME_EXCEEDED, "source_quench": icmp.SOURCE_QUENCH}
        return (plain | {"parameter_problem": icmp.PARAMETER_PROBLEM})[word], 0
    if word == "unreachable" and detail not in ("frag_needed", "packet_too_big"):
        return icmpv6.UNREACHABLE, _UNREACHABLE6[detail]
    if word == "unreachable":
        return icmpv6.PACKET_TOO_BIG, 0
    plain = {"packet_too_big": icmpv6.PACKET_TOO_BIG, "time_exceeded": icmpv6.TIME_EXCEEDED}
    return (plain | {"parameter_problem": icmpv6.PARAMETER_PROBLEM})[word], 0


def options_text(seen: Seen, flow: Flow) -> str:
    """The options of a packet in the words of a script."""
    return ",".join(_option_text(kind, data, flow) for kind, data in seen.options)


def _option_text(kind: int, data: bytes, flow: Flow) -> str:
    if kind in _PLAIN_NAMES:
        return " ".join((_PLAIN_NAMES[kind], *((str(int.from_bytes(data, "big")),) if data else ())))
    if kind == 5 and len(data) % 8 == 0:
        pairs = struct.iter_unpack(">II", data)
        return "sack " + " ".join(f"{flow.relative_ack(left)}:{flow.relative_ack(right)}" for left, right in pairs)
    if kind == 8 and len(data) == 8:
        value, echo = struct.unpack(">II", data)
        return f"TS val {flow.stamp(value)} ecr {echo}"
    if kind == 254 and data[:2] == _EXPERIMENT:
        return f"FOEXP {data[2:].hex()}".strip()
    return f"FO {data.hex()}".strip() if kind == 34 else f"kind {kind} {data.hex()}"
