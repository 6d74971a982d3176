"""One peer: its sessions, its handshakes, and the timers that make them (paper, 6).

Theory of operation. Up to three sessions live at once: `current` is sent with; `previous` is still received with; `next` is
one that we have answered for and whose first message of data, which proves that the far side has it, has not come yet.

Times that move with every batch (`owing_at`: we have received and owe a sign of life; `silent_at`: we have sent and wait
for one) are plain fields. They are never set to earlier than ten seconds from now, so the deadline filed with the timers
is seldom touched: it may be early, and then `fire` finds nothing to do and files the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.around import HANDSHAKE_TOS, Around, Outgoing
from hythe.tunnel.wireguard.config import PeerConfig
from hythe.tunnel.wireguard.cookies import Stamps
from hythe.tunnel.wireguard.keypair import Keypair
from hythe.tunnel.wireguard.noise import Initiated, Initiating, preshared_bytes
from hythe.units import NEVER


class Peer:
    """`static_static`: the Diffie-Hellman of both static keys. `endpoint`: where it was heard last, or is said to be."""

    __slots__ = (
        "_around",
        "_began",
        "_initiating",
        "_jitter",
        "_last_minute",
        "_preshared",
        "_retry_at",
        "_spoke_at",
        "_stamp",
        "_stamped_at",
        "_waiting",
        "_waiting_bytes",
        "_waiting_packets",
        "_zero_at",
        "config",
        "current",
        "deadline",
        "endpoint",
        "filed",
        "handshake_at",
        "next",
        "owing_again",
        "owing_at",
        "previous",
        "received",
        "sent",
        "silent_at",
        "stamps",
        "static_static",
        "traversed_at",
        "unanswered",
    )

    def __init__(self, config: PeerConfig, static_static: bytes, around: Around) -> None:
        self.config = config
        self.static_static = static_static
        self._around = around
        self._preshared = preshared_bytes(config.preshared_key)
        self.stamps = Stamps(config.public_key, around.settings)
        self.endpoint: Source | None = None
        self.current: Keypair | None = None
        self.previous: Keypair | None = None
        self.next: Keypair | None = None
        self.received = 0
        self.sent = 0
        #: When the last handshake was complete; initiations sent since then.
        self.handshake_at: int | None = None
        self.unanswered = 0
        self._initiating: Initiating | None = None
        self._began = 0
        self._jitter = 0
        self._spoke_at: int | None = None  # our last handshake message
        self._last_minute = False
        #: The greatest stamp of an initiation, and when one came last.
        self._stamp = b""
        self._stamped_at: int | None = None
        self._waiting: deque[tuple[Sequence[bytes], int, int]] = deque()
        self._waiting_packets = 0
        self._waiting_bytes = 0
        self.traversed_at = 0
        self.owing_at = self.silent_at = self._retry_at = self._zero_at = NEVER
        self.owing_again = False
        self.deadline = NEVER
        self.filed = NEVER

    def begin(self) -> None:
        """It may speak."""
        keepalive = self.config.keepalive
        if keepalive:
            self.traversed_at = -keepalive
            self._sooner(0)  # the first one at once

    def change(self, config: PeerConfig) -> None:
        """The same peer, with the same keys, is to be treated otherwise; it keeps its sessions."""
        self.config = config
        if config.keepalive:
            self._sooner(self.traversed_at + config.keepalive)

    # --- Data out

    def send(self, packets: Sequence[bytes], tos: int, now: int) -> None:
        """Send packets of one length, the last may be shorter; without a session they wait for one."""
        keypair = self.current
        settings = self._around.settings
        if (
            keypair is None
            or now - keypair.since >= settings.reject_after
            or keypair.counter + len(packets) > settings.reject_after_messages
        ):
            self._wait(packets, tos)
            self.initiate(now)
            return
        self._seal(keypair, packets, tos, now)
        if self.silent_at == NEVER:
            self.silent_at = now + settings.keepalive_timeout + settings.rekey_timeout + self._jitter
            self._sooner(self.silent_at)

    def _seal(self, keypair: Keypair, packets: Sequence[bytes], tos: int, now: int) -> None:
        parts = keypair.seal(packets, self._around.mtu)
        self._emit(parts, len(parts[0]) + len(parts[1]), tos, now)
        settings = self._around.settings
        # The side that began a session is the one that makes the next, so that both do not (paper, 6.2).
        if (keypair.initiator and now - keypair.since >= settings.rekey_after) or (
            keypair.counter > settings.rekey_after_messages
        ):
            self.initiate(now)

    def keep_alive(self, now: int) -> None:
        """Send an empty message, or what waits; begin a handshake where there is no session."""
        if self._waiting and self._flush(now):
            return
        keypair = self.current
        if keypair is None or now - keypair.since >= self._around.settings.reject_after:
            self.initiate(now)
        else:
            self._seal(keypair, (b"",), 0, now)

    def _emit(self, parts: list[bytes], size: int, tos: int, now: int) -> None:
        """Every message to the peer leaves here."""
        if self.endpoint is None:
            self._around.counters.unsent += 1
            return
        self._around.outbox.append(Outgoing(self.endpoint, parts, size, tos))
        self.sent += sum(map(len, parts))
        self.owing_at = NEVER
        self.owing_again = False
        self._traversed(now)

    def _traversed(self, now: int) -> None:
        self.traversed_at = now
        if self.config.keepalive:
            self._sooner(now + self.config.keepalive)

    # --- What waits for a session

    def _wait(self, packets: Sequence[bytes], tos: int) -> None:
        settings = self._around.settings
        size = sum(map(len, packets))
        self._waiting.append((packets, tos, size))
        self._waiting_packets += len(packets)
        self._waiting_bytes += size
        while self._waiting_packets > settings.staged_packets or self._waiting_bytes > settings.staged_bytes:
            self._lose()

    def _lose(self) -> None:
        self._around.counters.staged_lost += len(self._next_waiting()[0])

    def _next_waiting(self) -> tuple[Sequence[bytes], int]:
        packets, tos, size = self._waiting.popleft()
        self._waiting_packets -= len(packets)
        self._waiting_bytes -= size
        return packets, tos

    def _flush(self, now: int) -> bool:
        """Send what waits by the session there is; False if there is none."""
        keypair = self.current
        if keypair is None or now - keypair.since >= self._around.settings.reject_after:
            return False
        while self._waiting:
            self.send(*self._next_waiting(), now)
        return True

    # --- Data in

    def heard(self, keypair: Keypair, size: int, source: Source, now: int, *, data: bool) -> None:
        """Messages of data were opened with `keypair`, `size` bytes in all; `data`: not all were keepalives."""
        settings = self._around.settings
        self.received += size
        self._authentic(source, now)
        if data:
            if self.owing_at == NEVER:
                self.owing_at = now + settings.keepalive_timeout
                self._sooner(self.owing_at)
            else:
                self.owing_again = True
        if keypair is self.next:
            self._drop(self.previous)
            self.previous, self.current, self.next = self.current, keypair, None
            self._complete(now)
            self._flush(now)
        # A session that is only received with is renewed in time as well (paper, 6.2).
        age = settings.reject_after - settings.keepalive_timeout - settings.rekey_timeout
        if keypair.initiator and not self._last_minute and now - keypair.since >= age:
            self._last_minute = True
            self.initiate(now)

    def _authentic(self, source: Source, now: int) -> None:
        """Something authenticated came: where from, there it is answered to."""
        self.silent_at = NEVER
        if source != self.endpoint:
            if self.endpoint is not None:
                self._around.counters.roamed += 1
            self.endpoint = source
        self._traversed(now)

    # --- Handshakes

    def initiate(self, now: int, *, again: bool = False) -> None:
        """Send an initiation, if no handshake message left less than `rekey_timeout` ago. `again`: a time-out wants it."""
        around, settings = self._around, self._around.settings
        if not again:
            self._began = now
        if self.endpoint is None:
            return
        if self._spoke_at is not None and now - self._spoke_at < settings.rekey_timeout:
            # What waits is not left to the far side, which may have lost our answer or whose proof of it was lost.
            if (again or self._waiting) and self._retry_at == NEVER:
                self._retry_at = self._spoke_at + settings.rekey_timeout + self._jitter
                self._sooner(self._retry_at)
            return
        self._forget_initiating()
        index = around.new_index()
        initiating = Initiating(index, around.ephemeral())
        body = initiating.initiate(around.identity, self.config.public_key, self.static_static, around.timestamp())
        if body is None:
            return
        self._initiating = initiating
        around.handshakes[index] = self
        around.counters.initiations_sent += 1
        self.unanswered += 1
        self._handshake(body, now)
        self._jitter = around.jitter()
        self._retry_at = now + settings.rekey_timeout + self._jitter
        self._sooner(self._retry_at)

    def _handshake(self, body: bytes, now: int) -> None:
        self._spoke_at = now
        message = self.stamps.stamp(body, now)
        self._emit([message], len(message), HANDSHAKE_TOS, now)

    def _forget_initiating(self) -> None:
        if self._initiating is not None:
            self._around.handshakes.pop(self._initiating.index, None)
            self._initiating = None

    def answered(self, message: bytes, source: Source, now: int) -> bool:
        """A response has come. False if it is forged, or answers nothing."""
        initiating = self._initiating
        if initiating is None:
            return False
        keys = initiating.finish(self._around.identity, self._preshared, message)
        if keys is None:
            return False
        self._forget_initiating()
        self.received += len(message)
        keypair = Keypair(self, initiating.index, keys, now, initiator=True)
        if self.next is not None:
            # Both have begun: what the far side has answered to is as new as ours.
            self._drop(self.previous)
            self._drop(self.current)
            self.previous, self.next = self.next, None
        else:
            self._drop(self.previous)
            self.previous = self.current
        self.current = keypair
        self._derived(keypair, now)
        self._authentic(source, now)
        self._complete(now)
        self.keep_alive(now)  # the far side may send as soon as it has something from us
        return True

    def is_fresh(self, stamp: bytes, now: int) -> bool:
        """Is an initiation newer than all before, and does it not come too soon behind the last?"""
        if stamp <= self._stamp:
            return False
        return self._stamped_at is None or now - self._stamped_at >= self._around.settings.initiation_interval

    def respond(self, initiated: Initiated, stamp: bytes, size: int, source: Source, now: int) -> None:
        """An initiation that is verified and fresh has come: answer it."""
        around = self._around
        self._stamp, self._stamped_at = stamp, now
        index = around.new_index()
        made = initiated.respond(index, around.ephemeral(), self._preshared)
        if made is None:
            return
        body, keys = made
        self.received += size
        self._authentic(source, now)
        self._drop(self.next)
        self._drop(self.previous)
        self.previous = None
        self.next = Keypair(self, index, keys, now, initiator=False)
        self._derived(self.next, now)
        around.counters.responses_sent += 1
        self._handshake(body, now)

    def _derived(self, keypair: Keypair, now: int) -> None:
        self._around.sessions[keypair.index] = keypair
        self._zero_at = now + 3 * self._around.settings.reject_after
        self._sooner(self._zero_at)

    def _complete(self, now: int) -> None:
        self._around.counters.handshakes += 1
        self._retry_at = NEVER
        self.unanswered = 0
        self._last_minute = False
        self.handshake_at = now

    def _drop(self, keypair: Keypair | None) -> None:
        if keypair is not None:
            self._around.sessions.pop(keypair.index, None)

    # --- Timers

    def _sooner(self, at: int) -> None:
        if at < self.deadline:
            self.deadline = at
            self._around.timers.file(self)

    def fire(self, now: int) -> None:
        """Do what is due, as `Timed` (hythe.tcp.timers)."""
        if self._retry_at <= now:
            self._retry(now)
        if self.owing_at <= now:
            again, self.owing_again = self.owing_again, False
            self.owing_at = NEVER
            self.keep_alive(now)
            if again:
                self.owing_at = now + self._around.settings.keepalive_timeout
        if self.silent_at <= now:
            # Fifteen seconds without an answer: the session may be dead on the far side (paper, 6.5).
            self.silent_at = NEVER
            self.initiate(now)
        if self._zero_at <= now:
            self.forget_sessions()
        keepalive = self.config.keepalive
        if keepalive and self.traversed_at + keepalive <= now:
            self.traversed_at = now
            self.keep_alive(now)
        self.deadline = min(
            self._retry_at,
            self.owing_at,
            self.silent_at,
            self._zero_at,
            self.traversed_at + keepalive if keepalive and self.endpoint is not None else NEVER,
        )

    def _retry(self, now: int) -> None:
        settings = self._around.settings
        self._retry_at = NEVER
        if now - self._began < settings.rekey_attempts:
            self.initiate(now, again=True)
            return
        # What has waited so long is not wanted any more; the next packet begins anew (paper, 6.4).
        self._around.counters.given_up += 1
        self._forget_initiating()
        while self._waiting:
            self._lose()
        if self._zero_at == NEVER:
            self._zero_at = now + 3 * settings.reject_after

    @property
    def is_trying(self) -> bool:
        """Is a handshake under way?"""
        return self._initiating is not None

    def forget_sessions(self) -> None:
        """Let go of every key of a session or a handshake (paper, 6.3: after three times `reject_after`)."""
        self._zero_at = NEVER
        self._forget_initiating()
        for keypair in (self.current, self.previous, self.next):
            self._drop(keypair)
        self.current = self.previous = self.next = None

    def close(self) -> None:
        """The peer is none any more."""
        self.forget_sessions()
        self._waiting.clear()
        self._around.timers.cancel(self)
