"""Which descriptors a process keeps."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor of this process that is not in `keep` (negative ones there stand for nothing)."""
    low = 0
    for fd in sorted(keep):
        if fd >= 0:
            os.closerange(low, fd)
            low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
