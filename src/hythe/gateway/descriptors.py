"""File descriptors of hythe's own: made sure of before anything is begun."""

from __future__ import annotations

import os

from hythe.errors import MachineError

#: What a run needs before its first connection is less; with fewer there would be no connections to speak of.
_NEEDED = 32


def make_sure() -> None:
    """Raises `MachineError` where too few can be opened."""
    found: list[int] = []
    try:
        while len(found) < _NEEDED:
            found += os.pipe()
    except OSError as error:
        raise MachineError(
            f"only {len(found)} more files can be opened ({error.strerror}) and hythe run needs {_NEEDED}: "
            "raise the limit (ulimit -n 1024)"
        ) from error
    finally:
        for each in found:
            os.close(each)
