"""The machine after `hythe run` is the machine before it: processes, devices, mounts, files; `kill -9` included.

One thing a killed hythe cannot do is remove its socket: the next `hythe ps` does.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.gateway.conftest import Person

#: Other tests make namespaces and interfaces, too.
pytestmark = pytest.mark.alone

#: Given to everything in the run, so that what stays behind can be told from what others do on this machine.
MARK = "HYTHE_TEST_MARK"
#: A command with a grandchild in a session of its own, a device in use and a file open; as bad as it gets.
BUSY = """
(trap '' HUP TERM INT; setsid sleep 60) &
trap '' HUP TERM INT
ping -q gateway.hythe.internal >/dev/null 2>&1 &
exec sleep 60
"""
#: Nothing dies in less time: a namespace ends a moment after its last process.
PATIENCE = 10.0
#: Files of hythe's that are not left behind: folders of these tests, and directories for sockets of sessions.
PASSING = re.compile("hythe-(test-.*|[0-9]+)")


def marked(mark: str) -> list[str]:
    """Return the processes that have our mark in their environment, as "pid name"."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(f"{folder.name} {(folder / 'comm').read_text().strip()}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has just ended, or is another user's
    return found


def machine() -> dict[str, object]:
    """Return what a run could leave behind on this machine, besides processes."""
    places = ["/tmp", "/var/tmp", "/run", "/dev/shm", "/run/user", "/dev/net", "/run/netns", "/etc"]
    return {
        "links": sorted(os.listdir("/sys/class/net")),
        "mounts": sorted(line.split(" ", 1)[1] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "routes": Path("/proc/net/route").read_text() + Path("/proc/net/ipv6_route").read_text(),
        "files": {place: ours(place) for place in places},
        "resolv.conf": Path("/etc/resolv.conf").read_bytes(),
    }


def ours(place: str) -> list[str]:
    """Return the names in a folder that hythe could have made (others make files on this machine, too).

    Runtime directories come and go with sessions of other tests: `sockets` looks into them.
    """
    try:
        return sorted(name for name in os.listdir(place) if "hythe" in name and not PASSING.fullmatch(name))
    except FileNotFoundError:
        return []


def sockets(mark: str) -> list[str]:
    """Return the sockets of our sessions."""
    folders = [*Path("/tmp").glob("hythe-[0-9]*"), *Path("/run/user").glob("*/hythe")]
    return [name for folder in folders for name in os.listdir(folder) if name.startswith(mark)]


def wait_until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def run_many(person: Person, times: int) -> None:
    """Run `true` many times, and compare the machine."""
    mark = f"{os.getpid()}-{person.name}-many"
    before, folder = machine(), sorted(os.listdir(person.folder))
    for _ in range(times):
        result = person.run(f"--name {mark}", "true", HYTHE_TEST_MARK=mark)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert (marked(mark), sockets(mark)) == ([], [])
    assert machine() == before
    assert sorted(os.listdir(person.folder)) == folder


def kill_many(person: Person, rng: Random, times: int) -> dict[str, int]:
    """Kill hythe at a random moment many times, and compare the machine; return how often the command had begun."""
    mark = f"{os.getpid()}-{person.name}-kill"
    needs.program("ping")
    before, folder = machine(), sorted(os.listdir(person.folder))
    reached = {"begun": 0, "not begun": 0}
    for number in range(times):
        process = subprocess.Popen(
            person.words(f"--name {mark}-{number} -p 0:80", "sh", "-c", f"echo begun; {BUSY}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=person.folder,
            env=needs.clean_environment(**{MARK: mark}),
        )
        assert process.stdout is not None
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        said = process.stdout.read()  # ends when nobody is left who could write
        process.stdout.close()
        reached["begun" if said else "not begun"] += 1
        assert wait_until(lambda: not marked(mark)), marked(mark)
    ps = [*person.prefix, person.python, "-m", "hythe", "ps"]
    subprocess.run(ps, check=True, stdout=subprocess.DEVNULL, cwd=person.folder, env=needs.clean_environment(), timeout=30)
    assert sockets(mark) == []
    assert wait_until(lambda: machine() == before), (machine(), before)
    assert sorted(os.listdir(person.folder)) == folder
    return reached


def test_10_runs(person: Person) -> None:
    run_many(person, 10)


def test_10_kills(person: Person, rng: Random) -> None:
    assert sum(kill_many(person, rng, 10).values()) == 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_1000_runs(nobody: Person) -> None:
    run_many(nobody, 1_000)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_kills(person: Person, rng: Random) -> None:
    reached = kill_many(person, rng, 200)
    print(reached)
    assert all(count > 20 for count in reached.values()), f"the moments were not random enough: {reached}"
