"""A whole packet as text: link-layer header, what it carries, bytes in hexadecimal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hythe.errors import MachineError
from hythe.view.dump import linklayer
from hythe.view.dump.ip import four
from hythe.view.dump.ip6 import six
from hythe.view.dump.show import Naming, Show, Style, hexadecimal, readable
from hythe.view.dump.stamps import stamper
from hythe.wire import pcapng
from hythe.wire.pcap import SNAPLEN_MAX
from hythe.wire.pcapng import CapturedPacket

#: link type -> printer, which returns how long the link-layer header is.
_LINKS: Final[Mapping[int, Callable[[Show, bytes, int], int]]] = MappingProxyType(
    {
        pcapng.LINKTYPE_NULL: linklayer.loopback,
        pcapng.LINKTYPE_ETHERNET: linklayer.ethernet,
        pcapng.LINKTYPE_RAW: linklayer.raw,
        pcapng.LINKTYPE_LOOP: linklayer.loopback,
        pcapng.LINKTYPE_LINUX_SLL: linklayer.cooked,
        pcapng.LINKTYPE_LINUX_SLL2: linklayer.cooked2,
        pcapng.LINKTYPE_IPV4: linklayer.raw,
        pcapng.LINKTYPE_IPV6: linklayer.raw,
    }
)


#: link type -> its name and what it is, in the words of the capture library.
LINK_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        pcapng.LINKTYPE_NULL: "NULL (BSD loopback)",
        pcapng.LINKTYPE_ETHERNET: "EN10MB (Ethernet)",
        pcapng.LINKTYPE_RAW: "RAW (Raw IP)",
        pcapng.LINKTYPE_LOOP: "LOOP (OpenBSD loopback)",
        pcapng.LINKTYPE_LINUX_SLL: "LINUX_SLL (Linux cooked v1)",
        pcapng.LINKTYPE_LINUX_SLL2: "LINUX_SLL2 (Linux cooked v2)",
        pcapng.LINKTYPE_IPV4: "IPV4 (Raw IPv4)",
        pcapng.LINKTYPE_IPV6: "IPV6 (Raw IPv6)",
    }
)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Which bytes are shown below a packet's line: -x, -X and -A, or with the link-layer header -xx, -XX and -AA."""

    hexadecimal: int = 0
    readable: int = 0
    text: int = 0


class Printer:
    """Prints packets one after another; each may stand in relation to those before it.

    `stamp` is how often -t was given, `nano`: times with nanoseconds; `numbered`: with a number before each (#).
    """

    __slots__ = ("_bytes", "_count", "_numbered", "_show", "_stamp")

    def __init__(
        self,
        style: Style,
        *,
        names: Naming | None = None,
        stamp: int = 0,
        nano: bool = False,
        shown: Bytes | None = None,
        numbered: bool = False,
    ) -> None:
        self._show = Show(style, names)
        self._show.four, self._show.six = four, six
        self._show.bytes = shown is not None and bool(shown.hexadecimal or shown.readable)
        self._stamp = stamper(stamp, nano=nano)
        self._bytes = shown
        self._numbered = numbered
        self._count = 0

    def text(self, packet: CapturedPacket) -> str:
        """One line or several, without the last line's end. Raises `MachineError` for a link type that is not known."""
        show = self._show
        show.out.clear()
        show.depth = 0
        show.left = False
        link = _LINKS.get(packet.interface.linktype)
        if link is None:
            raise MachineError(f"packets of link type {packet.interface.linktype} cannot be shown here")
        if self._numbered:
            self._count += 1
            show.put(f"{self._count:5}  ")
        if not 0 < len(packet.data) <= packet.length <= SNAPLEN_MAX:
            show.put(_invalid(len(packet.data), packet.length))
            return "".join(show.out)
        show.put(self._stamp(packet.timestamp))
        header = link(show, packet.data, packet.length)
        if self._bytes is not None:
            show.put(_below(self._bytes, packet.data, 0 if show.left else header))
        return "".join(show.out)


def _invalid(kept: int, length: int) -> str:
    """What is wrong with the lengths that a capture gives: of such a packet nothing else is told."""
    wrong = []
    if not kept:
        wrong.append("caplen==0")
    if not length:
        wrong.append("len==0")
    elif length < kept:
        wrong.append(f"len({length}) < caplen({kept})")
    wrong += [f"{name}({size}) > {SNAPLEN_MAX}" for name, size in (("caplen", kept), ("len", length)) if size > SNAPLEN_MAX]
    return f"[Invalid header: {', '.join(wrong)}]"


#: A return that stands last, or before the last byte.
_RETURNS: Final = re.compile(rb"\r(?=[^\r]?\Z)|\r(?=\r\Z)")


def _below(shown: Bytes, data: bytes, header: int) -> str:
    for count, form in ((shown.readable, readable), (shown.hexadecimal, hexadecimal), (shown.text, _text)):
        if count:
            data = data if count > 1 else data[header:]
            return form(data) if data else ""
    return ""


def _text(data: bytes) -> str:
    """-A: tabs and ends of lines are left, all else that is not printable is a dot, and a return at the end is nothing."""
    data = data.replace(b"\r\n", b"\n")
    data = _RETURNS.sub(b"", data)
    return "\n" + "".join(chr(byte) if 0x20 <= byte < 0x7F or byte in b"\t\n" else "." for byte in data)
