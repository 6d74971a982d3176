"""Many scripts, each in a process of its own; the verdicts in the order of the files."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.pkt.runner import Failure

#: What a script may take, in seconds of real time, before it is ended.
LIMIT: Final = 120.0


def verdicts(paths: Sequence[str], play: Callable[[str], None], jobs: int) -> Iterator[tuple[str, str]]:
    """(path, "" or what is wrong) for each file, `jobs` of them at a time; `play(path)` runs in a fork."""
    waiting = list(reversed(paths))
    running: dict[int, tuple[int, str, float]] = {}  # pipe -> process, file, since when
    found: dict[str, str] = {}
    told = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            path = waiting.pop()
            pipe, pid = _start(path, play)
            running[pipe] = (pid, path, time.monotonic())
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for pipe, (pid, path, since) in list(running.items()):
            if pipe in ready:
                found[path] = _finish(pipe, pid)
                del running[pipe]
            elif time.monotonic() - since > LIMIT:
                os.kill(pid, signal.SIGKILL)  # its end closes the pipe, which is ready then
        while told < len(paths) and paths[told] in found:
            yield paths[told], found[paths[told]]
            told += 1


def _start(path: str, play: Callable[[str], None]) -> tuple[int, int]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return reading, pid
    text = ""
    try:
        os.close(reading)
        text = judged(path, play)
    except BaseException:
        text = f"{path}: a bug in hythe ended the run\n{traceback.format_exc()}"
        raise
    finally:
        os.write(writing, b"\1" + text.encode())
        os._exit(0)


def judged(path: str, play: Callable[[str], None]) -> str:
    """What is wrong with the run of a file, "" for nothing."""
    try:
        play(path)
    except (Failure, UsageError, MachineError) as error:
        return str(error)
    return ""


def _finish(pipe: int, pid: int) -> str:
    chunks = []
    while chunk := os.read(pipe, 65_536):
        chunks.append(chunk)
    os.close(pipe)
    os.waitpid(pid, 0)
    whole = b"".join(chunks)
    return whole[1:].decode() if whole else f"the run took longer than {LIMIT:.0f} s, or its process was killed"
