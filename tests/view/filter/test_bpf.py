"""`hythe.view.filter.bpf`: the kernel runs each program on each packet, and takes what the predicate takes."""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from hythe.view.filter import Filter
from hythe.view.filter.bpf import Instruction
from tests.view import packets
from tests.view.filter.expressions import CHOSEN, expression

if TYPE_CHECKING:
    from random import Random

SO_ATTACH_FILTER = 26


def kernel_takes(program: list[Instruction], frames: list[bytes]) -> list[bool]:
    """Return which packets pass: a Unix socket runs a filter as a packet socket does."""
    code = b"".join(
        each.code.to_bytes(2, "little") + bytes((each.yes, each.no)) + each.operand.to_bytes(4, "little") for each in program
    )
    room = ctypes.create_string_buffer(code, len(code))
    header = len(program).to_bytes(8, "little") + ctypes.addressof(room).to_bytes(8, "little")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
        theirs.setblocking(False)
        found = []
        for frame in frames:
            ours.send(frame)
            try:
                found.append(theirs.recv(65_536) == frame)
            except BlockingIOError:
                found.append(False)
    return found


def test_the_kernel_agrees_with_the_predicate(rng: Random) -> None:
    frames = packets.everything()
    for text in [*CHOSEN, *(expression(rng) for _ in range(120))]:
        chosen = Filter(text)
        passes = chosen.predicate(1)
        assert kernel_takes(chosen.program(1), frames) == [passes(frame, len(frame)) for frame in frames], text


def test_long_programs_jump_far() -> None:
    text = " or ".join(f"port {port}" for port in range(100, 170)) + " or port 8081"
    chosen = Filter(text)
    program = chosen.program(1)
    assert any(each.code == 5 for each in program)
    frames = packets.tcp_conversation() + packets.udp() + packets.arp()
    passes = chosen.predicate(1)
    found = kernel_takes(program, frames)
    assert any(found)
    assert found == [passes(frame, len(frame)) for frame in frames]


def test_what_no_kernel_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="a kernel takes 4096"):
        Filter(" or ".join(f"port {port}" for port in range(400))).program(1)
    deep = "len"
    for _ in range(20):
        deep = f"({deep} + len)"
    with pytest.raises(UsageError, match="nested too deeply"):
        Filter(f"{deep} = 1").program(1)
