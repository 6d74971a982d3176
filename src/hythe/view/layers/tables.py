"""From a packet to its two tables: the sender's, from the application down to the bits, and the receiver's, back up.

A conversation has a memory, for two things that a packet alone does not tell: whether an ACK ends a handshake, and which
station a frame is for. A client that sends its SYN has not heard from the other's station in this conversation; whose MAC
address it is the SYN/ACK tells, so up to there the destination is shown as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hythe.services.ports import service_name
from hythe.view.layers.infos import dns_info, icmp_info
from hythe.view.layers.meanings import complete
from hythe.view.layers.model import (
    APPLICATION,
    DATA_LINK,
    DOWN,
    NETWORK,
    PHYSICAL,
    TRANSPORT,
    UP,
    Dissection,
    Ends,
    Header,
    Row,
    Shown,
    Table,
)

#: Flags, in the order people say them: SYN/ACK.
_FLAGS: Final = ("SYN", "FIN", "RST", "PSH", "URG", "ECE", "CWR", "ACK")
_UNKNOWN: Final = "unknown"
_PREVIEW: Final = 40


class Tables:
    """Makes tables of packets, one after another, in the order they were sent."""

    __slots__ = ("_count", "_opening", "_spoken")

    def __init__(self) -> None:
        self._count = 0
        self._opening: dict[tuple[str, ...], int] = {}  # socket pair of who sent a SYN -> what its ACK will acknowledge
        self._spoken: set[tuple[str, ...]] = set()  # socket pairs by which somebody has sent

    def show(self, found: Dissection, time: int) -> Shown:
        """One packet, seen at `time`, nanoseconds since 1970."""
        self._count += 1
        source, destination = ends(found)
        rows = list(self._rows(found))
        tables = (Table("sender", DOWN, source, rows), Table("receiver", UP, destination, rows[::-1]))
        what = title(found)
        complete(found.headers)  # last: above, a field without a meaning of its own is one of which nothing is known
        return Shown(self._count, time, what, source, destination, found, tables)

    def _rows(self, found: Dissection) -> Iterator[Row]:
        """From the top down."""
        pair = socket_pair(found)
        answered = pair[2:] + pair[:2] in self._spoken if pair else True
        rows = [header for header in found.headers if header.pdu]
        if found.payload and not found.broken.startswith("headers"):
            yield from _application(found)
        for at in range(len(rows) - 1, -1, -1):
            header = rows[at]
            inner = rows[at + 1].name if at + 1 < len(rows) else ""
            begin, end = header.at, found.payload_end
            info = self._info(found, header, inner, pair)
            if header.layer == TRANSPORT:
                yield Row(TRANSPORT, header.name, header.pdu, info, ports=_ports(header), begin=begin, end=end)
            elif header.layer == NETWORK:
                yield Row(NETWORK, header.name, header.pdu, info, addresses=_addresses(header), begin=begin, end=end)
            elif header.layer == DATA_LINK:
                is_syn = header_says(found, "SYN") and not header_says(found, "ACK")
                macs = _macs(header, known=answered or not is_syn)
                yield Row(DATA_LINK, header.name, header.pdu, info, macs=macs, begin=begin, end=len(found.data))
            elif header.layer == APPLICATION:
                yield Row(APPLICATION, header.name, header.pdu, info, begin=begin, end=end)
        if not found.link:
            yield Row(DATA_LINK, "none", "", "the capture has no link-layer header")
        yield Row(PHYSICAL, "", "Bits", f"{8 * len(found.data)} bits", begin=0, end=len(found.data))
        if pair:
            self._spoken.add(pair)

    def _info(self, found: Dissection, header: Header, inner: str, pair: tuple[str, ...]) -> str:
        if header.name == "TCP":
            return self._tcp(found, header, pair)
        if header.name == "UDP":
            return _count(max(header.value("Length") - 8, 0), "of data")
        if header.name == "ARP":
            return _arp(header)
        if header.name.startswith("ICMP"):
            return icmp_info(header)
        if header.name == "DNS":
            return dns_info(header)
        size = found.payload_end - header.at if header.layer == NETWORK else found.length
        carried = f"carries {inner}, {size} bytes" if inner else f"{size} bytes"
        if header.layer == NETWORK:
            return f"{carried}, {_network(found, header)}"
        tags = "".join(f", VLAN {each.text('VLAN Identifier')}" for each in found.headers if each.name == "802.1Q")
        return carried + tags

    def _tcp(self, found: Dissection, header: Header, pair: tuple[str, ...]) -> str:
        """What the segment is for."""
        flags, size = flag_names(header), found.payload_size
        if any(each.name == "DNS" for each in found.headers):  # what it carries has been read: there is no payload left
            size = found.payload_end - header.at - 4 * header.value("Data Offset")
        sequence, acknowledged = header.value("Sequence Number"), header.value("Acknowledgment Number")
        data = _count(size, "of data")
        if "SYN" in flags:
            if "ACK" in flags:
                self._opening[pair[2:] + pair[:2]] = (sequence + 1) & 0xFFFF_FFFF
            text = f"3-way handshake ({'SYN/ACK' if 'ACK' in flags else 'SYN'})"
        elif flags == ["ACK"] and self._opening.pop(pair, None) == acknowledged:
            text = "3-way handshake (ACK)"
        elif "RST" in flags:
            text = f"reset ({'/'.join(flags)})"
        elif "FIN" in flags:
            text = f"end of stream ({'/'.join(flags)})"
        elif size:
            return f"{data} ({'/'.join(flags)})"
        else:
            return f"acknowledgment ({'/'.join(flags)})"
        return f"{text}, {data}" if size else text


def flag_names(header: Header) -> list[str]:
    """Those that are set in a TCP header."""
    return [name for name in _FLAGS if header.value(name)]


def header_says(found: Dissection, flag: str) -> bool:
    """Is the flag set, in a TCP segment?"""
    header = found.header(TRANSPORT)
    return header is not None and bool(header.value(flag))


def ends(found: Dissection) -> tuple[str, str]:
    """Who sent it to whom: the innermost addresses, by layer; "" for what cannot be read."""
    for header in reversed(found.headers):
        if header.name == "ARP":
            return header.text("Sender Protocol Address"), header.text("Target Protocol Address")
        if header.layer == NETWORK and header.pdu and header.find("Source Address"):
            return header.text("Source Address"), header.text("Destination Address")
    if found.headers:
        return found.headers[0].text("Source"), found.headers[0].text("Destination")
    return "", ""


def socket_pair(found: Dissection) -> tuple[str, ...]:
    """(address, port, address, port) of a segment or datagram; empty for anything else."""
    header = found.header(TRANSPORT)
    if header is None or not header.find("Destination Port"):
        return ()
    source, destination = ends(found)
    return source, header.text("Source Port"), destination, header.text("Destination Port")


def title(found: Dissection) -> str:
    """What a packet is: ``SYN/ACK``, ``UDP, 20 bytes``, ``ARP``."""
    for header in reversed(found.headers):
        if header.name == "TCP":
            text = "/".join(flag_names(header)) or "no flags"
        elif header.name == "ARP":
            return f"ARP {header.meaning('Operation')}".rstrip()
        elif header.name.startswith("ICMP"):
            return f"{header.name} {icmp_info(header)}"
        elif header.pdu:
            text = header.name
        else:
            continue
        size = found.payload_size
        return f"{text}, {_count(size)}" if size and header.layer != APPLICATION else text
    return "not to be read"


def _count(size: int, what: str = "") -> str:
    return f"{size} byte{'s' * (size != 1)} {what}".rstrip()


def _ports(header: Header) -> Ends:
    return _named(header, ("Src Port", "Source Port"), ("Dst Port", "Destination Port"))


def _addresses(header: Header) -> Ends:
    if header.name == "ARP":
        return _named(header, ("Src IP", "Sender Protocol Address"), ("Dst IP", "Target Protocol Address"))
    return _named(header, ("Src IP", "Source Address"), ("Dst IP", "Destination Address"))


def _macs(header: Header, *, known: bool) -> Ends:
    found = _named(header, ("Src MAC", "Source"), ("Dst MAC", "Destination"))
    return found if known else tuple((name, _UNKNOWN if name == "Dst MAC" else text) for name, text in found)


def _named(header: Header, *names: tuple[str, str]) -> Ends:
    return tuple((short, header.text(name)) for short, name in names if header.find(name))


def _network(found: Dissection, header: Header) -> str:
    if header.name == "IPv6":
        text = f"hop limit {header.text('Hop Limit')}"
        fragment = next((each for each in found.headers if each.name == "Fragment"), None)
    else:
        text, fragment = f"TTL {header.text('Time to Live')}", header
    if fragment is not None and (fragment.value("Fragment Offset") or fragment.value("More Fragments")):
        text += f", fragment at {8 * fragment.value('Fragment Offset')}"
    return text


def _arp(header: Header) -> str:
    sender, target = header.text("Sender Protocol Address"), header.text("Target Protocol Address")
    if header.value("Operation") == 1 and target:
        return f"who has {target}? tell {sender}"
    if header.value("Operation") == 2 and target:
        return f"{sender} is at {header.text('Sender Hardware Address')}"
    return f"operation {header.text('Operation')}"


def _application(found: Dissection) -> Iterator[Row]:
    """Data that no header here describes: whose, if its port is a service's."""
    inner = next((header for header in reversed(found.headers) if header.pdu), None)
    if inner is None or inner.layer != TRANSPORT:
        return
    protocol = inner.name.lower()
    ports = sorted((inner.value("Source Port"), inner.value("Destination Port")))
    name = next((name for port in ports if (name := service_name(port, protocol))), "")
    info = _count(found.payload_size) + _preview(found.payload)
    yield Row(APPLICATION, name.upper(), "Data", info, begin=found.payload_at, end=found.payload_end)


def _preview(data: bytes) -> str:
    """The first line, where it is one that people can read."""
    line = data.partition(b"\n")[0].rstrip(b"\r")[:_PREVIEW]
    text = line.decode("ascii", "replace")
    return f": {text}" if text and text.isprintable() and "�" not in text else ""
