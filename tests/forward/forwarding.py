"""`hythe forward` as a process of its own, with a home directory whose ssh configuration leads to a test's servers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests import needs
from tests.tunnel.ssh.peers import Server


class Forwarding:
    """One that runs. `out`: what it says of what leads where; `err`: what it tells."""

    def __init__(self, process: subprocess.Popen[str], environment: Mapping[str, str]) -> None:
        self.process = process
        self.environment = environment
        self.out: list[str] = []
        self.err: list[str] = []

    def port(self, target: str) -> int:
        """The port that leads there."""
        line = self.said(rf"-> {re.escape(target)}( |$)")
        found = re.search(r":(\d+)(/udp)?( of \S+)? ->", line)
        assert found is not None, line
        return int(found[1])

    def said(self, words: str, *, told: bool = False, seconds: float = 20) -> str:
        """Wait until it says so, or with `told` tells so."""
        until = time.monotonic() + seconds
        while True:
            for line in self.err if told else self.out:
                if re.search(words, line):
                    return line
            assert self.process.poll() is None, self.err
            assert time.monotonic() < until, (self.out, self.err)
            time.sleep(0.01)

    def hythe(self, *words: str, sent: str = "") -> str:
        """The output of another command of the same user."""
        ran = subprocess.run(
            [sys.executable, "-m", "hythe", *words],
            env=self.environment,
            input=sent,
            capture_output=True,
            timeout=30,
            check=True,
            text=True,
        )
        return ran.stdout


def home(place: Path, *servers: Server) -> Mapping[str, str]:
    """An environment whose ~/.ssh/config knows these servers."""
    folder = place / "home"
    (folder / ".ssh").mkdir(parents=True, exist_ok=True)
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    config = folder / ".ssh" / "config"
    config.write_text("".join(each.config.read_text() for each in servers))
    config.chmod(0o600)
    return needs.clean_environment(HOME=str(folder), XDG_RUNTIME_DIR=str(folder / "run"))


@contextlib.contextmanager
def forwarding(
    environment: Mapping[str, str], *words: str, before: Sequence[str] = (), pass_fds: Sequence[int] = ()
) -> Iterator[Forwarding]:
    """Run it until the end of `with`, where it has to end in order."""
    command = [*before, sys.executable, "-W", "error", "-m", "hythe", "forward", *words]
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    found = Forwarding(process, environment)
    threads = [
        threading.Thread(target=_read, args=(process.stdout, found.out), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, found.err), daemon=True),
    ]
    for each in threads:
        each.start()
    try:
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, found.err
    finally:
        process.kill()
        process.wait()
        for each in threads:
            each.join(5)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    assert not any("Traceback" in line for line in found.err), found.err


def _read(pipe: object, into: list[str]) -> None:
    into.extend(iter(pipe.readline, ""))  # type: ignore[attr-defined]


def failing(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Its status and the one sentence, where it cannot be."""
    ran = subprocess.run(
        [sys.executable, "-m", "hythe", "forward", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
        start_new_session=True,
    )
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stdout == ""
    return ran.returncode, ran.stderr


@contextlib.contextmanager
def notified(place: Path) -> Iterator[tuple[str, list[str]]]:
    """An init system's ear: its path, and what was said to it."""
    heard: list[str] = []
    path = str(place / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(path)
        ear.settimeout(0.1)
        stop = threading.Event()

        def listen() -> None:
            while True:
                try:
                    heard.append(ear.recv(4_096).decode())
                except TimeoutError:
                    if stop.is_set():  # and everything was heard that was said before
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield path, heard
        finally:
            stop.set()
            thread.join()
            os.unlink(path)
