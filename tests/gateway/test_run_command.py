"""The command in `hythe run` is the command as ever: status, streams, directory, environment, user, signals, terminal.

Rooms are tried in every corner in `namespace`; this is the whole program, as it is typed.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.gateway.namespace.typist import END, INTERRUPT, SUSPEND, Typist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person

FORWARDED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]


# --- How it ends


@pytest.mark.parametrize("status", [0, 1, 126, 127, 255])
def test_exit_status(nobody: Person, status: int) -> None:
    result = nobody.run("", "sh", "-c", f"exit {status}")
    assert (result.returncode, result.stdout, result.stderr) == (status, "", "")


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_ended_by_a_signal(nobody: Person, signum: signal.Signals) -> None:
    result = nobody.run("", "sh", "-c", f"kill -{signum.name[3:]} $$")
    assert (result.returncode, result.stderr) == (128 + signum, "")


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("no-such-command", 127, "command not found"),
        ("/no/such/file", 127, "No such file or directory"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/tmp", 126, "Is a directory"),
    ],
)
def test_a_command_that_cannot_be_run(nobody: Person, command: str, status: int, reason: str) -> None:
    result = nobody.run("", command)
    assert (result.returncode, result.stderr) == (status, f"hythe: {command}: {reason}\n")


def test_its_end_is_the_same_for_root(root: Person) -> None:
    for command, status, said in (
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL, ""),
        (["/etc/passwd"], 126, "hythe: /etc/passwd: Permission denied\n"),
    ):
        result = root.run("", *command)
        assert (result.returncode, result.stdout, result.stderr) == (status, "", said)


def test_background_children_end_with_it(person: Person) -> None:
    began = time.monotonic()
    result = person.run("", "sh", "-c", "(trap '' HUP TERM; sleep 30; echo late) & setsid sleep 31 & exit 3")
    assert (result.returncode, result.stdout) == (3, "")
    assert time.monotonic() - began < 20


def test_wait_for_background_children(nobody: Person) -> None:
    """Their network goes on as well, and the status is still the command's."""
    needs.program("ping")
    script = "(sleep 0.5; ping -q -c 1 gateway.hythe.internal >&2 && echo late) & exit 3"
    result = nobody.run("--wait", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (3, "late\n")
    assert "0% packet loss" in result.stderr


# --- What it has


@pytest.mark.parametrize("where", ["", ">&2"], ids=["stdout", "stderr"])
def test_streams_are_binary_and_exact(person: Person, where: str) -> None:
    data = random.Random(3).randbytes(20_000_000)
    result = subprocess.run(
        person.words("", "sh", "-c", f"cat {where}"),
        input=data,
        capture_output=True,
        timeout=30,
        check=False,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    assert hashlib.sha256(result.stdout + result.stderr).digest() == hashlib.sha256(data).digest()


def test_a_reader_that_goes_away(nobody: Person) -> None:
    """`hythe run -- yes | head -1`: the command gets SIGPIPE and hythe ends, in silence."""
    script = '"$@" | head -n 1; exit ${PIPESTATUS[0]}'
    result = subprocess.run(
        ["bash", "-c", script, "bash", *nobody.words("", "yes")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=nobody.folder,
        env=needs.clean_environment(),
    )
    assert (result.returncode, result.stdout, result.stderr) == (128 + signal.SIGPIPE, "y\n", "")


def test_nobody_listens_to_hythe(nobody: Person) -> None:
    """What hythe says of the run is lost, and the run is not."""
    needs.program("ping")
    script = "ping -q -c 1 gateway.hythe.internal >/dev/null; sleep 0.4; exit 7"
    words = nobody.words("-v --summary", "sh", "-c", script)
    for lost in ("2>/dev/full", "2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}"):
        result = subprocess.run(
            ["bash", "-c", f'"$@" {lost}', "bash", *words],
            timeout=30,
            check=False,
            cwd=nobody.folder,
            env=needs.clean_environment(),
        )
        assert result.returncode == 7, lost


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stay_closed(nobody: Person, closed: str) -> None:
    """No descriptor of hythe's gets their numbers."""
    place = nobody.folder / "open"
    place.touch()
    place.chmod(0o666)
    program = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), b' '.join(os.listdir(b'/proc/self/fd')))"
    expected = []
    for words in (
        nobody.words("", *nobody.script(program, str(place))),
        [*nobody.prefix, *nobody.script(program, str(place))],
    ):
        place.write_bytes(b"")
        subprocess.run(
            ["sh", "-c", f'"$@" {closed}', "sh", *words],
            timeout=30,
            check=True,
            cwd=nobody.folder,
            env=needs.clean_environment(),
        )
        expected.append(sorted(place.read_text().split()))
    assert expected[0] == expected[1]
    place.unlink()


def test_directory_environment_arguments_and_umask(person: Person) -> None:
    words = ["a b", "", "--", "-v", "*", "ü\n\\", "--summary"]
    script = 'pwd; umask; echo "$ODD"; printf "<%s>" "$@"; env | wc -l'
    inside = subprocess.run(
        ["sh", "-c", 'umask 0027; exec "$@"', "sh", *person.words("", "sh", "-c", script, "sh", *words)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd="/usr/share",
        env=needs.clean_environment(ODD="x  y'\"$"),
    )
    outside = subprocess.run(
        ["sh", "-c", 'umask 0027; exec "$@"', "sh", "sh", "-c", script, "sh", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd="/usr/share",
        env=needs.clean_environment(ODD="x  y'\"$"),
    )
    assert (inside.stdout, inside.stderr) == (outside.stdout, "")


def test_pythons_own_variables_are_the_commands(nobody: Person) -> None:
    """In the C locale Python sets LC_CTYPE, which its children inherit (PEP 538); in development mode it says more."""
    given = {"PATH": needs.clean_environment()["PATH"], "LC_CTYPE": "POSIX", "PYTHONDEVMODE": "1"}
    result = subprocess.run(
        nobody.words("", "env"), capture_output=True, text=True, timeout=30, check=True, cwd=nobody.folder, env=given
    )
    assert result.stdout.splitlines() == [f"{name}={value}" for name, value in given.items()]
    assert result.stderr == ""


def test_who_and_what_it_is_stays(person: Person) -> None:
    kept = "id -u; id -g; ulimit -a; nice; uname -a; cat /proc/self/oom_score_adj"
    script = f"{kept}; grep -E '^(Seccomp:|Sig[BIC])' /proc/self/status"
    outside = subprocess.run(
        [*person.prefix, "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    inside = person.run("", "bash", "-c", script)
    assert len(inside.stdout.splitlines()) > 20
    assert (inside.stdout, inside.stderr) == (outside.stdout, "")


def test_no_rights_that_its_user_has_not(nobody: Person) -> None:
    result = nobody.run("", "grep", "^Cap[IPEA]", "/proc/self/status")
    assert {line.split()[1] for line in result.stdout.splitlines()} == {"0" * 16}


def test_descriptors(person: Person) -> None:
    """The caller's, however high and whatever their number, and none of hythe's."""
    script = 'exec 5</dev/null 77</dev/null; exec "$@"'
    words = person.words("--summary -v", "sh", "-c", "exec ls /proc/self/fd")
    result = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=person.folder,
        env=needs.clean_environment(),
    )
    assert result.stdout.split() == sorted(["0", "1", "2", "3", "5", "77"])  # 3 is the directory that ls reads


def test_a_run_in_a_run(person: Person) -> None:
    """Networks nest: the inner command's way out leads through the outer one."""
    needs.program("ping")
    inner = person.words("", "sh", "-c", "ping -q -c 1 gateway.hythe.internal && ip -brief address show hythe0")
    inner = inner[len(person.prefix) :]
    outer = person.run("", "sh", "-c", 'ip -brief address show hythe0; exec "$@"', "sh", *inner)
    assert outer.returncode == 0, outer.stderr
    lines = [line.split() for line in outer.stdout.splitlines() if line.startswith("hythe0")]
    assert len(lines) == 2
    assert set(lines[0][2:]).isdisjoint(lines[1][2:]), "each has a network that the other does not use"


def test_its_device_is_its_own_to_delete(root: Person) -> None:
    result = root.run("", "sh", "-c", "PATH=$PATH:/sbin:/usr/sbin; ip link delete hythe0 && exit 3")
    notice = "hythe: the command has deleted hythe0, so it has no network any more: start it anew for another\n"
    assert (result.returncode, result.stderr) == (3, notice)


# --- Signals


def test_signals_reach_it(person: Person) -> None:
    program = """
import signal, sys
wanted = set(map(signal.Signals, map(int, sys.argv[1:])))
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
print("ready", flush=True)
for _ in wanted: print(signal.sigwait(wanted).name, flush=True)
sys.exit(9)
"""
    with person.running("", *person.script(program, *(str(int(each)) for each in FORWARDED))) as command:
        assert command.line() == "ready\n"
        for signum in FORWARDED:
            command.process.send_signal(signum)
            assert command.line() == f"{signum.name}\n"
        assert command.process.wait(10) == 9


def test_a_signal_that_it_does_not_handle(person: Person) -> None:
    with person.running("", "sh", "-c", "echo ready; exec sleep 30") as command:
        assert command.line() == "ready\n"
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(10) == 128 + signal.SIGTERM


def test_a_signal_at_any_moment_of_the_start(nobody: Person, rng: random.Random) -> None:
    """Ended by it or not yet: never a traceback, never a process that stays."""
    for _ in range(25):
        with nobody.running("", "sleep", "30") as command:
            time.sleep(rng.uniform(0, 0.25))
            command.process.send_signal(signal.SIGTERM)
            _, stderr = command.process.communicate(timeout=10)
        assert stderr == b""
        assert command.process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)


# --- Terminals


@pytest.fixture
def terminal(person: Person) -> Iterator[Typist]:
    env = needs.clean_environment(PS1="inner> ", TERM="dumb", HISTFILE="/dev/null")
    with Typist(*person.words("", "bash", "--norc", "--noprofile", "-i"), cwd=str(person.folder), env=env) as typist:
        yield typist


def test_an_interactive_shell(terminal: Typist) -> None:
    assert "job control" not in terminal.expect("inner> ")
    terminal.enter("stty size", "24 80\r\n")
    terminal.enter("tty | sed s/[0-9]*$//", "/dev/pts/\r\n")
    terminal.enter("ping -q -c 1 gateway.hythe.internal", "(?s) 0% packet loss.*inner> ")
    terminal.type("sleep 60\r")
    terminal.expect("sleep 60\r+\n")
    terminal.wait_for_command("sleep")
    terminal.type(SUSPEND)
    terminal.expect(r"(?s)Stopped.*inner> ")
    terminal.enter("jobs", "Stopped +sleep 60")
    terminal.type("fg\r")
    terminal.expect("(?s)fg.*sleep 60\r\n")
    terminal.wait_for_command("sleep")
    terminal.type(INTERRUPT)
    terminal.expect("inner> ")
    terminal.enter("echo $?", "130\r\n")
    terminal.type("exit 5\r")
    terminal.expect("exit\r\n")
    assert terminal.end() == 5


def test_vim_and_top(terminal: Typist) -> None:
    vim, top = needs.program("vim"), needs.program("top")
    terminal.expect("inner> ")
    terminal.type(f"{vim} -u NONE -i NONE\r")
    terminal.expect("VIM - Vi IMproved")
    terminal.type("ihello from inside\x1b")
    terminal.expect("inside")
    terminal.type(":cquit 3\r")
    terminal.expect("inner> ")
    terminal.enter("echo status $?", r"status 3\r\ninner> ")
    terminal.type(f"{top} -d 0.5\r")
    terminal.expect("load average")
    terminal.type("q")
    terminal.expect("inner> ")


def test_a_window_that_changes_its_size(person: Person) -> None:
    """The command hears of it, and sees the new one."""
    program = """
import os, signal, sys
signal.signal(signal.SIGWINCH, lambda *_: None)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
print("ready", flush=True)
while signal.sigwait({signal.SIGWINCH}): print("now", *os.get_terminal_size(), flush=True)
"""
    words = person.words("", *person.script(program))
    with Typist(*words, cwd=str(person.folder), env=needs.clean_environment(TERM="dumb")) as typist:
        typist.expect("ready\r\n")
        typist.resize(50, 132)
        typist.expect("now 132 50\r\n")
        typist.type(INTERRUPT)
        assert typist.end() == 128 + signal.SIGINT


def test_end_of_input(terminal: Typist) -> None:
    terminal.expect("inner> ")
    terminal.type(END)
    assert terminal.end() == 0


def test_the_terminal_is_as_it_was(person: Person, tmp_path: os.PathLike[str]) -> None:
    """A full-screen program is killed and leaves its mess: that of hythe's own making would be worse."""
    env = needs.clean_environment(PS1="outer> ", TERM="dumb", HISTFILE="/dev/null")
    with Typist("bash", "--norc", "--noprofile", "-i", cwd=str(person.folder), env=env) as typist:
        typist.expect("outer> ")
        typist.enter("before=$(stty -g)", "outer> ")
        typist.type(subprocess.list2cmdline(person.words("-v", "true")) + "\r")
        typist.expect("\r\nouter> ")
        typist.enter('test "$before" = "$(stty -g)" && echo same', "same\r\n")
