"""`hythe serve` as a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

STACKS: tuple[list[str], ...] = ([], ["--stack"])


class Served:
    """One that runs: its first port, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self.port = int(self.wait_for(r"^  (?:https?://)?127\.0\.0\.1:(\d+)")[1])
        self.wait_for("^Default interface: .")

    def said(self) -> str:
        return self._output.read_text()

    def wait_for(self, pattern: str, seconds: float = 20) -> re.Match[str]:
        """Until a line of what it says matches."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.said(), re.MULTILINE)
            if found is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"{pattern!r} is not in what it said:\n{self.said()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextlib.contextmanager
def serving(*words: str, before: Sequence[str] = ()) -> Iterator[Served]:
    """Run it on a free port of loopback until the end of the block, where it must still run or have ended well.

    `before`: words to put before the command.
    """
    with tempfile.TemporaryDirectory(prefix="hythe-test-") as folder:
        output = Path(folder) / "output"
        command = [*before, sys.executable, "-W", "error", "-m", "hythe", "serve", "--port", "0", *words]
        with output.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        try:
            served = Served(process, output)
            yield served
            assert process.poll() is not None or served.end() == 0
            assert process.returncode == 0, served.said()
            assert "Traceback" not in served.said(), served.said()
        finally:
            process.kill()
            process.wait(timeout=20)
