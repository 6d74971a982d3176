"""The classic small services: echo, discard, daytime, quote of the day and character generator (RFC 862-867).

They answer anybody, and so they have been abused. Two of them, made to talk to each other by one forged datagram, never
stop (CERT CA-1996-01); and a forged sender gets more bytes than were sent. So over UDP nothing is said to another such
service, ourselves among them, or to any well-known port that answers whatever it is sent; a client gets `RATE` answers a
second and all together `RATE_ALL`. Over TCP a connection is carried at `PACE` bytes a second, `MOST` clients at a time, and
`IDLE` seconds of silence end one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, cast

from hythe.serve.log import Say, endpoint, stamped
from hythe.serve.rates import Bucket, Buckets

RATE: Final = 10
RATE_ALL: Final = 200
PACE: Final = 1_024 * 1_024
MOST: Final = 256
IDLE: Final = 300.0
#: Source ports that are never answered: 0 (nobody's), and services that themselves answer anything: echo, systat, daytime,
#: netstat, qotd, msp, chargen, time, name, domain, tftp, sunrpc, ntp, netbios, snmp, ldap, rip, ssdp, mdns, memcached.
UNANSWERED: Final = frozenset(
    {0, 7, 11, 13, 15, 17, 18, 19, 37, 42, 53, 69, 111, 123, 137, 138, 161, 389, 520, 1_900, 5_353, 11_211}
)
#: RFC 865: less than 512 characters.
QUOTE: Final = "Be conservative in what you do, be liberal in what you accept from others. (RFC 793, 2.10)"
_QUOTE_MAX: Final = 509
_TICK: Final = 0.05
_WIDTH: Final = 72
_PRINTABLE: Final = bytes(range(32, 127))
#: RFC 864's pattern: each line begins one character further on. As many lines as there are characters, then it repeats.
_PATTERN: Final = b"".join((_PRINTABLE * 2)[start : start + _WIDTH] + b"\r\n" for start in range(len(_PRINTABLE)))


@dataclass(frozen=True, slots=True)
class Service:
    """`answer`: to a datagram; None for none. `once`: over TCP the answer is all there is."""

    name: str
    answer: Callable[[bytes], bytes] | None
    once: bool = False


def daytime(_data: bytes) -> bytes:
    """RFC 867's popular form: ``Tuesday, February 22, 1982 17:37:43-UTC``."""
    return f"{datetime.now(UTC):%A, %B %-d, %Y %H:%M:%S}-UTC\r\n".encode()


def _some_characters(data: bytes) -> bytes:
    """0 to 512 characters (RFC 864), and no more than were sent, so that nobody can be drowned in them."""
    return _PATTERN[: random.randint(0, min(512, len(data)))]


SERVICES: Final = MappingProxyType(
    {
        "echo": Service("echo", lambda data: data),
        "discard": Service("discard", None),
        "daytime": Service("daytime", daytime, once=True),
        "qotd": Service("qotd", lambda _: f"{QUOTE}\r\n".encode(), once=True),
        "chargen": Service("chargen", _some_characters),
    }
)


def quoting(text: str) -> Service:
    """The quote of the day, of one's own."""
    quote = text.encode()[:_QUOTE_MAX].decode(errors="ignore").rstrip().encode() + b"\r\n"
    return Service("qotd", lambda _: quote, once=True)


class Gate:
    """What all clients of one service share: how many there may be, and the log. `port`: where the service listens."""

    def __init__(self, service: Service, port: int, say: Say) -> None:
        self.service = service
        self.clients: set[Stream] = set()
        self._say = say
        self._unanswered = UNANSWERED | {port}
        self._each = Buckets(RATE, RATE, 4_096)
        self._all = Bucket(RATE_ALL, RATE_ALL, time.monotonic_ns())

    def log(self, client: tuple[str, int], what: str) -> None:
        """One line."""
        self._say(stamped(endpoint(client), f"{self.service.name} {what}"))

    def may_answer(self, client: tuple[str, int]) -> bool:
        """Is a datagram of this client to be answered?"""
        now = time.monotonic_ns()
        return client[1] not in self._unanswered and self._each.take(client[0], now) and bool(self._all.take(now))


class Datagrams(asyncio.DatagramProtocol):
    """The service over UDP."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The endpoint is there."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer it, or leave it."""
        answer = self._gate.service.answer
        if answer is None or self._transport is None or not self._gate.may_answer(addr[:2]):
            return
        said = answer(data)
        self._transport.sendto(said, addr)
        self._gate.log(addr[:2], f"UDP {len(said)}")


class Stream(asyncio.Protocol):
    """The service over TCP, for one client. What it may send is dealt out in ticks, so the pace holds whoever reads."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._client = ("", 0)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._bucket = Bucket(PACE, PACE // 8, time.monotonic_ns())
        self._owed = bytearray()  # echo: read, and not sent back yet
        self._at = 0  # chargen: in the pattern
        self._ended = False
        self._writable = True
        self._moved = 0  # bytes, both ways
        self._active = time.monotonic()

    # --- The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")[:2]
        self._gate.clients.add(self)
        if len(self._gate.clients) > MOST:
            self._gate.log(self._client, "TCP one client too many")
            transport.abort()
            return
        service = self._gate.service
        if service.once and service.answer is not None:
            said = service.answer(b"")
            transport.write(said)
            try:
                transport.write_eof()
            except OSError:  # it is gone again, by a reset
                transport.abort()
                return
            self._moved = len(said)
        self._tick()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._gate.clients.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._moved or exc is None:
            self._gate.log(self._client, f"TCP {self._moved}")

    def data_received(self, data: bytes) -> None:
        """Echo owes it, everybody else throws it away."""
        self._active = time.monotonic()
        if self._gate.service.name == "echo":
            self._owed += data
            self._send()
        elif self._gate.service.name == "discard":
            self._moved += len(data)

    def eof_received(self) -> bool:
        """The client has said all; what it is owed it still gets, and characters are owed until it closes (RFC 864)."""
        self._ended = self._gate.service.name != "chargen"
        self._send()
        return bool(self._owed) or not self._ended

    def pause_writing(self) -> None:
        """The client reads slower than it is sent to."""
        self._writable = False

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable = True

    def close(self) -> None:
        """The server ends."""
        if self._transport is not None:
            self._transport.close()

    # --- Sending

    def _tick(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if time.monotonic() - self._active > (IDLE if not self._gate.service.once else IDLE / 60):
            transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)
        self._send()

    def _send(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._writable:
            now = time.monotonic_ns()
            if self._gate.service.name == "chargen":
                self._write(transport, self._characters(self._bucket.take(now, PACE)))
            elif self._owed:
                size = self._bucket.take(now, len(self._owed))
                self._write(transport, bytes(self._owed[:size]))
                del self._owed[:size]
        if self._owed:
            transport.pause_reading()
        else:
            transport.resume_reading()
            if self._ended:
                transport.close()

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        if data:
            self._active = time.monotonic()
            self._moved += len(data)
            transport.write(data)

    def _characters(self, size: int) -> bytes:
        start = self._at
        self._at = (start + size) % len(_PATTERN)
        whole = size // len(_PATTERN) + 2
        return (_PATTERN * whole)[start : start + size]
