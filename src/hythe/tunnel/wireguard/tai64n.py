"""TAI64N time stamps, by which a responder knows an initiation that was recorded and is played again (paper, 5.1).

Nobody reads them as a time: a later one must be greater, that is all. So they are *whitened*, their lowest bits cut off
(Linux does the same), lest the stamps tell how fast a processor is, and they rise when the clock of the machine does not.
"""

from __future__ import annotations

import struct
from typing import Final

from hythe.units import SECOND

#: TAI64 labels start at 2**62; TAI was ten seconds ahead of UTC in 1970. Leap seconds since then do not matter here.
_BASE: Final = (1 << 62) + 10
_STAMP: Final = struct.Struct(">QI")
#: The greatest power of two within 20 ms: Linux INITIATIONS_PER_SECOND 50.
STEP: Final = 1 << 24


class Stamper:
    """Gives time stamps, each greater than the one before."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = -STEP

    def stamp(self, wall: int) -> bytes:
        """A stamp for `wall`, nanoseconds since 1970."""
        seconds, rest = divmod(wall, SECOND)
        self._last = max(self._last + 1, seconds * SECOND + rest // STEP * STEP)
        seconds, rest = divmod(self._last, SECOND)
        return _STAMP.pack(_BASE + seconds, rest)
