"""What ICMP and DNS messages say, in a few words."""

from __future__ import annotations

from hythe.view.layers.model import Header


def icmp_info(header: Header) -> str:
    """``echo request``, ``destination unreachable: port unreachable``."""
    kind, code = header.find("Type"), header.find("Code")
    if kind is None:
        return ""
    text = kind.meaning or f"type {kind.value}"
    if code is not None and code.meaning:
        text += f": {code.meaning}"
    return text


def dns_info(header: Header) -> str:
    """``query A www.example.org``, ``response NOERROR A www.example.org``."""
    text = header.meaning("QR")
    if header.value("QR"):
        text += f" {header.meaning('RCODE')}"
    return f"{text} {header.meaning('QTYPE')} {header.meaning('QNAME')}".rstrip()
