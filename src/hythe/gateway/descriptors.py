"""File descriptors of hythe's own: made sure of before anything is begun."""

from __future__ import annotations

import os

from hythe.errors import MachineError

#: What a run needs before its first connection is less; with fewer there would be no connections to speak of.
_NEEDED = 32


def make_sure() -> None:
    """Raises `MachineError` where too few can be opened; else none of them would be the command's standard streams."""
    found: list[int] = []
    try:
        _occupy_standard_streams()
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


def _occupy_standard_streams() -> None:
    """Where the caller has closed one, its number must not become a socket of ours. It is closed again when we exec."""
    while True:
        spare = os.open(os.devnull, os.O_RDWR)
        if spare > 2:
            os.close(spare)
            return
