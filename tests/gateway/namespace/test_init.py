"""Process 1: reaping, signals sent on, and how everything ends with the command or after it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from hythe.gateway.namespace import FORWARDED_SIGNALS
from tests import needs
from tests.gateway.namespace.typist import parent

if TYPE_CHECKING:
    import subprocess

    from tests.gateway.namespace.conftest import User


def read_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(int(entry)) == pid]


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    with process:
        out, _ = process.communicate(timeout=20)
        return process.returncode, out.decode()


@pytest.mark.parametrize("signum", FORWARDED_SIGNALS, ids=lambda each: each.name)
def test_a_signal_to_hythe_reaches_the_command_once(user: User, signum: signal.Signals) -> None:
    script = f"trap 'echo caught; exit 9' {signum.name[3:]}; echo set; while :; do sleep 0.02; done"
    process = user.start("sh", "-c", script)
    assert read_line(process) == "set"
    os.kill(process.pid, signum)
    assert finish(process) == (9, "caught\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
def test_a_signal_to_the_whole_group_reaches_the_command_once(user: User, signum: signal.Signals) -> None:
    """As ^C does where hythe is part of a pipeline: the command has its own copy, and hythe's would be a second."""
    process = user.start("/usr/bin/env", "python3", "-c", COUNTER.format(number=int(signum)))
    assert read_line(process) == "set"
    os.killpg(process.pid, signum)
    assert read_line(process) == "caught"
    os.kill(process.pid, signal.SIGUSR1)
    assert finish(process) == (0, "1 times\n")


#: Counts a signal until SIGUSR1 comes; hythe sends signals on in order, so a second copy would come before that.
COUNTER = """
import signal
watched = {{signal.Signals({number}), signal.SIGUSR1}}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)
print("set", flush=True)
count = 0
while signal.sigwait(watched) != signal.SIGUSR1:
    count += 1
    print("caught", flush=True)
print(count, "times")
"""


def test_a_signal_that_ends_the_command(user: User) -> None:
    process = user.start("sh", "-c", "echo set; exec sleep 60")
    assert read_line(process) == "set"
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process) == (128 + signal.SIGTERM, "")


def test_orphans_are_reaped(user: User) -> None:
    """A hundred grandchildren that lose their parents leave no zombie, and process 1 is ours."""
    script = """
        for i in $(seq 100); do (true & true) & done; wait
        for i in $(seq 100); do
            zombies=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z 1 ')
            [ "$zombies" = 0 ] && break; sleep 0.02
        done
        echo "$zombies $(cat /proc/1/comm)"
    """
    result = user.run("bash", "-c", script)
    assert result.stdout == "0 hythe-init\n"


def test_background_children_end_with_the_command(user: User) -> None:
    start = time.monotonic()
    result = user.run("bash", "-c", "(trap '' TERM HUP INT; setsid sleep 60) & disown; echo started; exit 3")
    assert (result.returncode, result.stdout) == (3, "started\n")
    assert time.monotonic() - start < 15, "the pipe was closed long before the sleep was over"


def test_wait_for_background_children(user: User) -> None:
    script = "(sleep 0.3; echo late) & exit 4"
    result = user.run("sh", "-c", script, wait=True)
    assert (result.returncode, result.stdout) == (4, "late\n")
    assert user.run("sh", "-c", script).stdout == ""


#: Waits until the command has gone, then for a signal.
ORPHAN = """
import os, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
while os.getppid() != 1:
    time.sleep(0.01)
print("set", flush=True)
signal.sigwait({signal.SIGTERM})
print("last")
"""


def test_signals_reach_those_that_are_waited_for(user: User) -> None:
    (user.folder / "orphan.py").write_text(ORPHAN)
    process = user.start("sh", "-c", "/usr/bin/env python3 orphan.py & exit 5", wait=True)
    assert read_line(process) == "set"
    os.kill(process.pid, signal.SIGTERM)
    assert finish(process) == (5, "last\n")


def test_nobody_else_holds_the_commands_descriptors(user: User) -> None:
    """Or who reads its output would not see the end of it: the keeper and process 1 close their copies."""
    needs.root()
    process = user.start("sh", "-c", "echo set; exec sleep 60")
    assert read_line(process) == "set"
    driver = process.pid
    (keeper,) = children(driver)
    (init,) = children(keeper)
    output = os.readlink(f"/proc/{driver}/fd/1")
    for pid in (keeper, init):
        links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        assert [fd for fd, link in links.items() if link == output] == ["2"], "standard error, for bugs of our own"
        assert "/dev/net/tun" not in links.values()
    os.kill(driver, signal.SIGTERM)
    assert finish(process)[0] == 128 + signal.SIGTERM


def test_a_room_within_a_room(user: User) -> None:
    result = user.run(*user.room_of_caller(), "sh", "-c", "cat /proc/1/comm; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, "hythe-init\n", "")


def test_a_command_that_prints_and_goes_loses_nothing(user: User) -> None:
    result = user.run("sh", "-c", "seq 100000")
    assert result.stdout.count("\n") == 100_000


def test_top_and_ps_see_the_room_only(user: User) -> None:
    ps = needs.program("ps")
    lines = user.run(ps, "-e", "-o", "pid=,comm=").stdout.split("\n")
    assert [line.split() for line in lines if line] == [["1", "hythe-init"], ["2", "ps"]]
