"""A DHCPv4 client (RFC 2131): sans-I/O, one lease.

Theory of operation. The states are the RFC's (4.4): INIT and SELECTING find a server, REQUESTING asks for what it offers,
BOUND has it; RENEWING asks the same server for more time from T1 on, REBINDING asks any from T2 on. Between REQUESTING
and BOUND stands CHECKING, while the address is probed (4.4.1; the caller does that, as for every address): somebody has
it, and it is declined.

What is sent is repeated after 4, 8, 16, 32 and then every 64 s, give or take one (4.1). The times of a lease count from when
it was asked for. The caller is a `Borrower`; what it does about a lease is its own matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from hythe.config import EthernetConfig
from hythe.host.interfaces import Prefix, may_be_source
from hythe.tcp.timers import TimerQueue
from hythe.units import NEVER, SECOND
from hythe.wire import dhcp
from hythe.wire.dhcp import NOBODY, Message

INIT: Final = "INIT"
SELECTING: Final = "SELECTING"
REQUESTING: Final = "REQUESTING"
CHECKING: Final = "CHECKING"
BOUND: Final = "BOUND"
RENEWING: Final = "RENEWING"
REBINDING: Final = "REBINDING"

_EVERYBODY: Final = b"\xff" * 4
#: What we ask for; classless routes before routers (RFC 3442).
_WANTED: Final = bytes(
    (
        dhcp.SUBNET_MASK,
        dhcp.CLASSLESS_ROUTES,
        dhcp.ROUTER,
        dhcp.NAME_SERVERS,
        dhcp.INTERFACE_MTU,
        dhcp.RENEWAL_TIME,
        dhcp.REBINDING_TIME,
    )
)
#: RFC 2132, 9.10: the longest message we take.
_SIZE_MAX: Final = 1_500
#: RFC 2131, 3.5: a server must grant something; less than this would be renewed without end.
_LEASE_MIN: Final = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """What a server has lent: `prefix` is our address with its network. Times are instants.

    `routes`: (network, router) each, the router being None for what is on the link.
    """

    prefix: Prefix
    server: bytes
    routes: tuple[tuple[Prefix, bytes | None], ...]
    name_servers: tuple[bytes, ...]
    mtu: int | None
    renew_at: int
    rebind_at: int
    ends_at: int


class Borrower(Protocol):
    """Who wants the address."""

    def send_dhcp(self, message: bytes, source: bytes, destination: bytes, now: int) -> None:
        """Send to a server's port, from the client's; to 255.255.255.255 without an address of one's own."""

    def offered(self, lease: Lease, now: int) -> None:
        """Probe the address, then call `accept` or `decline`."""

    def renewed(self, lease: Lease, now: int) -> None:
        """The same address for longer."""

    def expired(self, lease: Lease, now: int) -> None:
        """The address is not ours any more."""


class DhcpClient:
    """One client. `state` is one of the above, `lease` what is borrowed (from CHECKING on)."""

    __slots__ = (
        "_borrower",
        "_config",
        "_mac",
        "_offer",
        "_random",
        "_since",
        "_timeout",
        "_timers",
        "_transaction",
        "deadline",
        "filed",
        "lease",
        "state",
    )

    def __init__(self, config: EthernetConfig, timers: TimerQueue, random: Random, mac: bytes, borrower: Borrower) -> None:
        self._config = config
        self._timers = timers
        self._random = random
        self._mac = mac
        self._borrower = borrower
        self._transaction = 0
        self._since = 0  # when this exchange began
        self._timeout = 0
        self._offer: Message | None = None
        self.state = INIT
        self.lease: Lease | None = None
        self.deadline = NEVER
        self.filed = NEVER

    # --- The borrower's verbs

    def begin(self, now: int) -> None:
        """Look for a server, after a moment (4.4.1: hosts may have been switched on together)."""
        self._restart(now + int(self._config.dhcp_delay * self._random.random()))

    def accept(self, now: int) -> None:
        """Nobody else has the address."""
        if self.state == CHECKING and self.lease is not None:
            self.state = BOUND
            self._arm(self.lease.renew_at)

    def decline(self, now: int) -> None:
        """Somebody else has the address: tell the server, and look for another after a while (3.1, 5)."""
        lease = self.lease
        if lease is None:
            return
        self._transaction = self._random.getrandbits(32)
        options = {dhcp.REQUESTED_ADDRESS: lease.prefix.address, dhcp.SERVER: lease.server}
        self._send(dhcp.DECLINE, NOBODY, NOBODY, _EVERYBODY, options, now)
        self._restart(now + self._config.dhcp_pause)

    def release(self, now: int) -> None:
        """Give the address back and ask for no other (4.4.6)."""
        lease = self.lease
        if lease is not None and self.state in (BOUND, RENEWING, REBINDING):
            self._transaction = self._random.getrandbits(32)
            address = lease.prefix.address
            self._send(dhcp.RELEASE, address, address, lease.server, {dhcp.SERVER: lease.server}, now)
        self.state = INIT
        self.lease = None
        self._timers.cancel(self)

    # --- Time

    def fire(self, now: int) -> None:
        """Ask, or ask again."""
        self.deadline = NEVER
        lease = self.lease
        if lease is None:
            if self.state == REQUESTING and self._timeout >= self._config.dhcp_last_timeout // 2:
                self._restart(now)  # four times within 60 s: the server has gone (3.1, 5)
            self._seek(now)
        elif self.state != CHECKING:
            self._prolong(lease, now)

    def _seek(self, now: int) -> None:
        """SELECTING and REQUESTING: everybody is asked."""
        if self.state == INIT:
            self.state = SELECTING
            self._transaction = self._random.getrandbits(32)
            self._since = now
        offer = self._offer
        if self.state == REQUESTING and offer is not None:
            options = {dhcp.REQUESTED_ADDRESS: offer.yours, dhcp.SERVER: offer.options[dhcp.SERVER]}
            self._send(dhcp.REQUEST, NOBODY, NOBODY, _EVERYBODY, options, now)
        else:
            self._send(dhcp.DISCOVER, NOBODY, NOBODY, _EVERYBODY, {}, now)
        first, last, spread = self._config.dhcp_first_timeout, self._config.dhcp_last_timeout, self._config.dhcp_spread
        self._timeout = min(2 * self._timeout or first, last)
        self._arm(now + self._timeout + int(spread * self._random.uniform(-1, 1)))

    def _prolong(self, lease: Lease, now: int) -> None:
        """RENEWING and REBINDING: half of what remains passes between two requests, a minute at least (4.4.5)."""
        if now >= lease.ends_at:
            self._restart(now)
            self._borrower.expired(lease, now)
            return
        if self.state == BOUND or (self.state == RENEWING and now >= lease.rebind_at):
            self.state = RENEWING if now < lease.rebind_at else REBINDING
            self._transaction = self._random.getrandbits(32)
            self._since = now
        end = lease.rebind_at if self.state == RENEWING else lease.ends_at
        address = lease.prefix.address
        server = lease.server if self.state == RENEWING else _EVERYBODY
        self._send(dhcp.REQUEST, address, address, server, {}, now)
        self._arm(min(end, now + max((end - now) // 2, self._config.dhcp_renew_min)))

    # --- What servers say

    def receive(self, payload: memoryview, now: int) -> None:
        """One message. Raises `ParseError`."""
        message = dhcp.parse(payload, len(payload))
        if message.operation != dhcp.BOOT_REPLY or message.transaction != self._transaction or message.hardware != self._mac:
            return
        kind = message.kind
        if kind == dhcp.OFFER and self.state == SELECTING:
            if message.address(dhcp.SERVER) is not None and _lendable(message.yours):
                self._offer = message
                self.state = REQUESTING
                self._since = now
                self._timeout = 0
                self._seek(now)
        elif kind == dhcp.ACK and self.state in (REQUESTING, RENEWING, REBINDING):
            self._granted(message, now)
        elif kind == dhcp.NAK and self.state in (REQUESTING, RENEWING, REBINDING):
            self._refused(message, now)

    def _granted(self, message: Message, now: int) -> None:
        server = message.address(dhcp.SERVER)
        old = self.lease
        if server is None and old is not None:
            server = old.server
        life = message.seconds(dhcp.LEASE_TIME)
        if server is None or life is None or life < _LEASE_MIN or not _lendable(message.yours):
            return
        if old is None:
            if self._offer is None or message.yours != self._offer.yours:
                return
            self.lease = self._lease(message, server, life)
            self.state = CHECKING
            self.deadline = NEVER
            self._borrower.offered(self.lease, now)
        elif message.yours == old.prefix.address:
            self.lease = self._lease(message, server, life)
            self.state = BOUND
            self._arm(self.lease.renew_at)
            self._borrower.renewed(self.lease, now)

    def _refused(self, message: Message, now: int) -> None:
        """NAK counts of the server that was asked; when all were, of any."""
        lease, offer = self.lease, self._offer
        asked = lease.server if lease is not None and self.state == RENEWING else None
        if self.state == REQUESTING and offer is not None:
            asked = offer.address(dhcp.SERVER)
        if asked is not None and message.address(dhcp.SERVER) != asked:
            return
        self._restart(now + self._config.dhcp_pause)
        if lease is not None:
            self._borrower.expired(lease, now)

    def _lease(self, message: Message, server: bytes, life: int) -> Lease:
        """4.4.5: T1 is half and T2 seven eighths of the lease, unless the server says otherwise in this order."""
        since = self._since
        length = message.prefix_length()
        mtu = message.options.get(dhcp.INTERFACE_MTU, b"")
        if life == dhcp.INFINITE:
            renew = rebind = end = NEVER
        else:
            t1, t2 = message.seconds(dhcp.RENEWAL_TIME), message.seconds(dhcp.REBINDING_TIME)
            end = since + life * SECOND
            rebind = since + t2 * SECOND if t2 is not None and 0 < t2 < life else since + life * SECOND * 7 // 8
            renew = since + t1 * SECOND if t1 is not None and t1 > 0 else since + life * SECOND // 2
            renew = min(renew, rebind)
        return Lease(
            Prefix(message.yours, _classful(message.yours) if length is None else length),
            server,
            _routes(message),
            tuple(message.addresses(dhcp.NAME_SERVERS)),
            int.from_bytes(mtu, "big") if len(mtu) == 2 else None,
            renew,
            rebind,
            end,
        )

    # --- Inside

    def _restart(self, at: int) -> None:
        self.state = INIT
        self.lease = None
        self._offer = None
        self._timeout = 0
        self._arm(at)

    def _arm(self, at: int) -> None:
        self.deadline = at
        self._timers.file(self)

    def _send(
        self, kind: int, client: bytes, source: bytes, destination: bytes, options: dict[int, bytes], now: int
    ) -> None:
        """Table 5 of RFC 2131. We take answers to our MAC address, so no broadcast is asked for (4.1)."""
        message = Message(dhcp.BOOT_REQUEST, self._transaction, self._mac, client=client)
        message.seconds_elapsed = min((now - self._since) // SECOND, 0xFFFF) if kind in (dhcp.DISCOVER, dhcp.REQUEST) else 0
        message.options = {dhcp.MESSAGE_TYPE: bytes((kind,)), dhcp.CLIENT: b"\x01" + self._mac, **options}
        if kind in (dhcp.DISCOVER, dhcp.REQUEST):
            message.options[dhcp.PARAMETERS] = _WANTED
            message.options[dhcp.MESSAGE_SIZE] = _SIZE_MAX.to_bytes(2, "big")
        self._borrower.send_dhcp(dhcp.build(message), source, destination, now)


def _routes(message: Message) -> tuple[tuple[Prefix, bytes | None], ...]:
    """The first router is the default one (RFC 2132, 3.5); classless routes count instead if given (RFC 3442)."""
    classless = message.classless_routes()
    if classless:
        pairs = [(Prefix(network, length), router) for network, length, router in classless]
    else:
        pairs = [(Prefix(NOBODY, 0), router) for router in message.addresses(dhcp.ROUTER)[:1]]
    return tuple((network, router if any(router) else None) for network, router in pairs)


def _lendable(address: bytes) -> bool:
    """Can it be a host's address?"""
    return address[0] != 0 and may_be_source(address)


def _classful(address: bytes) -> int:
    """The network that an address had before there were masks (RFC 791, 3.2): for servers that do not tell."""
    return 8 if address[0] < 128 else 16 if address[0] < 192 else 24
