"""Job control: ^C, ^Z, fg and bg, with hythe alone in front of the terminal, in a pipeline, in a script."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.namespace.typist import END, INTERRUPT, SUSPEND, Typist, parent, wait_for_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.namespace.conftest import User

INNER = {
    "bash": ["bash", "--norc", "--noprofile", "--noediting", "-i"],
    "dash": ["dash", "-i"],
}

#: What the programs below show when they continue after a stop: the signal's number, written by Python's C handler,
#: since a handler in Python might run only after the read that it interrupts.
CONTINUED = chr(signal.SIGCONT)

#: Reads a line and says what it read.
READER = r"""
import os, signal, sys
signal.set_wakeup_fd(os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK))
signal.signal(signal.SIGCONT, lambda *_: None)
print("reading", flush=True)
print("read", sys.stdin.readline().strip().upper(), flush=True)
"""

#: Leaves the terminal alone until there is a file, then reads a line of it.
IDLER = r"""
import os, signal, sys, time
signal.set_wakeup_fd(os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK))
signal.signal(signal.SIGCONT, lambda *_: None)
print("idling", flush=True)
while not os.path.exists("wanted"):
    time.sleep(0.01)
print("read", sys.stdin.readline().strip().upper(), flush=True)
"""


@pytest.fixture
def shell(user: User) -> Iterator[Typist]:
    """Return somebody at an interactive shell of the machine."""
    env = {**user.environment(), "PS1": "outer> ", "TERM": "xterm"}
    (user.folder / "reader.py").write_text(READER)
    with Typist(*INNER["bash"], cwd=str(user.folder), env=env) as typist:
        typist.expect("outer> ")
        yield typist


def room(user: User, *command: str) -> str:
    """Return the words to type that run `command` in a room."""
    return shlex.join(user.words(*command))


def run_reader(user: User) -> str:
    return room(user, "/usr/bin/env", "python3", "reader.py")


def leave(shell: Typist) -> None:
    """The outer shell has the terminal again, and nothing of ours is left in it."""
    shell.enter("jobs; echo still $((6 * 7))", r"(?m)^still 42\r\n")
    shell.type("exit\r")
    assert shell.end() == 0


@pytest.mark.parametrize("inner", ["bash", "dash"])
def test_job_control_in_an_interactive_shell(user: User, shell: Typist, inner: str) -> None:
    needs.program(inner)
    shell.type(f"PS1='inner> ' {room(user, *INNER[inner])}\r")
    assert "job control" not in shell.expect("(?m)^inner> "), "no complaint that there is none"
    shell.enter("/usr/bin/env python3 reader.py", "reading\r\n")
    shell.type(SUSPEND)
    shell.expect("(?s)Stopped.*inner> ")
    shell.enter("fg", CONTINUED)
    shell.type(INTERRUPT)
    shell.expect("(?s)KeyboardInterrupt.*inner> ")
    shell.enter("echo status $?", r"status 130\r\ninner> ")
    shell.enter("sleep 50 & jobs", r"(?s)Running.*inner> ")
    shell.type("exit 6\r")
    farewell = shell.expect("outer> ")
    assert "tty" not in farewell, "dash complains where it cannot give the terminal back"
    shell.enter("echo status $?", r"status 6\r\nouter> ")
    leave(shell)


def test_interrupting_a_command(user: User, shell: Typist) -> None:
    shell.type(run_reader(user) + "\r")
    shell.expect("reading\r\n")
    shell.type(INTERRUPT)
    shell.expect("(?m)^KeyboardInterrupt")
    shell.expect("outer> ")
    shell.enter("echo status $?", r"status 130\r\nouter> ")
    leave(shell)


def test_stopping_and_continuing_a_command(user: User, shell: Typist) -> None:
    shell.type(run_reader(user) + "\r")
    shell.expect("reading\r\n")
    for _ in range(3):
        shell.type(SUSPEND)
        shell.expect(r"(?s)Stopped.*outer> ")
        shell.enter("fg", CONTINUED)
    shell.enter("some words", "read SOME WORDS\r\n")
    shell.expect("outer> ")
    leave(shell)


def test_a_stopped_command_in_the_background_and_back(user: User, shell: Typist) -> None:
    """`bg` lets it run until it wants to read; then it is stopped again, and `fg` lets it read."""
    shell.type(run_reader(user) + "\r")
    shell.expect("reading\r\n")
    shell.type(SUSPEND)
    shell.expect(r"(?s)Stopped.*outer> ")
    shell.enter("bg", CONTINUED)
    shell.enter("while ! jobs | grep -q Stopped; do sleep 0.05; done; jobs", r"(?s)Stopped.*outer> ")
    shell.enter("fg", CONTINUED)
    shell.enter("some words", "read SOME WORDS\r\n")
    shell.expect("outer> ")
    leave(shell)


def test_continuing_one_process_after_the_other(user: User, shell: Typist) -> None:
    """A group gets SIGCONT in turn. The command, which stops again at once, waits until hythe has had it as well."""
    shell.type(run_reader(user) + "\r")
    shell.expect("reading\r\n")
    shell.type(SUSPEND)
    shell.expect(r"(?s)Stopped.*outer> ")
    keeper = shell.grandchild("hythe-keeper")
    hythe = parent(keeper)
    wait_for_state(keeper, "T")
    os.kill(keeper, signal.SIGCONT)
    wait_for_state(keeper, "S", "R")
    os.kill(hythe, signal.SIGCONT)
    shell.expect(CONTINUED)
    wait_for_state(hythe, "T")
    wait_for_state(keeper, "T")
    shell.enter("fg", CONTINUED)
    shell.enter("some words", "read SOME WORDS\r\n")
    shell.expect("outer> ")
    leave(shell)


def test_a_running_command_brought_to_the_front(user: User, shell: Typist) -> None:
    """`fg` of a job that runs sends it no signal: it gets the terminal when it first asks for it."""
    (user.folder / "idler.py").write_text(IDLER)
    shell.type(room(user, "/usr/bin/env", "python3", "idler.py") + "\r")
    shell.expect("idling\r\n")
    shell.type(SUSPEND)
    shell.expect(r"(?s)Stopped.*outer> ")
    shell.enter("bg", CONTINUED)
    shell.type("fg\r")
    shell.wait_for_foreground()
    wanted = user.folder / "wanted"
    wanted.touch()
    shell.enter("some words", "read SOME WORDS\r\n")
    wanted.unlink()
    shell.expect("outer> ")
    leave(shell)


def test_a_command_started_in_the_background(user: User, shell: Typist) -> None:
    shell.type(run_reader(user) + " &\r")
    shell.expect("reading\r\n")
    shell.enter("while ! jobs | grep -q Stopped; do sleep 0.05; done; jobs", r"(?s)Stopped.*outer> ")
    shell.enter("fg", CONTINUED)
    shell.enter("some words", "read SOME WORDS\r\n")
    shell.expect("outer> ")
    leave(shell)


def test_a_pipeline_keeps_the_terminal_together(user: User, shell: Typist) -> None:
    """`hythe run … | reader of the terminal`: hythe must not take the terminal away from its neighbour."""
    (user.folder / "idler.py").write_text(IDLER)
    shell.type(room(user, "/usr/bin/env", "python3", "idler.py") + " | sh -c 'cat; read -r line < /dev/tty'\r")
    shell.expect("idling\r\n")
    shell.type(SUSPEND)
    shell.expect(r"(?s)Stopped.*outer> ")
    shell.enter("fg", CONTINUED)
    shell.type(INTERRUPT)
    shell.expect("outer> ")
    shell.enter("echo status ${PIPESTATUS[0]}", r"status 130\r\nouter> ")
    leave(shell)


@pytest.mark.parametrize("inner", ["bash"])
def test_a_script_gets_the_terminal_back(user: User, shell: Typist, inner: str) -> None:
    """The inner shell takes the foreground and cannot return it to a group that has no number inside."""
    script = f"PS1='inner> ' {room(user, *INNER[inner])}; read -r line; echo got $line"
    (user.folder / "script.sh").write_text(script)
    shell.type("sh script.sh\r")
    shell.expect("(?m)^inner> ")
    shell.type("exit\r")
    shell.expect("exit\r\n")
    shell.enter("some words", "(?m)^got some words\r\n")
    shell.expect("outer> ")
    leave(shell)


def test_interrupting_what_is_waited_for(user: User, shell: Typist) -> None:
    """With `wait` the command may be gone with its group: the foreground is hythe's again, which sends ^C on."""
    command = user.words("bash", "-c", "set -m; (echo left; exec sleep 60) & exit 4", wait=True)
    shell.type(shlex.join(command) + "\r")
    shell.expect("left\r\n")
    shell.wait_for_foreground()
    shell.type(INTERRUPT)
    shell.expect("outer> ")
    shell.enter("echo status $?", r"status 4\r\nouter> ")
    leave(shell)


def test_without_a_shell_around(user: User) -> None:
    """Hythe leads the session, as under ssh -t: ^Z has nobody to return to and does nothing, ^C and ^D work."""
    env = {**user.environment(), "PS1": "inner> "}
    with Typist(*user.words(*INNER["bash"]), cwd=str(user.folder), env=env) as typist:
        assert "job control" not in typist.expect("inner> ")
        typist.enter("sh -c 'echo begun; exec sleep 60'", "begun\r\n")
        typist.type(INTERRUPT)
        typist.expect("inner> ")
        typist.type(END)
        assert typist.end() == 130
    with Typist(*user.words("cat"), cwd=str(user.folder), env=env) as typist:
        typist.enter("one", "one\r\n")
        typist.type(SUSPEND)
        typist.enter("two", "two\r\n")
        typist.type(END)
        assert typist.end() == 0


def test_a_terminal_that_hangs_up_ends_the_command(user: User) -> None:
    with Typist(*user.words("bash", "-c", "echo begun; sleep 60"), cwd=str(user.folder), env=user.environment()) as typist:
        typist.expect("begun\r\n")


def test_vim(user: User, shell: Typist) -> None:
    vim = needs.program("vim")
    shell.type(room(user, vim, "-u", "NONE", "-i", "NONE") + "\r")
    shell.expect("VIM - Vi IMproved")
    shell.type("ihello from inside\x1b")
    shell.expect("inside")
    shell.type(SUSPEND)
    shell.expect(r"(?s)Stopped.*outer> ")
    shell.type("fg\r")
    shell.expect("hello from inside")
    shell.type(":cquit 3\r")
    shell.expect("outer> ")
    shell.enter("echo status $?", r"status 3\r\nouter> ")
    leave(shell)


def test_top(user: User, shell: Typist) -> None:
    top = needs.program("top")
    shell.type(room(user, top, "-d", "0.5") + "\r")
    shell.expect("load average")
    shell.expect("hythe-i")
    shell.type("q")
    shell.expect("outer> ")
    shell.enter("echo status $?", r"status 0\r\nouter> ")
    leave(shell)
