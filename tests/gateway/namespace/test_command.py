"""What the command keeps of its caller, what it has lost, and how it fails to start."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from tests.gateway.namespace.conftest import User

ALL_CAPABILITIES = "echo $(grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u)"


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_exit_status(user: User, status: int) -> None:
    assert user.run("sh", "-c", f"exit {status}").returncode == status


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE])
def test_a_signal_is_128_and_its_number(user: User, signum: signal.Signals) -> None:
    assert user.run("sh", "-c", f"kill -{signum} $$").returncode == 128 + signum


def test_standard_streams_directory_and_environment(user: User) -> None:
    result = user.run("sh", "-c", "pwd; cat; echo $TERM; echo two >&2", stdin="one\n")
    assert result.stdout == f"{user.folder}\none\ndumb\n"
    assert result.stderr == "two\n"


def test_the_user_stays_who_he_is(user: User) -> None:
    expected = "0 0\n" if user.name == "root" else f"{needs.NOBODY} {needs.NOBODY}\n"
    assert user.run("sh", "-c", "echo $(id -u) $(id -g)").stdout == expected


def test_capabilities(user: User) -> None:
    """An ordinary user has none; root keeps its own, which count inside the namespace only."""
    found = user.run("sh", "-c", ALL_CAPABILITIES).stdout.split()
    assert (found == ["0000000000000000"]) == (user.name != "root")


def test_root_can_become_anybody(user: User) -> None:
    """As a server does that drops its rights (nginx); an ordinary user cannot."""
    setpriv = needs.program("setpriv")
    result = user.run(setpriv, "--reuid=1234", "--regid=4321", "--clear-groups", "id", "-u")
    assert (result.stdout == "1234\n") == (user.name == "root"), result.stderr


def test_no_descriptor_but_the_callers(user: User) -> None:
    """Nothing of ours is open in the command; what its caller passed on purpose is."""
    reader, writer = os.pipe()
    os.write(writer, b"passed on")
    os.close(writer)
    listing = f"for fd in /proc/self/fd/*; do echo ${{fd##*/}}; done; cat <&{reader}"
    try:
        result = subprocess.run(
            user.words("bash", "-c", listing),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            pass_fds=(reader,),
            env=user.environment(),
        )
    finally:
        os.close(reader)
    *descriptors, text = result.stdout.split("\n", maxsplit=result.stdout.count("\n"))
    assert text == "passed on"
    assert set(descriptors) - {"255"} <= {"0", "1", "2", "3", str(reader)}, "3 is the listing's own"
    assert str(reader) in descriptors


def ignored_here() -> int:
    """The signals that this process ignores (a shell's background does), those of Python's own accord left out."""
    with open("/proc/self/status") as file:
        (ignored,) = (int(line.split()[1], 16) for line in file if line.startswith("SigIgn"))
    return ignored & ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


def test_signals_are_as_the_caller_had_them(user: User) -> None:
    """Nothing blocked; Python's own ignoring of SIGPIPE and SIGXFSZ is undone, the caller's (nohup) is kept."""
    program = "grep -E 'Sig(Blk|Ign|Pnd)' /proc/self/status"
    lines = dict(line.split(":\t") for line in user.run("sh", "-c", program).stdout.splitlines())
    assert int(lines.pop("SigIgn"), 16) == ignored_here()
    assert {int(value, 16) for value in lines.values()} == {0}
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *user.words("sh", "-c", program)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, env=user.environment())
    lines = dict(line.split(":\t") for line in result.stdout.splitlines())
    assert int(lines["SigIgn"], 16) == ignored_here() | 1, "SIGHUP as well"


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("no-such-command", 127, "command not found"),
        ("", 127, "command not found"),
        ("./missing", 127, "No such file or directory"),
        ("/etc/passwd/x", 127, "No such file or directory"),
        ("/etc", 126, "Is a directory"),
        ("./closed", 126, "Permission denied"),
        ("./orphan", 127, "the interpreter or loader that it names does not exist"),
    ],
)
def test_a_command_that_cannot_be_run(user: User, command: str, status: int, reason: str) -> None:
    (user.folder / "closed").write_text("echo never")
    orphan = user.folder / "orphan"
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    result = user.run(command)
    assert result.returncode == status
    assert result.stderr == f"hythe: {command}: {reason}\n"
    assert result.stdout == ""


def test_a_script_without_an_interpreter_is_a_shell_script(user: User) -> None:
    script = user.folder / "plain"
    script.write_text('echo "$0 $1"\n')
    script.chmod(0o755)
    assert user.run("./plain", "word").stdout == "./plain word\n"


def test_a_file_on_the_path_that_is_not_executable(user: User) -> None:
    (user.folder / "closed").write_text("echo never")
    words = ["env", f"PATH=/usr/bin:{user.folder}", *user.words("closed")]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, cwd=user.folder)
    assert (result.returncode, result.stderr) == (126, "hythe: closed: Permission denied\n")
