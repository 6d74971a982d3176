"""Fast Open cookies as Linux makes them of a key, so that a script may write them down (``net.ipv4.tcp_fastopen_key``)."""

from __future__ import annotations

import struct
from typing import Final

from hythe.tcp.fastopen import COOKIE_SIZE, FastOpen

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_START: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


class LinuxCookies(FastOpen):
    """SipHash of both addresses. `text`: the key as the sysctl has it, four hexadecimal words; ValueError for another."""

    __slots__ = ("_key",)

    def __init__(self, text: str, limit: int) -> None:
        words = [int(word, 16) for word in text.split(",", 1)[0].split("-")]
        if len(words) != 4 or max(words) >> 32 or min(words) < 0:
            raise ValueError(text)
        self._key = struct.pack("<4I", *words)
        super().__init__(self._key, limit)

    def cookie(self, key: bytes) -> bytes:
        """As `FastOpen.cookie`."""
        return siphash(self._key, key[:-4]).to_bytes(COOKIE_SIZE, "little")


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012): 64 bits of `data` under a key of 16 bytes."""
    halves = struct.unpack("<2Q", key)
    state: list[int] = [start ^ halves[index & 1] for index, start in enumerate(_START)]
    whole = len(data) & ~7
    words = [*struct.unpack(f"<{whole // 8}Q", data[:whole])]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        state[3] ^= word
        _rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _rounds(state, 4)
    a, b, c, d = state
    return a ^ b ^ c ^ d


def _rounds(state: list[int], count: int) -> None:
    a, b, c, d = state
    for _ in range(count):
        a, c = (a + b) & _MASK, (c + d) & _MASK
        b, d = _turn(b, 13) ^ a, _turn(d, 16) ^ c
        a = _turn(a, 32)
        a, c = (a + d) & _MASK, (c + b) & _MASK
        d, b = _turn(d, 21) ^ a, _turn(b, 17) ^ c
        c = _turn(c, 32)
    state[:] = a, b, c, d


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
