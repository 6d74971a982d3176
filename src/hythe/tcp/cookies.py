"""SYN cookies: a SYN-ACK that keeps no state, for when a listener's backlog is full (RFC 4987, 3.6).

Theory of operation. The sequence number of such a SYN-ACK is a keyed hash of the socket pair, the peer's sequence number
and the minute, with the peer's MSS as an index hidden in its low 24 bits; the layout is Bernstein's as Linux has it. If the
ACK that answers it comes within two minutes, the hash proves that we sent the SYN-ACK, and the block is made then.

What else the SYN said has no place in 32 bits. A peer that sends timestamps returns ours, so the low six bits of TSval
carry the window scale and whether SACK and ECN are agreed upon (Linux: cookie_init_timestamp); one without goes without
all three. So does what a SYN brings besides: data, Fast Open. A guess is right once in 2^28, and buys no more than an open
connection.
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2s
from typing import Final

from hythe.config import TcpConfig
from hythe.units import SECOND
from hythe.wire.options import Options

#: What an MSS is rounded down to: Linux's values for both families, and those of links with long packets.
SIZES: Final = (536, 1_220, 1_300, 1_440, 1_460, 4_016, 8_940, 65_455)
#: A cookie is good for the minute it was made in and the next one (Linux MAX_SYNCOOKIE_AGE).
_MINUTE: Final = 60 * SECOND
_MINUTES: Final = 2
#: How long after the last one was made cookies may still come back.
LIFE: Final = _MINUTES * _MINUTE
_LOW: Final = 0xFF_FFFF
_WRAP: Final = 0xFFFF_FFFF
# The low bits of TSval.
_BITS: Final = 6
_MASK: Final = (1 << _BITS) - 1
_NO_SCALE: Final = 0xF
_SACK: Final = 1 << 4
_ECN: Final = 1 << 5


class SynCookies:
    """Makes and checks cookies. `secret`: 16 to 32 random bytes."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, key: bytes, irs: int, mss: int, now: int) -> int:
        """The sequence number that answers a SYN `irs` of the socket pair `key` from a peer that takes `mss` bytes."""
        minute = now // _MINUTE
        index = max(bisect_right(SIZES, mss) - 1, 0)
        return (self._base(key) + irs + (minute << 24) + (self._hash(key, irs, minute) + index & _LOW)) & _WRAP

    def check(self, key: bytes, irs: int, cookie: int, now: int) -> int | None:
        """The MSS that `cookie`, a sequence number our peer has acknowledged, stands for; None if we never made it."""
        now //= _MINUTE
        rest = (cookie - self._base(key) - irs) & _WRAP
        age = (now - (rest >> 24)) & 0xFF
        if age >= _MINUTES:
            return None
        index = (rest - self._hash(key, irs, now - age)) & _LOW
        return SIZES[index] if index < len(SIZES) else None

    def _base(self, key: bytes) -> int:
        return int.from_bytes(blake2s(key, key=self._secret, digest_size=4, person=b"cookie").digest(), "big")

    def _hash(self, key: bytes, irs: int, minute: int) -> int:
        data = key + (irs & _WRAP).to_bytes(4, "big") + (minute & _WRAP).to_bytes(4, "big")
        return int.from_bytes(blake2s(data, key=self._secret, digest_size=3, person=b"minute").digest(), "big")


def stamp(clock: int, options: Options, *, ecn: bool) -> int:
    """TSval for a stateless SYN-ACK: our `clock`, not later than it is, with what the peer's SYN offers in its low bits."""
    bits = options.wscale if options.wscale is not None else _NO_SCALE
    if options.sack_permitted:
        bits |= _SACK
    if ecn:
        bits |= _ECN
    value = clock & ~_MASK | bits
    return (value if value <= clock else value - (1 << _BITS)) & _WRAP


def recalled(mss: int, answer: Options, offset: int, config: TcpConfig) -> tuple[Options, bool]:
    """The options of the peer's SYN, from the MSS in the cookie and the timestamps of the ACK that returned it; and ECN.

    `offset`: that of this socket pair's timestamp clock, which was added behind the bits.
    """
    options = Options(mss=mss)
    if not config.timestamps or answer.ts_val is None or answer.ts_ecr is None:
        return options, False
    bits = (answer.ts_ecr - offset) & _MASK
    options.ts_val = answer.ts_val
    options.sack_permitted = config.sack and bool(bits & _SACK)
    if config.window_scaling and bits & _NO_SCALE != _NO_SCALE:
        options.wscale = bits & _NO_SCALE
    return options, bool(bits & _ECN)
