"""What an ICMP message says, in a few words."""

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
