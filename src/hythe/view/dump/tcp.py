"""TCP segments (RFC 9293): flags, numbers relative to where a conversation was first seen, options."""

from __future__ import annotations

import struct
from typing import Final

from hythe.view.dump.dns import is_dns, stream
from hythe.view.dump.dnsnames import escaped
from hythe.view.dump.show import ENDS, Carrier, Show, should_be
from hythe.view.dump.tcpoptions import options

_HEADER: Final = struct.Struct(">HHIIBBHHH").unpack_from
_PORTS: Final = struct.Struct(">HH").unpack_from
_SIZE: Final = 20
_FIN: Final = 0x01
_SYN: Final = 0x02
_RST: Final = 0x04
_ACK: Final = 0x10
_URG: Final = 0x20
_WORD: Final = 0xFFFF_FFFF
#: Conversations that are remembered; of more the oldest are forgotten.
_MEMORY_MAX: Final = 65_536
#: Bytes shown of what a RST carries (RFC 9293, 3.5.3).
_REASON_MAX: Final = 30


def _flags(value: int) -> str:
    return "".join(sign for bit, sign in zip(range(8), "FSRP.UEW", strict=True) if value >> bit & 1) or "none"


_FLAGS: Final = tuple(_flags(value) for value in range(256))


def tcp(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    """The segment at `at`, of which the IP header promised `length` bytes."""
    try:
        source, destination = _PORTS(data, at)
    except struct.error:
        show.put(f"{show.names.host(carrier.source)} > {show.names.host(carrier.destination)}: [|tcp]")
        return
    names = show.names
    if carrier.behind:
        show.put(f"{names.port(source, 'tcp')} > {names.port(destination, 'tcp')}: ")
    else:
        show.put(
            f"{names.host(carrier.source)}.{names.port(source, 'tcp')} > "
            f"{names.host(carrier.destination)}.{names.port(destination, 'tcp')}: "
        )
    try:
        _tcp(show, data, at, length, carrier)
    except ENDS:
        show.put(" [|tcp]")


def _tcp(show: Show, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    put, style = show.put, show.style
    source, destination, seq, ack, offset, flags, window, checksum, urgent = _HEADER(data, at)
    header = (offset >> 4) * 4
    size = length - header
    if header < _SIZE:
        put(f" tcp {size} [bad hdr length {header} - too short, < 20]")
        return
    if style.quick:
        put(f"tcp {size & _WORD}")
        if header > length:
            put(f" [bad hdr length {header} - too long, > {length}]")
        return
    put(f"Flags [{_FLAGS[flags]}]")
    base = base_ack = edge = 0
    if flags & _ACK and not style.absolute:
        base, base_ack, edge = _relative(show, carrier, data[at : at + 4], seq, ack, flags)
    if header > length:
        put(f" [bad hdr length {header} - too long, > {length}]")
        return
    if style.verbose and not style.unchecked and not carrier.fragment and at + length <= len(data):
        left = carrier.checks(data, at, length, 6)
        verdict = f"incorrect -> 0x{should_be(checksum, left):04x}" if left else "correct"
        put(f", cksum 0x{checksum:04x} ({verdict})")
    seq, ack = seq - base & _WORD, ack - base_ack & _WORD
    if size > 0:
        put(f", seq {seq}:{seq + size & _WORD}")
    elif flags & (_FIN | _SYN | _RST) or style.verbose > 1:
        put(f", seq {seq}")
    if flags & _ACK:
        put(f", ack {ack}")
    put(f", win {window}")
    if flags & _URG:
        put(f", urg {urgent}")
    if header > _SIZE:
        put(", options [")
        whole = options(show, data, at + _SIZE, at + header, edge, flags, at + length <= len(data))
        if not whole:
            return
        put("]")
    put(f", length {size}")
    if not size:
        return
    if len(data) < at + header:
        show.left = True
        put(f" [remaining caplen({len(data) - at}) < header length({header})] [|tcp]")
    elif flags & _RST and style.verbose:
        reason = data[at + header : at + header + min(size, _REASON_MAX)]
        whole = at + header + size <= len(data)
        put(f" [{'' if whole else '!'}RST{'+' if size > _REASON_MAX else ''} {escaped(reason)}]")
    elif is_dns(source, destination):
        stream(show, data, at + header, size)


def _relative(show: Show, carrier: Carrier, ports: bytes, seq: int, ack: int, flags: int) -> tuple[int, int, int]:
    """What to take off `seq`, `ack` and the edges of SACK blocks: the first numbers of this conversation.

    It begins with the first segment that acknowledges, since that one tells both; its own two are shown as they are.
    """
    key, back = carrier.source + carrier.destination + ports, carrier.destination + carrier.source + ports[2:] + ports[:2]
    memory = show.memory
    reverse = back in memory and back != key
    known = memory.get(back if reverse else key)
    if known is None or flags & _SYN:
        if known is None and len(memory) >= _MEMORY_MAX:
            del memory[next(iter(memory))]
        if reverse:
            memory[back] = (ack - 1 & _WORD, seq)
        else:
            memory[key] = (seq, ack - 1 & _WORD)
        return 0, 0, ack - 1 & _WORD
    return (known[1], known[0], known[0]) if reverse else (*known, known[1])
