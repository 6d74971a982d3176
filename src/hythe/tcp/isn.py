"""Initial sequence numbers: RFC 6528."""

from __future__ import annotations

from hashlib import blake2s


class SequenceNumbers:
    """ISN = M + F(socket pair, secret key), M a 4 µs clock (RFC 9293, 3.4.1). `secret`: 16 to 32 random bytes."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def initial(self, key: bytes, now: int) -> int:
        """32 bits for the socket pair `key` at `now` nanoseconds."""
        digest = blake2s(key, key=self._secret, digest_size=4).digest()
        return (int.from_bytes(digest, "big") + now // 4_000) & 0xFFFFFFFF

    def timestamp_offset(self, key: bytes) -> int:
        """Where the timestamp clock of this socket pair starts, so that it tells nobody our uptime (RFC 7323, 5.4)."""
        return int.from_bytes(blake2s(key, key=self._secret, digest_size=4, person=b"tsoffset").digest(), "big")
