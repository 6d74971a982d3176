"""Somebody at a terminal: types keys at a program on a pty and reads what it shows."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from tests import needs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

INTERRUPT = "\x03"
SUSPEND = "\x1a"
END = "\x04"

PATIENCE = 20.0


def parent(pid: int) -> int:
    """Return the parent of a process, 0 where that process is gone."""
    return int(_stat(pid)[1])


def state(pid: int) -> str:
    """Return the letter that ps shows, "" where that process is gone."""
    return _stat(pid)[0]


def _stat(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["", "0"]


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().rstrip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for_state(pid: int, *letters: str) -> None:
    """Wait until ps shows one of these for a process."""
    deadline = time.monotonic() + PATIENCE
    while state(pid) not in letters:
        assert time.monotonic() < deadline, f"{pid} is {state(pid)}, not {letters}"
        time.sleep(0.005)


class Typist:
    """A program whose controlling terminal we are the other side of."""

    def __init__(self, *words: str, cwd: str, env: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.seen = ""
        self._process = subprocess.Popen(
            [needs.program("setsid"), "--ctty", *words], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=env
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._master)  # hangs up
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, lines: int, columns: int) -> None:
        termios.tcsetwinsize(self._master, (lines, columns))

    def expect(self, pattern: str) -> str:
        """Read until `pattern` (a regular expression) shows; return what came up to its end, and forget that."""
        deadline = time.monotonic() + PATIENCE
        while (match := re.search(pattern, self.seen)) is None:
            if not select.select([self._master], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise AssertionError(f"no {pattern!r} in {PATIENCE} s, but …{self.seen[-400:]!r}")
            self.seen += self._read()
        text, self.seen = self.seen[: match.end()], self.seen[match.end() :]
        return text

    def enter(self, line: str, answer: str) -> str:
        """Type a line, and expect `answer` at the start of a line after its echo."""
        self.type(line + "\r")
        self.expect(re.escape(line[-20:]) + r"\r+\n")
        return self.expect(answer)

    def wait_for_foreground(self) -> None:
        """Wait until a child of the program, a shell's job, heads the foreground group."""
        deadline = time.monotonic() + PATIENCE
        while parent(os.tcgetpgrp(self._master)) != self._process.pid:
            assert time.monotonic() < deadline, "somebody else keeps the foreground"
            time.sleep(0.005)

    def wait_for_command(self, name: str) -> None:
        """Wait until a command, of whichever shell, heads the foreground group."""
        deadline = time.monotonic() + PATIENCE
        while _name(os.tcgetpgrp(self._master)) != name:
            assert time.monotonic() < deadline, f"{name} does not get the foreground"
            time.sleep(0.005)

    def grandchild(self, name: str) -> int:
        """Return the process of that name which a job of the program, a shell, has begun."""
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and parent(parent(int(entry))) == self._process.pid:
                if _name(int(entry)) == name:
                    return int(entry)
        raise AssertionError(f"there is no {name}")

    def end(self) -> int:
        """Return the program's exit status once it has ended."""
        return self._process.wait(PATIENCE)

    def _read(self) -> str:
        try:
            return os.read(self._master, 65_536).decode(errors="replace")
        except OSError as error:  # EIO: the last process has closed the terminal
            raise AssertionError(f"the terminal was closed after …{self.seen[-400:]!r}") from error
