"""Tests run beside each other, in as many processes as `make test` has (`-n`), but for those marked `alone`.

They measure what a busy machine changes. Each test holds a lock while it runs, shared with the others, or all to itself. Who
waits for it keeps the turnstile in front of it, so that nobody else gets in meanwhile. The locks are on what the processes
have in common, this folder and this file; nothing is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

ROOM = Path(__file__)
TURNSTILE = ROOM.parent


@contextlib.contextmanager
def turn(*, alone: bool, room: Path = ROOM, turnstile: Path = TURNSTILE) -> Iterator[None]:
    """Wait until a test may run, and let the next one when it has."""
    with _held(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, behind=turnstile):
        yield


@contextlib.contextmanager
def _held(path: Path, kind: int, behind: Path | None = None) -> Iterator[None]:
    """A lock, taken back in so many words: a child that a test forked has the descriptor as well, and may live on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with _held(behind, fcntl.LOCK_EX) if behind else contextlib.nullcontext():
            fcntl.flock(descriptor, kind)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
