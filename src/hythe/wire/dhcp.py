"""DHCPv4 messages: the fixed part that comes from BOOTP, and options (RFC 2131, 2; RFC 2132).

An option that is given several times is one long option (RFC 3396), and options may overflow into the fields for a file
and a server name (RFC 2132, 9.3). Values stay bytes; `address`, `addresses` and `seconds` read the common kinds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError
from hythe.wire.checksum import Octets

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68

BOOT_REQUEST: Final = 1
BOOT_REPLY: Final = 2

# Message types (RFC 2132, 9.6).
DISCOVER: Final = 1
OFFER: Final = 2
REQUEST: Final = 3
DECLINE: Final = 4
ACK: Final = 5
NAK: Final = 6
RELEASE: Final = 7

# Options.
SUBNET_MASK: Final = 1
ROUTER: Final = 3
NAME_SERVERS: Final = 6
HOST_NAME: Final = 12
INTERFACE_MTU: Final = 26
REQUESTED_ADDRESS: Final = 50
LEASE_TIME: Final = 51
_OVERLOAD: Final = 52
MESSAGE_TYPE: Final = 53
SERVER: Final = 54
PARAMETERS: Final = 55
MESSAGE_SIZE: Final = 57
RENEWAL_TIME: Final = 58
REBINDING_TIME: Final = 59
CLIENT: Final = 61
CLASSLESS_ROUTES: Final = 121
_PAD: Final = 0
_END: Final = 255

#: Seconds that mean for ever (RFC 2131, 3.3).
INFINITE: Final = 0xFFFFFFFF
NOBODY: Final = bytes(4)

_FIXED: Final = struct.Struct(">BBBBIHH4s4s4s4s16s64s128s4s")
_COOKIE: Final = b"\x63\x82\x53\x63"
#: RFC 1542, 2.1: relays drop what is shorter than a BOOTP message.
SIZE_MIN: Final = 300
#: Options read of one message, all their values together in bytes.
_OPTIONS_MAX: Final = 4_096


@dataclass(slots=True)
class Message:
    """One message. `hardware`: the client's MAC address; `broadcast`: it wants answers to all; addresses 4 bytes.

    `client` (ciaddr) is an address in use, `yours` (yiaddr) one that is given, `relay` (giaddr) a relay's.
    """

    operation: int
    transaction: int
    hardware: bytes
    seconds_elapsed: int = 0
    broadcast: bool = False
    client: bytes = NOBODY
    yours: bytes = NOBODY
    next_server: bytes = NOBODY
    relay: bytes = NOBODY
    options: dict[int, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> int:
        """DISCOVER, OFFER …; 0 for plain BOOTP."""
        value = self.options.get(MESSAGE_TYPE, b"")
        return value[0] if len(value) == 1 else 0

    def address(self, option: int) -> bytes | None:
        """The value of an option that is one address, None without it. Raises `ParseError` if it is something else."""
        value = self.options.get(option)
        if value is not None and len(value) != 4:
            raise ParseError(f"DHCP option {option} has {len(value)} bytes, an address has 4")
        return value

    def addresses(self, option: int) -> list[bytes]:
        """The value of an option that is a list of addresses. Raises `ParseError`."""
        value = self.options.get(option, b"")
        if len(value) % 4:
            raise ParseError(f"DHCP option {option} has {len(value)} bytes, addresses have 4 each")
        return [value[at : at + 4] for at in range(0, len(value), 4)]

    def seconds(self, option: int) -> int | None:
        """The value of an option that is a length of time. Raises `ParseError`."""
        value = self.options.get(option)
        if value is not None and len(value) != 4:
            raise ParseError(f"DHCP option {option} has {len(value)} bytes, a length of time has 4")
        return None if value is None else int.from_bytes(value, "big")

    def prefix_length(self) -> int | None:
        """What the subnet mask says. Raises `ParseError` for a mask with holes."""
        mask = self.address(SUBNET_MASK)
        if mask is None:
            return None
        inverse = int.from_bytes(mask, "big") ^ 0xFFFFFFFF
        if inverse & inverse + 1:
            raise ParseError(f"DHCP subnet mask {mask.hex()} has holes")
        return 32 - inverse.bit_length()

    def classless_routes(self) -> list[tuple[bytes, int, bytes]]:
        """(network, prefix length, router) each, RFC 3442. Raises `ParseError`."""
        value = self.options.get(CLASSLESS_ROUTES, b"")
        found = []
        at = 0
        while at < len(value):
            length = value[at]
            size = (length + 7) // 8
            if length > 32 or at + 1 + size + 4 > len(value):
                raise ParseError(f"DHCP classless route at byte {at} does not fit")
            router = at + 1 + size
            found.append((value[at + 1 : router] + bytes(4 - size), length, value[router : router + 4]))
            at = router + 4
        return found


def parse(view: Octets, length: int) -> Message:
    """The message `view[:length]`, UDP header already off. Raises `ParseError`."""
    length = min(length, len(view))
    if length < _FIXED.size:
        raise ParseError(f"DHCP message needs {_FIXED.size} bytes, {length} are there")
    data = bytes(view[:length])
    fields = _FIXED.unpack_from(data)
    operation, hardware, size, _, transaction, seconds, flags, client, yours, server, relay, mac, name, file, cookie = fields
    if operation not in (BOOT_REQUEST, BOOT_REPLY):
        raise ParseError(f"DHCP operation is {operation}, neither request nor reply")
    if (hardware, size) != (1, 6):
        raise ParseError(f"DHCP hardware type {hardware} with addresses of {size} bytes is not Ethernet")
    if cookie != _COOKIE:
        raise ParseError("DHCP magic cookie is missing")
    values: dict[int, bytearray] = {}
    _read_options(data[_FIXED.size :], values)
    overload = values.get(_OVERLOAD, b"\0")
    if len(overload) != 1 or overload[0] > 3:
        raise ParseError("DHCP option overload is neither 1, 2 nor 3")
    if overload[0] & 1:
        _read_options(file, values)
    if overload[0] & 2:
        _read_options(name, values)
    values.pop(_OVERLOAD, None)
    options = {code: bytes(value) for code, value in values.items()}
    broadcast = bool(flags & 0x8000)
    return Message(operation, transaction, mac[:6], seconds, broadcast, client, yours, server, relay, options)


def _read_options(area: bytes, values: dict[int, bytearray]) -> None:
    at = 0
    while at < len(area) and area[at] != _END:
        code = area[at]
        if code == _PAD:
            at += 1
            continue
        size = area[at + 1] if at + 1 < len(area) else 0
        if at + 2 + size > len(area):
            raise ParseError(f"DHCP option {code} at byte {at} of its area is cut off")
        values.setdefault(code, bytearray()).extend(area[at + 2 : at + 2 + size])
        at += 2 + size
        if sum(map(len, values.values())) > _OPTIONS_MAX:
            raise ParseError(f"DHCP options have more than {_OPTIONS_MAX} bytes")


def build(message: Message) -> bytes:
    """The message's bytes, padded to the least that relays pass on. Options longer than 255 bytes are split."""
    fixed = _FIXED.pack(
        message.operation,
        1,
        6,
        0,
        message.transaction,
        message.seconds_elapsed,
        0x8000 if message.broadcast else 0,
        message.client,
        message.yours,
        message.next_server,
        message.relay,
        message.hardware,
        b"",
        b"",
        _COOKIE,
    )
    whole = fixed + _write_options(message.options) + bytes((_END,))
    return whole + bytes(max(0, SIZE_MIN - len(whole)))


def _write_options(options: Mapping[int, bytes]) -> bytes:
    parts = []
    for code, value in options.items():
        if not _PAD < code < _END:
            raise ValueError(f"DHCP option {code} is no option")
        for at in range(0, max(1, len(value)), 255):
            piece = value[at : at + 255]
            parts.append(bytes((code, len(piece))) + piece)
    return b"".join(parts)
