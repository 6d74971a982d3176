"""One connection against a hand-driven peer: `inject` what the peer sends, `expect` what leaves, `tick` time by hand.

Numbers are relative, as in packetdrill: our SYN and the peer's have sequence number 0, so first bytes have 1. Every segment
passes through `Host.receive` and the link as a real packet. The ring is poisoned after each turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.host.timewait import TimeWait
from hythe.tcp.connection import Connection
from hythe.tcp.listener import Listener
from hythe.tcp.states import State
from hythe.units import MILLISECOND, SECOND
from hythe.wire import options as wire_options
from hythe.wire.options import Options
from hythe.wire.packet import PARTIAL, VNET, VNET_SIZE, Packet
from hythe.wire.segment import ACK, CWR, ECE, FIN, PSH, RST, SYN, Segment, envelope, flag_names, make_key, read4

OURS = bytes([10, 0, 0, 2])
PEERS = bytes([10, 0, 0, 1])
OUR_PORT = 80
PEER_PORT = 40_000
PEER_ISS = 0xFFFF_FFF0  # so that every test crosses the wrap
_BITS = {"S": SYN, "F": FIN, "R": RST, "P": PSH, ".": ACK, "E": ECE, "W": CWR}

#: No options, big buffers, no quick ACKs: one thing at a time.
PLAIN = TcpConfig(timestamps=False, sack=False, window_scaling=False, receive_buffer=65_535, quick_acks=0, congestion="reno")


class Out:
    """A segment that left, in relative numbers."""

    def __init__(self, peer: Peer, segment: Segment) -> None:
        self.flags = flag_names(segment.flags)
        self.seq = peer.relative_seq(segment.seq)
        self.ack = peer.relative_ack(segment.ack) if segment.flags & ACK else None
        self.data = bytes(segment.payload)
        self.size = segment.size
        self.window = segment.window
        self.gso_size = segment.gso_size
        self.tos = segment.tos
        self.options = wire_options.parse(segment.options or b"")
        self.sack = tuple((peer.relative_ack(a), peer.relative_ack(b)) for a, b in self.options.sack)

    def __repr__(self) -> str:
        parts = [f"{self.flags} seq {self.seq}:{self.seq + self.size}"]
        if self.ack is not None:
            parts.append(f"ack {self.ack}")
        parts.append(f"win {self.window}")
        if self.sack:
            parts.append(f"sack {list(self.sack)}")
        return ", ".join(parts)


class _Wire:
    def __init__(self, mtu: int) -> None:
        self.mtu = mtu
        self.sent: deque[tuple[bytes, int]] = deque()

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        gso_size = VNET.unpack_from(head)[3]
        self.sent.append((b"".join((head[VNET_SIZE:], *payload)), gso_size))

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        return ()

    def fileno(self) -> int:
        return -1

    def close(self) -> None: ...


class Peer:
    """The far side. `nxt`: the relative sequence number its next segment bears unless told otherwise."""

    def __init__(
        self, config: TcpConfig = PLAIN, *, mtu: int = 1_500, host: HostConfig | None = None, **changes: Any
    ) -> None:
        if "receive_buffer" in changes:
            changes.setdefault("receive_buffer_max", changes["receive_buffer"])
        self.config = replace(config, **changes)
        self.now = 10 * SECOND
        self.wire = _Wire(mtu)
        self.host = Host(replace(host or HostConfig(), tcp=self.config, allow_privileged_ports=True), Random(1), bytes(16))
        self.interface = self.host.attach("net0", self.wire, (Prefix(OURS, 24),))
        self.key = make_key(PEERS, PEER_PORT, OURS, OUR_PORT)
        self._envelope = envelope(make_key(OURS, OUR_PORT, PEERS, PEER_PORT))
        self._head = self._envelope.head
        self._ring = Packet()
        self.nxt = 0
        self.iss = 0
        self._outs: deque[Out] = deque()
        self.received = bytearray()
        self.reads = True
        self.listener: Listener | None = None
        self.connection: Any = None

    # --- Opening

    def listen(self, *, hold: bool = False, backlog: int = 16) -> Peer:
        self.listener = self.host.listen(None, OUR_PORT, backlog, hold=hold)
        self.listener.owner = self
        return self

    def connect(self) -> Peer:
        """Our side opens actively; its SYN is expected next."""
        self.connection = self.host.connect(PEERS, PEER_PORT, self.now, local_port=OUR_PORT)
        self.connection.owner = self
        self.iss = self.connection.iss
        self.turn()
        return self

    def accepted(self, window: int = 65_535, mss: int = 1_460, **options: Any) -> Peer:
        """Our side is ESTABLISHED, opened by the peer."""
        self.listen()
        self.inject("S", win=window, mss=mss, **options)
        self.expect("S.", seq=0, ack=1)
        self.inject(".", win=window)
        self.expect_nothing()
        assert self.state is State.ESTABLISHED
        return self

    # --- What the peer does

    def inject(
        self,
        flags: str,
        seq: int | None = None,
        ack: int | None = None,
        data: bytes | int = b"",
        win: int = 65_535,
        *,
        port: int = PEER_PORT,
        gso: int = 0,
        tos: int = 0,
        **options: Any,
    ) -> None:
        """One segment from the peer. `ack` is all we have sent unless told; `mss`, `wscale`, `sack` …: see `Options`."""
        self.inject_silently(flags, seq, ack, data, win, port=port, gso=gso, tos=tos, **options)
        self.turn()

    def inject_silently(
        self,
        flags: str,
        seq: int | None = None,
        ack: int | None = None,
        data: bytes | int = b"",
        win: int = 65_535,
        *,
        port: int = PEER_PORT,
        gso: int = 0,
        tos: int = 0,
        **options: Any,
    ) -> None:
        """As `inject`, but the turn goes on: nothing leaves before the next one."""
        payload = bytes(index & 0xFF for index in range(data)) if isinstance(data, int) else data
        bits = sum(_BITS[letter] for letter in flags)
        if seq is None:
            seq = self.nxt
        if bits & ACK and ack is None:
            ack = self.connection.snd_nxt - self.iss if self.connection is not None else 1
        if "sack" in options:
            options["sack"] = tuple(
                (left + self.iss & 0xFFFFFFFF, right + self.iss & 0xFFFFFFFF) for left, right in options["sack"]
            )
        raw = wire_options.build(Options(**options))
        head = self._head if port == PEER_PORT else envelope(make_key(OURS, OUR_PORT, PEERS, port)).head
        number = self.iss + (ack or 0) if bits & ACK else 0
        self._envelope.tos = tos
        packet = head(seq + PEER_ISS, number, bits, win, len(payload), gso, raw)[VNET_SIZE:] + payload
        self.nxt = max(self.nxt, seq + len(payload) + (bits & SYN != 0) + (bits & FIN))
        self.host.receive(self._ring.fill(packet, gso, PARTIAL), self.now, self.interface)
        if self.connection is None and self.listener is not None:
            found = self.host.connections.get(self.key)
            if isinstance(found, Connection):
                self.connection = found
                self.iss = found.iss

    # --- What we do

    def turn(self) -> None:
        """Visit and emit, as a driver does."""
        while self.host.around.ready:
            for item in self.host.take_ready():
                item.queued = False
                if item.owner is not None:
                    item.owner.visit(item, self.now)
                self.host.attend(item, self.now)
        self._ring.poison()

    def visit(self, item: Any, now: int) -> None:
        item.news = 0
        if isinstance(item, Listener):
            for connection in item.take():
                connection.owner = self
                connection.note(0)
        elif self.reads:
            self.take()

    def take(self, limit: int = 1 << 30) -> bytes:
        """Our owner reads."""
        taken = b"".join(bytes(view) for view in self.connection.views())[:limit]
        if taken:
            self.connection.consume(len(taken))
            self.received += taken
        return taken

    def read(self, limit: int = 1 << 30) -> bytes:
        """Our owner reads, and its turn ends."""
        taken = self.take(limit)
        self.connection.note(0)
        self.turn()
        return taken

    def write(self, data: bytes | int) -> None:
        self.connection.write(bytes(data) if isinstance(data, int) else data)
        self.turn()

    def shutdown(self) -> None:
        self.connection.shutdown()
        self.turn()

    def close(self) -> None:
        self.connection.close(self.now)
        self.turn()

    def abort(self) -> None:
        self.connection.abort()
        self.turn()

    def tick(self, length: int) -> None:
        """Time passes; timers fire when they are due."""
        end = self.now + length
        while (due := self.host.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.host.fire(self.now)
            self.turn()
        self.now = end

    # --- What leaves

    def relative_seq(self, number: int) -> int:
        return (number - self.iss + (1 << 31) & 0xFFFFFFFF) - (1 << 31)

    def relative_ack(self, number: int) -> int:
        return (number - PEER_ISS + (1 << 31) & 0xFFFFFFFF) - (1 << 31)

    def sent(self) -> list[Out]:
        """All that has left and was not expected yet."""
        self._collect()
        outs = list(self._outs)
        self._outs.clear()
        return outs

    def expect(self, flags: str, **wanted: Any) -> Out:
        """The next segment that left has these flags (P is not looked at unless wanted) and these fields."""
        self._collect()
        assert self._outs, f"expected {_wanted(flags, wanted)}, but nothing was sent"
        out = self._outs.popleft()
        seen: dict[str, Any] = {"flags": out.flags if "P" in flags else out.flags.replace("P", "")}
        seen |= {name: getattr(out, name) for name in wanted}
        rest = "".join(f"\n  then {each}" for each in list(self._outs)[:3])
        assert seen == {"flags": flags} | wanted, f"\n  expected {_wanted(flags, wanted)}\n  seen {out}{rest}"
        return out

    def _collect(self) -> None:
        while self.wire.sent:
            data, gso_size = self.wire.sent.popleft()
            segment = read4(Packet().fill(data, gso_size, PARTIAL))
            assert segment is not None, f"no TCP segment: {data.hex()}"
            self._outs.append(Out(self, segment))

    def expect_nothing(self) -> None:
        outs = self.sent()
        assert not outs, f"expected nothing to be sent, seen {outs}"

    # --- How things are

    @property
    def state(self) -> State:
        """The state that the demultiplexer has for the socket pair; CLOSED when it knows none."""
        found = self.host.connections.get(self.key)
        return State(found.state) if found is not None else State.CLOSED

    @property
    def time_wait(self) -> TimeWait:
        found = self.host.connections[self.key]
        assert isinstance(found, TimeWait), found
        return found

    def until_deadline(self) -> int:
        """Nanoseconds to the connection's next timer."""
        return int(self.connection.deadline - self.now)


def _wanted(flags: str, wanted: dict[str, Any]) -> str:
    return ", ".join([flags, *(f"{name} {value}" for name, value in wanted.items())])


def ms(number: float) -> int:
    return int(number * MILLISECOND)
