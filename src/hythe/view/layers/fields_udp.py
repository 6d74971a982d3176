"""The UDP header (RFC 768)."""

from __future__ import annotations

from typing import Final

from hythe.errors import ParseError
from hythe.view.layers.fields_tcp import port_meaning
from hythe.view.layers.model import TRANSPORT
from hythe.view.layers.reader import Next, Reader, Spec, hex4

PROTOCOL: Final = 17
PORT: Final = "udp"
_SIZE: Final = 8


def _port(number: int) -> str:
    return port_meaning(number, "udp")


_FIXED: Final = (
    Spec("Source Port", 16, str, _port),
    Spec("Destination Port", 16, str, _port),
    Spec("Length", 16, str, "bytes, this header included"),
    Spec("Checksum", 16, hex4),
)


def udp(reader: Reader) -> Next:
    """The header; behind it is what its ports stand for."""
    header = reader.begin("UDP", TRANSPORT, "Datagrams", "RFC 768")
    reader.read(header, _FIXED)
    size = header.value("Length")
    if not size:  # a jumbogram (RFC 2675, 4)
        size = reader.claimed - header.at
    if size < _SIZE:
        raise ParseError(f"UDP: Length at byte {header.at + 4} is {size} bytes, the header alone has {_SIZE}")
    if header.value("Checksum"):
        reader.check(header, "Checksum", PROTOCOL, size)
    else:
        header.explain("Checksum", "none")
    reader.limit(header.at + size)
    ports = (header.value("Source Port"), header.value("Destination Port"))
    return Next(PORT, min(ports))
