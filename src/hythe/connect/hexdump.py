"""Bytes of both directions in hexadecimal, as they are on the carrier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_WIDTH: Final = 16


class Hexdump:
    """Each direction counts its own bytes: ``> 00000000  47 45 54 20 …  |GET …|``, ``<`` for what came."""

    def __init__(self) -> None:
        self._at = [0, 0]

    def lines(self, sent: bool, data: bytes) -> Iterator[str]:
        """The lines for `data`, sixteen bytes in each."""
        for start in range(0, len(data), _WIDTH):
            part = data[start : start + _WIDTH]
            left, right = part[: _WIDTH // 2].hex(" "), part[_WIDTH // 2 :].hex(" ")
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
            yield f"{'<>'[sent]} {self._at[sent]:08x}  {left:<23}  {right:<23}  |{text}|"
            self._at[sent] += len(part)
