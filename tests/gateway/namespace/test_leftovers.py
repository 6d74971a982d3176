"""Runs that end, and runs that are killed at any moment, leave the machine as it was.

Each run's processes carry a mark in their environment, which children inherit: with it they are found wherever they
went. Devices, mounts and files are compared whole.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    import random

    from tests.gateway.namespace.conftest import User

#: What the command does while it is killed: children, grandchildren in sessions of their own, a listener, a temp file.
BUSY = """
sh -c 'trap "" TERM HUP INT; setsid sleep 60 & sleep 60' &
(setsid sh -c 'sleep 60; true' &)
sleep 60
"""
#: From the first byte of Python to well after the command has started: about 80 ms on two idle cores.
LIFETIME = 0.25
SETTLE = 10.0
#: Of other tests: their folders, and the directories for sockets of their sessions. A room alone makes neither.
PASSING = re.compile(r"/tmp/hythe-(test-.*|\d+)")
#: Where `ip netns add` of another test mounts; a room has no namespace with a name.
NAMED = re.compile(r"\S+ /run/netns[/ ]")


class Machine:
    """What must not change: mounts, network devices, temporary files; and no process with the mark."""

    def __init__(self, mark: str) -> None:
        self._mark = f"HYTHE_TEST_MARK={mark}".encode()
        self._before = self._look()

    def _look(self) -> dict[str, list[str]]:
        ip = needs.program("ip")
        with open("/proc/self/mounts") as file:
            mounts = [line for line in file.read().splitlines() if not NAMED.match(line)]
        links = subprocess.run([ip, "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
        return {
            "mounts": sorted(mounts),
            "links": [line.split(": ")[1] for line in links],
            "files": sorted(f"{d}/{name}" for d in ("/tmp", "/run", "/dev/shm", "/var/tmp") for name in os.listdir(d)),
        }

    def marked(self) -> list[str]:
        """Return the processes that carry the mark."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    if self._mark in environment.read().split(b"\0"):
                        with open(f"/proc/{pid}/cmdline") as words:
                            found.append(f"{pid} {words.read().replace(chr(0), ' ')}")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # gone, or not ours to read: as root, nothing is
        return found

    def check(self) -> None:
        """Fail unless everything is as before; what was killed may take a moment to go."""
        deadline = time.monotonic() + SETTLE
        while (processes := self.marked()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes == []
        now = self._look()
        for kind in ("mounts", "links"):
            assert now[kind] == self._before[kind]
        # Others use this machine's temporary directories too: only what a room could have left is ours to find.
        new = set(now["files"]) - set(self._before["files"])
        assert [path for path in new if "hythe" in path and not PASSING.fullmatch(path)] == []


def start(user: User, mark: str, *command: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        user.words(*command, **options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=user.folder,
        env={**user.environment(), "HYTHE_TEST_MARK": mark},
    )


def run_to_the_end(user: User, count: int, seed: int) -> None:
    mark = f"{seed}-{user.name}-{os.getpid()}-end"
    machine = Machine(mark)
    for _ in range(count):
        with start(user, mark, "sh", "-c", "setsid sleep 60 & exit 7", resolv_conf="nameserver 10.0.0.1\n") as run:
            assert run.wait(30) == 7
    machine.check()


def kill_at_random(user: User, count: int, rng: random.Random, seed: int) -> None:
    mark = f"{seed}-{user.name}-{os.getpid()}-kill"
    machine = Machine(mark)
    for _ in range(count):
        with start(user, mark, "sh", "-c", BUSY, resolv_conf="nameserver 10.0.0.1\n") as run:
            time.sleep(rng.uniform(0, LIFETIME))
            run.send_signal(signal.SIGKILL)
            assert run.wait(30) == -signal.SIGKILL
    machine.check()


def test_the_mark_finds_processes(user: User, seed: int) -> None:
    """The search of these tests finds what it shall find, inside a room as well."""
    mark = f"{seed}-{user.name}-{os.getpid()}-found"
    machine = Machine(mark)
    with start(user, mark, "sh", "-c", BUSY) as run:
        deadline = time.monotonic() + SETTLE
        while sum("sleep 60" in line for line in machine.marked()) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        found = machine.marked()
        run.kill()
    assert sum("sleep 60" in line for line in found) >= 5, found
    machine.check()


def test_runs_that_end(user: User, seed: int) -> None:
    run_to_the_end(user, 15, seed)


def test_runs_that_are_killed(user: User, rng: random.Random, seed: int) -> None:
    kill_at_random(user, 15, rng, seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_runs_that_end(user: User, seed: int) -> None:
    run_to_the_end(user, 1_000, seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_runs_that_are_killed(user: User, rng: random.Random, seed: int) -> None:
    kill_at_random(user, 200, rng, seed)
