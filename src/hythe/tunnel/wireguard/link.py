"""`WireguardLink`: the network behind a WireGuard tunnel as a link of IP packets.

    link = WireguardLink(read("work.conf").require_client())
    host = Host(link=link, ...)

Theory of operation. What a host sends is cut into packets of the tunnel's MTU (`wire/gso`), which fills in checksums that a
device would have filled in, sealed one by one, and leaves in one system call for up to 64 of them. What arrives is opened
and joined to super-segments again as far as it goes (`joining`). What does not fit in the packets asked for stays for
the next call, which is asked for by a deadline that is due. The device's own time goes on while the machine sleeps,
as its peers' does: a session that has become old then is not sent with.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from hythe.config import WireguardConfig
from hythe.errors import ParseError
from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.device import Device
from hythe.tunnel.wireguard.endpoints import Whereabouts, locate
from hythe.tunnel.wireguard.joining import Joiner
from hythe.tunnel.wireguard.keys import key_text
from hythe.tunnel.wireguard.outer import OuterSocket, Received
from hythe.tunnel.wireguard.renewal import Renewal
from hythe.tunnel.wireguard.report import PeerReport
from hythe.units import NEVER, SECOND
from hythe.wire import gso
from hythe.wire.packet import NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE, Packet

#: Packets given to the host in a row.
_SLOTS: Final = 32
#: Datagrams read in a row, whatever is in them: others, and time, have their turn though nothing but handshakes comes.
_READS: Final = 256
#: Where peers are, by their keys.
Located = Mapping[bytes, list[Source]]


def slept() -> int:
    """Nanoseconds that this machine has been suspended for: what CLOCK_BOOTTIME counts and CLOCK_MONOTONIC does not."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class WireguardLink:
    """A `DelayingLink` of the tunnel that `configuration` describes; the far sides are its peers.

    It binds its UDP socket and looks the names of endpoints up at once (blocking), and later, when handshakes fail, in a
    thread. `sock`: a UDP socket to use instead, bound already. `wall`, `entropy`, `asleep`: clock, random bytes and time
    suspended, for tests. `poison`: overwrite the ring between turns. Raises `MachineError`, `UsageError`.
    """

    __slots__ = (
        "_asleep",
        "_at",
        "_closed",
        "_device",
        "_joiner",
        "_offset",
        "_outer",
        "_pending",
        "_whereabouts",
        "configuration",
        "counters",
        "mtu",
        "on_deadline",
        "poison",
    )

    def __init__(
        self,
        configuration: Configuration,
        *,
        settings: WireguardConfig | None = None,
        sock: socket.socket | None = None,
        wall: Callable[[], int] = time.time_ns,
        entropy: Callable[[int], bytes] = os.urandom,
        asleep: Callable[[], int] = slept,
        poison: bool = False,
    ) -> None:
        self.configuration = configuration
        self.mtu = configuration.mtu
        self.poison = poison
        #: Called with `next_deadline()` whenever it may have changed.
        self.on_deadline: Callable[[int], object] = _ignore
        self._device = Device(configuration, settings or WireguardConfig(), wall, entropy)
        self.counters = self._device.counters
        where = f"{configuration.source}:{configuration.listen_line}: " if configuration.listen_line else ""
        self._outer = OuterSocket(configuration.listen_port, sock, where)
        self._joiner = Joiner(_SLOTS)
        self._asleep = asleep
        self._offset = asleep()
        self._pending: Received | None = None  # read, and opened up to `_at`
        self._at = 0
        self._closed = False
        self._whereabouts: dict[bytes, Whereabouts] = {}
        try:
            located = self.locate(each for each in configuration.peers if each.endpoint is not None)
            self._place(configuration.peers, located)
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        return self._outer.port

    def fileno(self) -> int:
        """The descriptor of its socket."""
        return self._outer.fileno()

    # --- Packets

    def receive(self, now: int, limit: int) -> Sequence[Packet]:
        """As `Link.receive`."""
        now = self._time(now)
        joiner, device, outer = self._joiner, self._device, self._outer
        joiner.begin(limit, poison=self.poison)
        reads = 0
        while not joiner.full and (joiner.count < limit or joiner.is_open):
            read = self._pending
            if read is None:
                reads += 1
                if reads > _READS or (read := outer.receive()) is None:
                    break
                self._at = 0
            self._at = device.receive(read.view[: read.size], self._at, read.step, read.source, read.ecn, now, joiner)
            self._pending = read if self._at < read.size else None
        packets = joiner.finish()
        self._depart()
        return packets

    def send(self, now: int, head: bytes, payload: Sequence[memoryview | bytes] = ()) -> None:
        """As `Link.send`. What is for no peer is dropped and counted, what waits for a session waits within limits."""
        flags, _, _, gso_size, _, _ = VNET.unpack_from(head)
        packet = b"".join((head[VNET_SIZE:], *payload))
        device = self._device
        peer = device.route(packet)
        if peer is None:
            return
        pieces: Sequence[bytes] = (packet,)
        if gso_size or flags & NEEDS_CSUM:
            try:
                pieces = gso.cut(packet, len(packet), gso_size, PARTIAL)
            except ParseError:
                self.counters.bad_packet += 1
                return
        device.send(peer, pieces, self._time(now))
        self._depart()

    def _depart(self) -> None:
        """Send what the device has made, and tell when it wants to be called."""
        outbox = self._device.outbox
        if outbox:
            for outgoing in outbox:
                lost = self._outer.send(outgoing)
                if lost:
                    self.counters.unsent += lost
            outbox.clear()
        self.on_deadline(self.next_deadline())

    # --- Time

    def _time(self, now: int) -> int:
        """The device's time: the driver's, and what the machine was suspended for."""
        asleep = self._asleep()
        if asleep - self._offset > SECOND:
            self._offset = asleep
        return now + self._offset

    def next_deadline(self) -> int:
        """As `Delaying.next_deadline`."""
        if self._joiner.full or self._pending is not None:
            return 0
        deadline = self._device.next_deadline()
        return deadline if deadline == NEVER else max(deadline - self._offset, 0)

    def release(self, now: int) -> None:
        """As `Delaying.release`: timers."""
        self._device.fire(self._time(now))
        for each in self._whereabouts.values():
            each.mind()
        self._depart()

    # --- Peers

    def greet(self, now: int) -> None:
        """Begin a handshake with every peer that has an endpoint, instead of waiting for the first packet."""
        now = self._time(now)
        for peer in self._device.peers.values():
            if peer.endpoint is not None:
                peer.keep_alive(now)
        self._depart()

    def peers(self, now: int) -> list[PeerReport]:
        """What there is to tell of each peer."""
        now = self._time(now)
        return [
            PeerReport(
                public_key=key_text(peer.config.public_key),
                name=peer.config.name,
                endpoint=_written(peer.endpoint) if peer.endpoint is not None else "",
                allowed_ips=peer.config.allowed_ips,
                handshake=now - peer.handshake_at if peer.handshake_at is not None else None,
                received=peer.received,
                sent=peer.sent,
                keepalive=peer.config.keepalive,
                preshared=peer.config.preshared_key is not None,
                trying=peer.is_trying,
            )
            for peer in self._device.peers.values()
        ]

    def has(self, address: bytes) -> bool:
        """Is there a peer for packets to `address` (packed)?"""
        return self._device.allowed.find(address) is not None

    def knows(self, address: bytes) -> bool:
        """Is there a peer for packets to `address` (packed), and is it known where?"""
        peer = self._device.allowed.find(address)
        return peer is not None and peer.endpoint is not None

    def locate(self, peers: Iterable[PeerConfig]) -> Located:
        """Where the endpoints of these are. This blocks, and may be done in a thread. Raises `MachineError`."""
        return {each.public_key: locate(each, self._outer, self.configuration.source) for each in peers}

    def renew(self, renewal: Renewal, located: Located) -> None:
        """Go by other peers. `located`: the endpoints of those that are said to be elsewhere (`Renewal.moved`).

        Those that stay keep their sessions. Raises `UsageError`, and then nothing has changed.
        """
        self._device.renew(renewal.came, renewal.went, renewal.changed)
        for each in renewal.went:
            self._whereabouts.pop(each.public_key, None)
        self._place(renewal.moved, located)
        for each in renewal.changed:
            if each.endpoint is None:
                self._whereabouts.pop(each.public_key, None)
        self.configuration = renewal.after
        self._depart()

    def _place(self, peers: Iterable[PeerConfig], located: Located) -> None:
        for each in peers:
            if each.endpoint is not None:
                peer = self._device.peers[each.public_key]
                candidates = located[each.public_key]
                self._whereabouts[each.public_key] = Whereabouts(peer, each.endpoint, self._outer, candidates)

    def close(self) -> None:
        """Close the socket and forget every session. Harmless when repeated."""
        if not self._closed:
            self._closed = True
            self._device.close()
            self._outer.close()


def _written(source: tuple[object, ...]) -> str:
    """ADDRESS:PORT of a socket address."""
    host, port = str(source[0]).removeprefix("::ffff:"), source[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ignore(deadline: int) -> None:
    """Nobody drives the link yet."""
