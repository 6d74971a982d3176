"""The grammar of packets: ``< S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>`` and its kin."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt.reader import Reader
from hythe.pkt.script import Icmp, Option, PacketEvent, ScriptError, Tcp, Udp
from hythe.wire.segment import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

_FLAGS: Final[Mapping[str, int]] = MappingProxyType(
    {"S": SYN, "F": FIN, "R": RST, "P": PSH, "U": URG, "E": ECE, "W": CWR, "C": CWR, ".": ACK, "-": 0}
)
_ECN: Final[Mapping[str, int | None]] = MappingProxyType(
    {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3, "ect01": None, "nonect": 0}
)
_FIELDS: Final[Mapping[str, str]] = MappingProxyType({"tos": "tos", "ttl": "ttl", "flowlabel": "flow_label"})
#: How many numbers follow the name of an option.
_PLAIN: Final[Mapping[str, int]] = MappingProxyType({"mss": 1, "wscale": 1, "sackOK": 0, "nop": 0, "eol": 0})
_ICMP_WORDS: Final = frozenset({"unreachable", "packet_too_big", "time_exceeded", "parameter_problem", "source_quench"})


def packet(reader: Reader) -> PacketEvent:
    """A packet, from its direction to its options. Raises `ScriptError`."""
    inbound = reader.take().text in ("<", "inbound")
    quoted = _quoted(reader) if inbound and reader.token.text == "[" and reader.ahead(":", 2) else None
    marks: dict[str, int | None] = {}
    while reader.token.text in ("[", "("):
        marks |= _marks(reader)
    what: Tcp | Udp | Icmp
    ports = None
    if reader.skip("icmp"):
        what = _icmp(reader, quoted)
    elif reader.skip("udp"):
        ports = _ports(reader)
        what = Udp(_udp_size(reader))
    else:
        ports = _ports(reader)
        what = _tcp(reader, inbound)
    return PacketEvent(inbound, what, **marks, ports=ports)


def _marks(reader: Reader) -> dict[str, int | None]:
    """``[ect0]``, ``(tos 0x28)``, ``[ttl 1]``, ``(ce, flowlabel 0x12345)``: what the IP header says."""
    end = "]" if reader.take().text == "[" else ")"
    marks: dict[str, int | None] = {}
    while not marks or reader.skip(","):
        word = reader.take().text
        if word in _FIELDS:
            marks[_FIELDS[word]] = reader.number(f"the value of {word}")
        elif word in _ECN:
            marks["ecn"] = _ECN[word]
        else:
            reader.fail("the mark noecn, ect0, ect1, ect01, ce, or tos, ttl, flowlabel with a number")
    reader.need(end)
    return marks


def _ports(reader: Reader) -> tuple[int, int] | None:
    """``1234 > 80``: source and destination."""
    if reader.token.kind != "number" or not reader.ahead(">"):
        return None
    source = reader.number("the source port")
    reader.take()
    return source, reader.number("the destination port")


def _udp_size(reader: Reader) -> int:
    reader.need("(", "and the size of the datagram")
    size = reader.number("the size of the datagram")
    reader.need(")")
    return size


# --- TCP


def _tcp(reader: Reader, inbound: bool) -> Tcp:
    flags = _flags(reader)
    seq, size = _octets(reader)
    ack = window = None
    urgent = 0
    if reader.skip("ack"):
        ack = reader.number("the number acknowledged")
    if reader.skip("win"):
        window = reader.number("the window")
    if reader.skip("urg"):
        urgent = reader.number("the urgent pointer")
    if ack is None and flags & ACK and not inbound:  # a peer may leave it zero
        reader.fail("'ack' with a number where the flags have '.'")
    options: tuple[Option, ...] | None = ()
    if reader.skip("<"):
        options = _options(reader)
        if options is None and inbound:
            reader.fail("options spelled out in a packet that comes in, not <...>")
    return Tcp(flags, seq, size, ack, window, urgent, options)


def _flags(reader: Reader) -> int:
    bits = 0
    token = reader.token
    if token.kind not in ("word", "sign"):
        reader.fail("the flags: S, ., P., F., R, R. and so on, E and W for ECN")
    while True:
        for letter in reader.token.text:
            if letter not in _FLAGS:
                reader.fail("a flag: S F R P U E W or '.' for ACK")
            bits |= _FLAGS[letter]
        reader.take()
        if not reader.touches() or reader.token.kind not in ("word", "sign"):
            return bits


def _octets(reader: Reader) -> tuple[int, int]:
    """``1:1001(1000)``: (1, 1000)."""
    seq = reader.number("a sequence number, as in 1:1001(1000)")
    if reader.token.text != ":":
        reader.fail("':' behind the sequence number, as in 1:1001(1000)")
    reader.take()
    line_of_end = reader.token
    end = reader.number("the sequence number behind the last octet")
    reader.need("(", "and the number of octets")
    size = reader.number("the number of octets")
    reader.need(")")
    if end - seq != size:
        raise ScriptError(reader.path, line_of_end.line, f"expected {seq}:{seq + size}({size}), found {seq}:{end}({size})")
    return seq, size


def _options(reader: Reader) -> tuple[Option, ...] | None:
    if reader.token.kind == "dots":
        reader.take()
        reader.need(">")
        return None
    found: list[Option] = []
    while not reader.skip(">"):
        if found:
            reader.need(",", "or '>'")
        found.append(_option(reader))
    return tuple(found)


def _option(reader: Reader) -> Option:
    kind = reader.token.text
    if kind in _PLAIN:
        reader.take()
        return Option(kind, tuple(reader.number(f"the value of {kind}") for _ in range(_PLAIN[kind])))
    if reader.skip("TS"):
        reader.need("val")
        value = reader.number("the timestamp")
        reader.need("ecr")
        return Option("TS", (value, reader.number("the timestamp echoed")))
    if reader.skip("sack"):
        edges: list[int] = []
        while reader.token.kind == "number":
            edges.append(reader.number("the left edge of a block"))
            reader.need(":", "between the edges of a block")
            edges.append(reader.number("the right edge of a block"))
        return Option("sack", tuple(edges))
    if reader.skip("md5"):
        return Option("md5", (), _cookie(reader))
    if reader.skip("FO"):
        return Option("FO", (), _cookie(reader))
    if reader.skip("FOEXP"):
        return Option("FOEXP", (), _cookie(reader))
    raise reader.wrong("a TCP option: mss, wscale, sackOK, sack, TS val, FO, FOEXP, md5, nop, eol, or <...> for any")


def _cookie(reader: Reader) -> bytes:
    text = ""
    while reader.token.kind in ("word", "number") and (not text or reader.touches()):
        text += reader.take().text
    try:
        return bytes.fromhex(text)
    except ValueError:
        reader.fail("a cookie in hexadecimal digits, two a byte")


# --- ICMP


def _quoted(reader: Reader) -> tuple[int, int, bool]:
    """``[1:1001(1000)]`` or ``[udp (1000)]``: the octets that an error quotes, and whether they are UDP's."""
    reader.need("[")
    quoted = (0, _udp_size(reader), True) if reader.skip("udp") else (*_octets(reader), False)
    reader.need("]")
    return quoted


def _icmp(reader: Reader, quoted: tuple[int, int, bool] | None) -> Icmp:
    words: list[str] = []
    while reader.token.kind == "word" and reader.token.text != "mtu":
        words.append(reader.take().text)
    if not words or words[0] not in _ICMP_WORDS:
        reader.fail(f"one of {', '.join(sorted(_ICMP_WORDS))} behind icmp")
    mtu = reader.number("the MTU") if reader.skip("mtu") else 0
    if quoted is None:
        quoted = _quoted(reader) if reader.token.text == "[" else (0, 0, False)
    seq, size, udp = quoted
    return Icmp(tuple(words), mtu, seq, size, udp)
