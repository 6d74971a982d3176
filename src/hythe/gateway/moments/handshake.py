"""TLS, followed through its handshake: which bytes belong to it, and when it was over.

Theory of operation. All that is encrypted still lies in records whose headers are clear (RFC 8446, 5.1). Up to TLS 1.2 the
handshake is over when both sides have sent what follows their ChangeCipherSpec (Finished, RFC 5246, 7.4.9). Since 1.3 it is
when the client has sent its first encrypted record behind the server's hello: that is its Finished (RFC 8446, 4.4.4), and
from then on it may ask. What the server then says first may be tickets for later connections (4.6.1), which answer nothing;
servers send several at once, alike in length, and two records of one length at the beginning are taken for such.

Fed with what comes, both ways, until `done`. A stream that begins with anything else is none of TLS's: `is_tls` is False.
"""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.gateway.moments.record import Moments
from hythe.wire.tls import APPLICATION_DATA, CHANGE_CIPHER_SPEC, RECORD_SIZE, STREAM_MAX, Answer, Hello, read, read_answer

_UP, _DOWN = 0, 1
#: More than a handshake with long chains of certificates: what is beyond is not looked at.
_LOOKED_AT: Final = 1 << 18
_TLS_1_3: Final = "TLS 1.3"


class _Records:
    """The records of one way, by their headers. `changed`: a ChangeCipherSpec has come."""

    __slots__ = ("changed", "head", "left")

    def __init__(self) -> None:
        self.head = b""
        self.left = 0
        self.changed = False

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """(type, length) of those that begin in `data`."""
        found = []
        at = 0
        while at < len(data):
            if self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                at += step
                continue
            missing = RECORD_SIZE - len(self.head)
            self.head += data[at : at + missing]
            at += missing
            if len(self.head) == RECORD_SIZE:
                self.left = int.from_bytes(self.head[3:], "big")
                found.append((self.head[0], self.left))
                self.head = b""
        return found


class Handshake:
    """Of one connection, noted in `moments`."""

    __slots__ = ("_finished", "_first", "_kept", "_moments", "_records", "_seen", "_ticket", "done")

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._records = (_Records(), _Records())
        self._kept = [b"", b""]  # of either way, until its hello has been read
        self._seen = 0
        self._finished = [False, False]
        self._first = 0  # when the first record came that may be an answer
        self._ticket = 0  # its length
        self.done = False

    def feed(self, way: int, data: bytes, now: int) -> None:
        """What came `now`, away from the command (0) or towards it (1)."""
        moments = self._moments
        if not self._seen and (way != _UP or data[:1] != b"\x16"):
            self._plain(way, now)
            return
        self._seen += len(data)
        moments.tls_began = moments.tls_began or now
        if not self._learn(way, data):
            self._plain(way, now)
            return
        for kind, length in self._records[way].feed(data):
            if moments.tls_ended:
                self._behind(way, length, now)
            else:
                self._handshake(way, kind, now)
            if self.done:
                return
        if self._seen > _LOOKED_AT:
            self.done = True

    def _plain(self, way: int, now: int) -> None:
        """It is not TLS; or it was, and is broken off."""
        self.done = True
        moments = self._moments
        if moments.hello is not None:
            return
        moments.tls_began = 0
        if way == _UP:
            moments.first_up = now
        else:
            moments.first_down = now

    def _learn(self, way: int, data: bytes) -> bool:
        """The hello of that way, once it is complete; is it still TLS?"""
        moments = self._moments
        if (moments.hello if way == _UP else moments.answer) is not None:
            return True
        self._kept[way] += data
        try:
            found: Hello | Answer | int = (read if way == _UP else read_answer)(self._kept[way])
        except ParseError:
            return False
        if isinstance(found, Hello):
            moments.hello = found
        elif isinstance(found, Answer):
            moments.answer = found
        else:
            return len(self._kept[way]) <= STREAM_MAX
        self._kept[way] = b""
        return True

    def _handshake(self, way: int, kind: int, now: int) -> None:
        records, moments = self._records[way], self._moments
        if moments.answer is not None and moments.answer.version == _TLS_1_3:
            if way == _UP and kind == APPLICATION_DATA:
                moments.tls_ended = now
        elif kind == CHANGE_CIPHER_SPEC:
            records.changed = True
        elif records.changed:
            self._finished[way] = True
            if all(self._finished):
                moments.tls_ended = now

    def _behind(self, way: int, length: int, now: int) -> None:
        """A record behind the handshake."""
        moments = self._moments
        if way == _UP:
            moments.first_up = moments.first_up or now
        elif not self._ticket and moments.answer is not None and moments.answer.version == _TLS_1_3:
            self._ticket, self._first = length, now
            moments.first_down = now  # unless its twin comes
        elif length == self._ticket:
            moments.first_down = 0
        else:
            moments.first_down = moments.first_down or now
            self.done = True
