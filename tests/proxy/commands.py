"""`hythe proxy` as a command that runs."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

HYTHE = [sys.executable, "-m", "hythe"]


class Proxy:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def said(self, pattern: str) -> re.Match[str]:
        """The next line that it says there is, which is to be this."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(pattern, line)
        assert found is not None, line
        return found


@contextmanager
def running(*words: str, before: Sequence[str] = (), **options: Any) -> Iterator[Proxy]:
    """`before`: the words of a command that becomes this one."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*before, *HYTHE, "proxy", *words], text=True, **pipes, **options)
    with process:
        try:
            yield Proxy(process)
        finally:
            process.kill()


def say(stream: socket.socket, word: bytes) -> bytes:
    stream.sendall(word)
    return stream.recv(100)
