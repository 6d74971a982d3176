"""1:1 translation of the command's address: its own inside, the tunnel's outside, nothing else of the packet.

Stateless: one address for one other, so ports stay, every protocol passes, and both ways are the same function with the
addresses exchanged. Checksums are mended by the difference of the two addresses (RFC 1624, eqn. 3), so a wrong one stays
wrong. A partial one is the sum of the pseudo-header itself, not its complement. What an ICMP error quotes is translated
as well (RFC 5508, REQ-4), or its receiver would not know its own packet.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.wire import icmp, icmpv6, ipv4, ipv6, udp
from hythe.wire.checksum import checksum, fold, ones_sum, pseudo_sum
from hythe.wire.packet import PARTIAL, Packet
from hythe.wire.segment import PROTOCOL as TCP

_WORD: Final = struct.Struct(">H")
_CHECKSUM_AT: Final = {TCP: 16, udp.PROTOCOL: 6}
_ERRORS6: Final = 128  # RFC 4443, 2.1: types below are errors


class Translation:
    """From address `old` to `new`, both of one family, where a packet bears it as its source or as its destination."""

    __slots__ = ("_difference", "_new", "_old", "_source4", "_source6")

    def __init__(self, old: bytes, new: bytes, *, source: bool) -> None:
        self._old = old
        self._new = new
        #: ~m + m' of RFC 1624, for all words at once.
        self._difference = fold((ones_sum(old) ^ 0xFFFF) + ones_sum(new))
        self._source4 = 12 if source else 16
        self._source6 = 8 if source else 24

    def apply(self, packet: Packet) -> None:
        """Translate, in place, a packet whose address is `old`. Raises `ParseError`, and then has changed nothing."""
        view = packet.view
        if len(self._old) == 4:
            self._apply4(view, packet.length, packet.checksum == PARTIAL or packet.gso_size > 0)
        else:
            self._apply6(view, packet.length, packet.checksum == PARTIAL or packet.gso_size > 0)

    def _apply4(self, view: memoryview, length: int, partial: bool) -> None:
        header = ipv4.parse_start(view, length)
        at = header.header_length
        view[self._source4 : self._source4 + 4] = self._new
        self._mend(view, 10, partial=False)
        if header.fragment_offset:
            return
        if header.protocol in _CHECKSUM_AT:
            self._transport(view, at, length, header.protocol, partial)
        elif header.protocol == icmp.PROTOCOL and at + 8 <= length and view[at] in icmp.ERRORS:
            self._quoted4(view, at, min(length, header.total_length))

    def _apply6(self, view: memoryview, length: int, partial: bool) -> None:
        header = ipv6.parse_start(view, length)
        at = header.payload_offset
        view[self._source6 : self._source6 + 16] = self._new
        if header.fragment is not None and header.fragment.offset:
            return
        if header.protocol in _CHECKSUM_AT:
            self._transport(view, at, length, header.protocol, partial)
        elif header.protocol == icmpv6.PROTOCOL and at + 8 <= length:
            if view[at] < _ERRORS6:
                self._quoted6(view, at, header.end)
            else:
                self._mend(view, at + 2, partial=False)

    def _transport(self, view: memoryview, at: int, length: int, protocol: int, partial: bool) -> None:
        where = at + _CHECKSUM_AT[protocol]
        if where + 2 > length:
            return  # the first fragment, cut short
        if protocol == udp.PROTOCOL and not partial and not (view[where] or view[where + 1]):
            return  # no checksum (RFC 768)
        self._mend(view, where, partial=partial)
        if protocol == udp.PROTOCOL and not partial and not (view[where] or view[where + 1]):
            view[where : where + 2] = b"\xff\xff"  # zero would say that there is none (RFC 768)

    def _mend(self, view: memoryview, at: int, *, partial: bool) -> None:
        old = _WORD.unpack_from(view, at)[0]
        if partial:
            _WORD.pack_into(view, at, fold(old + self._difference))
        else:
            _WORD.pack_into(view, at, fold((old ^ 0xFFFF) + self._difference) ^ 0xFFFF)

    def _quoted4(self, view: memoryview, at: int, end: int) -> None:
        """The packet that an error quotes goes the other way: its source is the error's destination."""
        where = at + 8 + 28 - self._source4
        if where + 4 > end or bytes(view[where : where + 4]) != self._old:
            return
        view[where : where + 4] = self._new
        self._mend(view, at + 8 + 10, partial=False)
        view[at + 2 : at + 4] = bytes(2)
        _WORD.pack_into(view, at + 2, checksum(view[at:end]))

    def _quoted6(self, view: memoryview, at: int, end: int) -> None:
        where = at + 8 + 32 - self._source6
        if where + 16 <= end and bytes(view[where : where + 16]) == self._old:
            view[where : where + 16] = self._new
        view[at + 2 : at + 4] = bytes(2)
        pseudo = pseudo_sum(bytes(view[8:24]), bytes(view[24:40]), icmpv6.PROTOCOL, end - at)
        _WORD.pack_into(view, at + 2, checksum(view[at:end], pseudo))
