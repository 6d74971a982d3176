"""Which process holds a socket: /proc tells, one descriptor at a time.

Theory of operation. A process with thousands of descriptors takes a tenth of a second to read, and whoever looks each second
wants to know of a few new sockets. So what was read is remembered, and of a process only the numbers are read that were not
there before. A number may have become another file since: what is found is read once more, and only when something is not
found is everything, the latest first, since the lowest free number is the next to be used.
"""

from __future__ import annotations

import os
from collections.abc import Set
from typing import Final

from hythe.session.model import Process

_PREFIX: Final = "socket:["
#: Processes that are looked at first.
_LATEST: Final = 4


class Descriptors:
    """Of the processes of one network namespace that descend from `keeper`, a process there."""

    __slots__ = ("_keeper", "_latest", "_tables")

    def __init__(self, keeper: int) -> None:
        self._keeper = keeper
        self._tables: dict[int, _Table] = {}
        self._latest: list[int] = []

    def find(self, inodes: Set[int]) -> dict[int, Process]:
        """Those of the sockets that somebody holds. Of several it is one that was found before, or the latest descendant."""
        found: dict[int, Process] = {}
        for tables, again in ((self._those_before, False), (self._all, False), (self._all_known, True)):
            missing = inodes - found.keys()
            if not missing:
                break
            for table in tables():
                found |= table.find(missing - found.keys(), again=again)
        holding = dict.fromkeys(each.pid for each in found.values())
        self._latest = [*holding, *(pid for pid in self._latest if pid not in holding)][:_LATEST]
        return found

    def _those_before(self) -> list[_Table]:
        """The processes that held the last sockets may well hold the next."""
        known = [self._tables[pid] for pid in self._latest if pid in self._tables]
        return [each for each in known if each.refresh()]

    def _all(self) -> list[_Table]:
        namespace = os.stat(f"/proc/{self._keeper}/ns/net").st_ino
        tables = {}
        for pid in reversed(_family(self._keeper)):
            table = self._tables.get(pid) or _Table(pid)
            if table.is_in(namespace) and table.refresh():
                tables[pid] = table
        self._tables = tables
        return self._all_known()

    def _all_known(self) -> list[_Table]:
        return list(self._tables.values())


class _Table:
    """One process: sockets by descriptors, 0 for what is none, and descriptors by sockets."""

    __slots__ = ("_descriptors", "_folder", "_inodes", "_pid")

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._folder = f"/proc/{pid}/fd"
        self._inodes: dict[str, int] = {}
        self._descriptors: dict[int, str] = {}

    def is_in(self, namespace: int) -> bool:
        """Is that its network namespace? Not if it has ended meanwhile, or is none of ours."""
        try:
            return os.stat(f"/proc/{self._pid}/ns/net").st_ino == namespace
        except OSError:
            return False

    def refresh(self) -> bool:
        """See which descriptors there are. Is the process?"""
        try:
            there = set(os.listdir(self._folder))
        except OSError:
            return False
        for gone in self._inodes.keys() - there:
            self._forget(gone)
        for new in there - self._inodes.keys():
            self._read(new)
        return True

    def find(self, inodes: Set[int], *, again: bool) -> dict[int, Process]:
        """As `Descriptors.find`; `again`: what is known may be out of date."""
        if again:
            for descriptor in list(reversed(self._inodes)):
                self._read(descriptor)
                if inodes <= self._descriptors.keys():
                    break
        found = {inode: self._descriptors[inode] for inode in inodes & self._descriptors.keys()}
        if not again:
            found = {inode: descriptor for inode, descriptor in found.items() if self._read(descriptor) == inode}
        if not found:
            return {}
        try:
            program, user = _text(f"/proc/{self._pid}/comm").rstrip("\n"), os.stat(f"/proc/{self._pid}").st_uid
        except OSError:
            return {}  # it has ended meanwhile
        return {inode: Process(self._pid, program, user, int(descriptor)) for inode, descriptor in found.items()}

    def _read(self, descriptor: str) -> int:
        try:
            target = os.readlink(f"{self._folder}/{descriptor}")
        except OSError:  # closed meanwhile
            self._forget(descriptor)
            return 0
        inode = int(target[len(_PREFIX) : -1]) if target.startswith(_PREFIX) else 0
        if self._inodes.get(descriptor) != inode:
            self._forget(descriptor)
            self._inodes[descriptor] = inode  # as the last that was learnt
        if inode:
            self._descriptors.setdefault(inode, descriptor)
        return inode

    def _forget(self, descriptor: str) -> None:
        inode = self._inodes.pop(descriptor, 0)
        if self._descriptors.get(inode) == descriptor:
            del self._descriptors[inode]


def _family(keeper: int) -> list[int]:
    """The keeper's descendants: all that can be in its namespaces, and far fewer than there are processes."""
    found, parents = [], [keeper]
    while parents:
        pid = parents.pop()
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
            children = [int(child) for task in tasks for child in _text(f"/proc/{pid}/task/{task}/children").split()]
        except ProcessLookupError:
            continue
        except FileNotFoundError:
            if pid == keeper:  # a kernel without CONFIG_PROC_CHILDREN
                return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and int(entry) != keeper]
            continue  # it has ended meanwhile
        found += children
        parents += children
    return found


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
