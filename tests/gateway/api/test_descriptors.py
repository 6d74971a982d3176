"""Who holds a socket: real processes, whose descriptors come, go and become others meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hythe.gateway.api.descriptors import Descriptors
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Does what it is told: opens a socket, closes one, copies one, hands one on to a child that goes on, leaves the network.
CHILD: Final = """
import ctypes, os, socket, subprocess, sys
held = []
for line in sys.stdin:
    word, _, number = line.strip().partition(" ")
    each = held[int(number)] if number else None
    if word == "open":
        held.append(socket.socket())
        print(os.fstat(held[-1].fileno()).st_ino, held[-1].fileno(), flush=True)
    elif word == "close":
        each.close()
        print(flush=True)
    elif word == "copy":
        held.append(each.dup())
        print(held[-1].fileno(), flush=True)
    elif word == "hand":
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[each.fileno()])
        print(child.pid, flush=True)
    elif word == "leave":
        assert not ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET
        print(flush=True)
"""


class Child:
    """That process. `tell` answers what it says."""

    def __init__(self) -> None:
        words = [sys.executable, "-c", CHILD]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def tell(self, words: str) -> list[int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return [int(word) for word in self._process.stdout.readline().split()]

    def end(self) -> None:
        self._process.communicate(timeout=20)


@contextmanager
def child() -> Iterator[Child]:
    process = Child()
    try:
        yield process
    finally:
        process.end()


def test_sockets_that_come_and_go() -> None:
    holders = Descriptors(os.getpid())
    with child() as process:
        sockets = [process.tell("open") for _ in range(5)]
        inodes = {inode for inode, _ in sockets}
        found = holders.find(inodes | {1})
        assert {inode: (each.pid, each.descriptor) for inode, each in found.items()} == {
            inode: (process.pid, descriptor) for inode, descriptor in sockets
        }
        assert {each.program for each in found.values()} == {os.path.basename(sys.executable)[:15]}
        assert {each.user for each in found.values()} == {os.getuid()}
        process.tell("close 2")
        later = process.tell("open")
        assert later[1] == sockets[2][1]  # the number is used again
        assert holders.find({later[0], sockets[2][0], sockets[4][0]}).keys() == {later[0], sockets[4][0]}
        assert holders.find({later[0]})[later[0]].descriptor == later[1]
    assert holders.find(inodes) == {}


def test_a_socket_with_two_descriptors_stays_known_by_the_other() -> None:
    holders = Descriptors(os.getpid())
    with child() as process:
        inode, first = process.tell("open")
        (second,) = process.tell("copy 0")
        one = holders.find({inode})[inode].descriptor
        process.tell("close 0" if one == first else "close 1")
        (other,) = {first, second} - {one}
        assert holders.find({inode})[inode].descriptor == other


def test_whoever_was_handed_a_socket_holds_it() -> None:
    holders = Descriptors(os.getpid())
    with child() as process:
        inode, _ = process.tell("open")
        assert holders.find({inode})[inode].pid == process.pid
        (heir,) = process.tell("hand 0")
        process.tell("close 0")
        found = holders.find({inode})[inode]
        assert (found.pid, found.program) == (heir, "cat")


def test_who_is_in_another_network_is_left_out() -> None:
    needs.root()
    with child() as process:
        inode, _ = process.tell("open")
        process.tell("leave")
        assert Descriptors(os.getpid()).find({inode}) == {}
