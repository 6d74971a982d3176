"""TCP options (RFC 9293, 3.2): MSS, window scale, SACK, timestamps, Fast Open, and every other kind kept as it came.

What is malformed. An option list whose lengths cannot be followed (a length of 0 or 1, or past the end of the header)
is a `ParseError`: RFC 9293, 3.1 (MUST-7) wants an illegal length survived, and a segment that cannot be read whole is
dropped. An option that can be followed but has the wrong length for its kind is ignored as Linux ignores it, and kept
in `unknown`; so is an MSS of zero. Of an option given twice the last counts, as in Linux.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hythe.errors import ParseError

if TYPE_CHECKING:
    from hythe.wire.checksum import Octets

#: RFC 9293, 3.1: a data offset of 15 words.
OPTIONS_MAX: Final = 40
#: RFC 7323, 2.3.
WSCALE_MAX: Final = 14
#: Bytes of a timestamps block as everybody sends it: two no-operations, kind, length, two values.
TIMESTAMPS_SIZE: Final = 12

END: Final = 0
NOP: Final = 1
MSS: Final = 2  # RFC 9293, 3.7.1
WSCALE: Final = 3  # RFC 7323, 2
SACK_PERMITTED: Final = 4  # RFC 2018, 2
SACK: Final = 5  # RFC 2018, 3
TIMESTAMPS: Final = 8  # RFC 7323, 3
SIGNATURE: Final = 19  # RFC 2385, 3.0; nothing here has a key, so it stays among the unknown
USER_TIMEOUT: Final = 28  # RFC 5482, 3
FAST_OPEN: Final = 34  # RFC 7413, 4.1.1
EXPERIMENT: Final = 254  # RFC 4727, 2; by RFC 6994, 3 its first two bytes tell whose
#: Fast Open's number among the experiments, from before it had a kind of its own; peers of that time have no other.
FAST_OPEN_ID: Final = b"\xf9\x89"

# Of the user timeout: granularity minutes, else seconds; 15 bits of either, of which zero is reserved.
_MINUTES: Final = 0x8000
_TIMEOUT: Final = 0x7FFF

#: A SYN's options as Linux writes them: MSS, SACK permitted, timestamps, no-operation, window scale.
_SYN: Final = struct.Struct(">HHHHIIHBB")
_SYN_KINDS: Final = (MSS << 8 | 4, SACK_PERMITTED << 8 | 2, TIMESTAMPS << 8 | 10, NOP << 8 | WSCALE, 3)
_TIMESTAMPS_HEAD: Final = NOP << 24 | NOP << 16 | TIMESTAMPS << 8 | 10
_THREE: Final = struct.Struct(">III")
_TWO: Final = struct.Struct(">II")


@dataclass(slots=True)
class Options:
    """The options of one segment; what is absent is None, False or empty.

    `mss` in bytes. `wscale` 0..14 (more was read as 14, RFC 7323, 2.3). `sack`: up to four (left edge, right edge) of
    32-bit sequence numbers. `ts_val`, `ts_ecr`: 32 bits. `fast_open`: the cookie, b"" to ask for one; `experimental`: in
    the option's older form.
    `user_timeout` in seconds, 1 to 32767 minutes. `unknown`: (kind,
    data) of everything else, in order.
    """

    mss: int | None = None
    wscale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    ts_val: int | None = None
    ts_ecr: int | None = None
    fast_open: bytes | None = None
    experimental: bool = False
    user_timeout: int | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()


def timestamps(raw: Octets) -> tuple[int, int] | None:
    """(TSval, TSecr) where `raw` is the usual 12-byte timestamps block and nothing else; None for anything other.

    The fast path: one comparison settles the options of nearly every segment of an open connection.
    """
    if len(raw) != TIMESTAMPS_SIZE:
        return None
    head, ts_val, ts_ecr = _THREE.unpack(raw)
    return (ts_val, ts_ecr) if head == _TIMESTAMPS_HEAD else None


def parse(raw: Octets) -> Options:
    """Read the option bytes of a header. Raises `ParseError` where a length cannot be followed (see above)."""
    at, end = 0, len(raw)
    if end == _SYN.size:
        first, mss, second, third, ts_val, ts_ecr, fourth, fifth, wscale = _SYN.unpack(raw)
        if (first, second, third, fourth, fifth) == _SYN_KINDS and mss:
            return Options(mss=mss, wscale=min(wscale, WSCALE_MAX), sack_permitted=True, ts_val=ts_val, ts_ecr=ts_ecr)
    options = Options()
    unknown: list[tuple[int, bytes]] = []
    while at < end:
        kind = raw[at]
        if kind == END:
            break
        if kind == NOP:
            at += 1
            continue
        size = raw[at + 1] if at + 1 < end else 0
        if size < 2 or at + size > end:
            raise ParseError(f"TCP option {kind} at byte {20 + at} has length {size}, {end - at} bytes are there")
        data = bytes(raw[at + 2 : at + size])
        if not _take(options, kind, data):
            unknown.append((kind, data))
        at += size
    options.unknown = tuple(unknown)
    return options


def _take(options: Options, kind: int, data: bytes) -> bool:
    """Store a known option of the right length; False for any other."""
    size = len(data)
    if kind == TIMESTAMPS and size == 8:
        options.ts_val, options.ts_ecr = _TWO.unpack(data)
    elif kind == SACK and size and size % 8 == 0:
        options.sack = tuple(_TWO.iter_unpack(data))
    elif kind == MSS and size == 2 and any(data):
        options.mss = data[0] << 8 | data[1]
    elif kind == WSCALE and size == 1:
        options.wscale = min(data[0], WSCALE_MAX)
    elif kind == SACK_PERMITTED and not size:
        options.sack_permitted = True
    elif kind == FAST_OPEN and _is_cookie(data):
        options.fast_open, options.experimental = data, False
    elif kind == EXPERIMENT and data[:2] == FAST_OPEN_ID and _is_cookie(data[2:]):
        options.fast_open, options.experimental = data[2:], True
    elif kind == USER_TIMEOUT and size == 2 and (data[0] << 8 | data[1]) & _TIMEOUT:
        value = data[0] << 8 | data[1]
        options.user_timeout = (value & _TIMEOUT) * (60 if value & _MINUTES else 1)
    else:
        return False
    return True


def _is_cookie(data: bytes) -> bool:
    """RFC 7413, 4.1.1: none, or an even number of bytes from 4 to 16."""
    return not data or (4 <= len(data) <= 16 and len(data) % 2 == 0)


def build(options: Options) -> bytes:
    """The option bytes, aligned as Linux aligns them, padded to a multiple of 4.

    Raises ValueError past 40 bytes; `sack_room` tells how many SACK blocks fit.
    """
    parts = []
    if options.mss is not None:
        parts.append(struct.pack(">BBH", MSS, 4, options.mss))
    if options.ts_val is not None:
        lead = bytes((SACK_PERMITTED, 2)) if options.sack_permitted else bytes((NOP, NOP))
        parts.append(lead + struct.pack(">BBII", TIMESTAMPS, 10, options.ts_val, options.ts_ecr or 0))
    elif options.sack_permitted:
        parts.append(bytes((NOP, NOP, SACK_PERMITTED, 2)))
    if options.wscale is not None:
        parts.append(bytes((NOP, WSCALE, 3, options.wscale)))
    if options.sack:
        parts.append(bytes((NOP, NOP, SACK, 2 + 8 * len(options.sack))))
        parts.extend(_TWO.pack(left, right) for left, right in options.sack)
    if options.fast_open is not None:
        kind, data = FAST_OPEN, options.fast_open
        if options.experimental:
            kind, data = EXPERIMENT, FAST_OPEN_ID + data
        cookie = bytes((kind, 2 + len(data))) + data
        parts.append(cookie + bytes((NOP,)) * (-len(cookie) % 4))  # aligned as Linux does it
    if options.user_timeout is not None:
        seconds = options.user_timeout
        value = seconds if seconds <= _TIMEOUT else seconds // 60 | _MINUTES
        parts.append(struct.pack(">BBH", USER_TIMEOUT, 4, value))
    parts.extend(bytes((kind, 2 + len(data))) + data for kind, data in options.unknown)
    raw = b"".join(parts)
    raw += bytes(-len(raw) % 4)  # end-of-options, then zeros: RFC 9293, 3.1
    if len(raw) > OPTIONS_MAX:
        raise ValueError(f"TCP options take {len(raw)} bytes, {OPTIONS_MAX} is the most")
    return raw


def build_timestamps(ts_val: int, ts_ecr: int) -> bytes:
    """The 12-byte timestamps block that `timestamps` reads."""
    return _THREE.pack(_TIMESTAMPS_HEAD, ts_val, ts_ecr)


def sack_room(other: int = 0) -> int:
    """How many SACK blocks fit beside `other` bytes of options: 4 alone, 3 with timestamps (RFC 2018, 3)."""
    return max(0, (OPTIONS_MAX - other - 4) // 8)
