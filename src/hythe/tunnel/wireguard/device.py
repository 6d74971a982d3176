"""A WireGuard device: the verbs `send`, `receive`, `fire`; peers, and whose message is whose.

Theory of operation. What is received goes by its index to a session, by that to a peer, and once it is opened only packets
from the peer's own addresses pass. What is sent goes by its destination to a peer and is sealed by its session. Whatever is
to leave lies in `outbox` when a verb returns; who calls sends it and clears it. Nothing else comes out, but the packets that
`receive` adds to the joiner and the `counters`.

A batch of datagrams costs as little as a loop in Python can: heads, a decryption, the window, the joiner. What concerns a
peer, like its timers, it is told once a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag

from hythe.config import WireguardConfig
from hythe.errors import UsageError
from hythe.tunnel.wireguard import ecn
from hythe.tunnel.wireguard.admission import Admission, Source, Verdict, written
from hythe.tunnel.wireguard.allowed import AllowedIPs
from hythe.tunnel.wireguard.around import HANDSHAKE_TOS, Around, Outgoing
from hythe.tunnel.wireguard.config import Configuration, PeerConfig
from hythe.tunnel.wireguard.joining import Joiner
from hythe.tunnel.wireguard.keypair import Keypair
from hythe.tunnel.wireguard.keys import key_text
from hythe.tunnel.wireguard.messages import (
    COOKIE_REPLY,
    DATA,
    DATA_HEAD,
    DATA_SIZE,
    INITIATION,
    KIND,
    NONCE,
    RESPONSE_BODY,
    handshake_kind,
)
from hythe.tunnel.wireguard.noise import Initiated
from hythe.tunnel.wireguard.peer import Peer

_HEAD_SIZE: Final = DATA_HEAD.size


class Device:
    """`wall`: nanoseconds since 1970, for time stamps; `entropy(count)`: random bytes. Raises `UsageError`."""

    __slots__ = ("_admission", "_around", "allowed", "counters", "outbox", "peers")

    def __init__(
        self,
        configuration: Configuration,
        settings: WireguardConfig,
        wall: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._around = Around(configuration.private_key, configuration.mtu, settings, wall, entropy)
        self._admission = Admission(self._around.identity.public, settings, entropy)
        self.counters = self._around.counters
        self.outbox = self._around.outbox
        self.allowed: AllowedIPs[Peer] = AllowedIPs(settings.destinations)
        self.peers: dict[bytes, Peer] = {}
        self.renew(configuration.peers)

    # --- Peers

    def renew(self, came: Iterable[PeerConfig], went: Iterable[PeerConfig] = (), changed: Iterable[PeerConfig] = ()) -> None:
        """Peers come, go and change; one that changes keeps its session. Raises `UsageError`: then nothing has changed."""
        known = set(self.peers) - {each.public_key for each in went}
        fresh = []
        for each in came:
            if each.public_key in known:
                raise UsageError(f"there is a peer {key_text(each.public_key)} already: change that one")
            known.add(each.public_key)
            fresh.append(self._peer(each))
        for each in went:
            peer = self.peers.pop(each.public_key)
            peer.close()
            self.allowed.remove(peer)
        stayed = [(self.peers[each.public_key], each) for each in changed]
        for peer, _ in stayed:
            self.allowed.remove(peer)
        for peer, config in stayed:
            peer.change(config)
        for peer in fresh:
            self.peers[peer.config.public_key] = peer
            peer.begin()
        for peer in (*fresh, *(peer for peer, _ in stayed)):
            for network in peer.config.allowed_ips:
                self.allowed.add(network, peer)

    def _peer(self, config: PeerConfig) -> Peer:
        shared = self._around.identity.shared(config.public_key)
        if shared is None:
            raise UsageError(f"{key_text(config.public_key)} is no public key: nobody can have the private one to it")
        return Peer(config, shared, self._around)

    def close(self) -> None:
        """Forget them all."""
        self.renew((), [each.config for each in self.peers.values()])

    # --- Out

    def route(self, packet: bytes) -> Peer | None:
        """Whose a packet is by its destination; None, and counted, if nobody's."""
        peer = self.allowed.find(packet[16:20] if packet[0] >> 4 == 4 else packet[24:40])
        if peer is None:
            self.counters.unrouted += 1
        return peer

    def send(self, peer: Peer, packets: Sequence[bytes], now: int) -> None:
        """Send IP packets of one flow, of one length but for a shorter last one."""
        peer.send(packets, ecn.codepoint(packets[0]), now)

    # --- In

    def receive(
        self, datagrams: memoryview, at: int, step: int, source: Source, outer: int, now: int, joiner: Joiner
    ) -> int:
        """Take `datagrams[at:]`, cut every `step` bytes, from `source`; their packets go to `joiner`. Returns where it ends.

        `outer`: the ECN codepoint they came with. It stops early when the joiner is full.
        """
        sessions, counters = self._around.sessions, self.counters
        size = len(datagrams)
        lifetime = self._around.settings.reject_after
        unpack, nonce = DATA_HEAD.unpack_from, NONCE.pack
        last: Keypair | None = None
        octets = 0
        data = False
        while at < size and not joiner.full:
            stop = min(at + step, size)
            begin, at = at, stop
            if stop - begin < DATA_SIZE:
                counters.malformed += 1
                continue
            kind, index, counter = unpack(datagrams, begin)
            if kind != DATA:
                self._handshake(bytes(datagrams[begin:stop]), source, now)
                continue
            if last is None or index != last.index:
                if last is not None and octets:
                    last.peer.heard(last, octets, source, now, data=data)
                    octets, data = 0, False
                last = sessions.get(index)
                if last is None:
                    counters.unknown_session += 1
                    continue
                if joiner.owner is not last:
                    joiner.close()  # what the next continues must come from the same peer
                    joiner.owner = last
            if now - last.since >= lifetime:
                counters.expired += 1
                continue
            try:
                packet = last.opener.decrypt(nonce(counter), datagrams[begin + _HEAD_SIZE : stop], None)
            except InvalidTag:
                counters.forged += 1
                continue
            window = last.window
            if counter == window.last + 1:
                window.last = counter
            elif not window.take(counter):
                counters.replayed += 1
                continue
            octets += stop - begin
            if packet:
                data = True
                self._packet(packet, last.peer, outer, joiner)
        if last is not None and octets:
            last.peer.heard(last, octets, source, now, data=data)
        return at

    def _packet(self, packet: bytes, peer: Peer, outer: int, joiner: Joiner) -> None:
        """An IP packet has come out of a message from `peer`, padded perhaps."""
        first = packet[0] >> 4
        size = len(packet)
        if first == 4 and size >= 20:
            length, origin = packet[2] << 8 | packet[3], packet[12:16]
            least = 20
        elif first == 6 and size >= 40:
            length, origin = (packet[4] << 8 | packet[5]) + 40, packet[8:24]
            least = 40
        else:
            self.counters.bad_packet += 1
            return
        if not least <= length <= size:
            self.counters.bad_packet += 1
            return
        if outer:
            combined = ecn.combined(packet, outer)
            if combined is None:
                self.counters.bad_packet += 1
                return
            packet = combined
        # Whoever continues a packet has its addresses, and those were looked at.
        if joiner.join(packet, length):
            return
        if self.allowed.find(origin) is not peer:
            self.counters.bad_source += 1
            return
        joiner.add(packet if length == size else packet[:length])

    # --- Handshakes

    def _handshake(self, message: bytes, source: Source, now: int) -> None:
        counters = self.counters
        kind = handshake_kind(message)
        if not kind:
            counters.malformed += 1
        elif kind == COOKIE_REPLY:
            self._cookie(message, now)
        else:
            verdict = self._admission.judge(message, source, now)
            if verdict is Verdict.BAD_MAC:
                counters.bad_mac += 1
            elif verdict is Verdict.LIMITED:
                counters.limited += 1
            elif verdict is Verdict.COOKIE:
                counters.cookies_sent += 1
                reply = self._admission.door.reply(message, written(source), now)
                self.outbox.append(Outgoing(source, [reply], len(reply), HANDSHAKE_TOS))
            elif kind == INITIATION:
                self._initiation(message, source, now)
            else:
                self._response(message, source, now)

    def _initiation(self, message: bytes, source: Source, now: int) -> None:
        counters = self.counters
        initiated = Initiated.read(self._around.identity, message)
        peer = self.peers.get(initiated.remote) if initiated is not None else None
        stamp = initiated.verify(peer.static_static) if initiated is not None and peer is not None else None
        if initiated is None or peer is None or stamp is None:
            counters.bad_handshake += 1
        elif not peer.is_fresh(stamp, now):
            counters.replayed_handshake += 1
        else:
            counters.initiations_received += 1
            peer.respond(initiated, stamp, len(message), source, now)

    def _response(self, message: bytes, source: Source, now: int) -> None:
        peer = self._around.handshakes.get(RESPONSE_BODY.unpack_from(message)[2])
        if peer is None or not peer.answered(message, source, now):
            self.counters.bad_handshake += 1
        else:
            self.counters.responses_received += 1

    def _cookie(self, message: bytes, now: int) -> None:
        """It goes to whom we sent a handshake message with that index."""
        index = KIND.unpack_from(message)[1]
        peer = self._around.handshakes.get(index)
        if peer is None and index in self._around.sessions:
            peer = self._around.sessions[index].peer
        if peer is None or not peer.stamps.take(message, now):
            self.counters.bad_cookie += 1
        else:
            self.counters.cookies_received += 1

    # --- Time

    def next_deadline(self) -> int:
        """When to call `fire`; NEVER when nothing waits."""
        return self._around.timers.next_deadline()

    def fire(self, now: int) -> None:
        """Do what is due by `now`."""
        self._around.timers.fire(now)
