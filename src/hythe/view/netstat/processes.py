"""Who holds a socket: /proc, where each descriptor of a socket names its inode (proc(5)).

Other users' descriptors are closed to us unless we are root.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from hythe.view.netstat.sockets import Holder, Row


def tell_holders(rows: Iterable[Row]) -> None:
    """Note in each row of this machine who holds the socket."""
    found = holders()
    for row in rows:
        if row.session is None and row.inode:
            row.holders = tuple(found.get(row.inode, ()))


def holders() -> dict[int, list[Holder]]:
    """All holders that may be seen by the inode of the socket, the lowest PID first."""
    found: dict[int, list[Holder]] = {}
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdecimal()):
        try:
            _held(pid, found)
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return found


def _held(pid: int, found: dict[int, list[Holder]]) -> None:
    folder = f"/proc/{pid}/fd"
    program = ""
    for descriptor in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{descriptor}")
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            if not program:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    program = file.read().rstrip("\n")
            found.setdefault(int(target[8:-1]), []).append(Holder(pid, program, int(descriptor)))
