"""Names come from us: resolv.conf and nsswitch.conf replaced, daemons that answer by Unix socket covered."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hythe.gateway.namespace.mounts import names_by_dns
from tests import needs

if TYPE_CHECKING:
    from tests.gateway.namespace.conftest import User

OURS = "nameserver 10.83.64.1\nsearch example.test\n"

#: Takes calls where name daemons do (and hangs up, so that nobody waits for an answer), in a mount namespace of the
#: test's own, and runs the rest of its arguments there.
DAEMONS = """
import os, socket, subprocess, sys, threading

def serve(listener):
    while True:
        listener.accept()[0].close()

for path in ("/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"):
    os.makedirs(os.path.dirname(path))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""

ASK = """
import socket, sys
for path in ("/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"):
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("answered")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hosts: files dns", "hosts: files dns"),
        ("hosts:\tmymachines resolve [!UNAVAIL=return] files myhostname dns", "hosts: files myhostname dns"),
        (" hosts : mdns4_minimal [NOTFOUND=return]  # a comment about dns", "hosts: files dns"),
        ("#hosts: resolve", "#hosts: resolve"),
        ("passwd: files systemd", "passwd: files systemd"),
    ],
)
def test_the_hosts_line(line: str, expected: str) -> None:
    assert names_by_dns(f"group: files\n{line}\n") == f"group: files\n{expected}\n"


def in_own_mounts(user: User, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `words` after a shell script that rearranges a mount namespace made for it; needs root."""
    needs.root()
    unshare = needs.program("unshare")
    return subprocess.run(
        [unshare, "-m", "--propagation", "private", "sh", "-ec", f'{script}; exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=user.folder,
        env=user.environment(),
    )


def test_resolv_conf_is_ours_inside_and_only_there(user: User) -> None:
    with open("/etc/resolv.conf") as file:
        before = file.read()
    command = "cat /etc/resolv.conf; stat -c %a /etc/resolv.conf; grep ^hosts /etc/nsswitch.conf; ls -A /tmp | wc -l"
    result = user.run("sh", "-c", command, resolv_conf=OURS)
    assert result.stdout.startswith(f"{OURS}644\nhosts: files dns\n"), result.stderr
    assert int(result.stdout.split()[-1]) > 0, "the place used for staging is itself again"
    with open("/etc/resolv.conf") as file:
        assert file.read() == before


def test_resolv_conf_may_be_left_alone(user: User) -> None:
    with open("/etc/resolv.conf") as file:
        assert user.run("cat", "/etc/resolv.conf").stdout == file.read()


def test_whoever_the_command_becomes_can_read_resolv_conf(user: User) -> None:
    """With root's umask 077, a server that gives up root (nginx) must still find its resolver."""
    needs.root()
    setpriv = needs.program("setpriv")
    command = user.words("cat", "/etc/resolv.conf", resolv_conf=OURS)
    if user.name == "root":
        drop = [setpriv, "--reuid=1234", "--regid=1234", "--clear-groups"]
        command = user.words(*drop, "cat", "/etc/resolv.conf", resolv_conf=OURS)
    words = ["sh", "-c", 'umask 077; exec "$@"', "sh", *command]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=user.environment())
    assert result.stdout == OURS, result.stderr


MOUNT_ETC = (
    "mount -t tmpfs none /mnt; cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache /mnt; mount --move /mnt /etc"
)


def test_resolv_conf_may_be_a_symbolic_link(user: User) -> None:
    script = f"{MOUNT_ETC}; mount -t tmpfs none /run; echo theirs > /run/real.conf; ln -s ../run/real.conf /etc/resolv.conf"
    words = user.words("sh", "-c", "cat /etc/resolv.conf; readlink /etc/resolv.conf", resolv_conf=OURS)
    result = in_own_mounts(user, script, *words)
    assert result.stdout == f"{OURS}../run/real.conf\n", result.stderr


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "ln -s /run/gone/stub.conf /etc/resolv.conf",
            "/etc/resolv.conf points to /run/gone/stub.conf, which does not exist: start the service that writes it",
        ),
        ("true", "there is no /etc/resolv.conf to put a name server in: as root, run: touch /etc/resolv.conf"),
    ],
)
def test_no_resolv_conf_is_one_sentence(user: User, script: str, sentence: str) -> None:
    result = in_own_mounts(user, f"{MOUNT_ETC}; {script}", *user.words("echo", "ran", resolv_conf=OURS))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"hythe: {sentence}")
    assert result.stderr.count("\n") == 1
    ours_not_wanted = in_own_mounts(user, f"{MOUNT_ETC}; {script}", *user.words("echo", "ran"))
    assert ours_not_wanted.stdout == "ran\n", ours_not_wanted.stderr


def test_name_daemons_do_not_answer(user: User) -> None:
    (user.folder / "ask.py").write_text(ASK)
    (user.folder / "daemons.py").write_text(DAEMONS)
    python = needs.program("python3")
    fresh_run = "mount -t tmpfs none /run"
    outside = in_own_mounts(user, fresh_run, python, "daemons.py", "/usr/bin/env", "python3", "ask.py")
    assert outside.stdout.split() == ["answered", "answered"], "the test's own daemons"
    words = [python, "daemons.py", *user.words("/usr/bin/env", "python3", "ask.py")]
    inside = in_own_mounts(user, fresh_run, *words)
    assert inside.stdout.split() == ["FileNotFoundError", "ConnectionRefusedError"], inside.stderr


def test_a_hidden_directory_is_empty_and_writable(user: User) -> None:
    hidden = user.folder / "runtime"
    hidden.mkdir(exist_ok=True)
    hidden.chmod(0o777)
    (hidden / "session.sock").touch()
    command = f"ls -A {hidden}; echo mine > {hidden}/file; cat {hidden}/file"
    assert user.run("sh", "-c", command, hidden=[str(hidden)]).stdout == "mine\n"
    assert [each.name for each in hidden.iterdir()] == ["session.sock"]


def test_a_hidden_directory_that_has_gone_is_no_obstacle(user: User) -> None:
    assert user.run("echo", "here", hidden=["/no/such/directory"]).stdout == "here\n"


def test_a_hidden_directory_that_is_none_is_one_sentence(user: User) -> None:
    result = user.run("true", hidden=["/etc/passwd"])
    assert result.returncode == 1
    assert result.stderr == "hythe: /etc/passwd cannot be hidden from the command: Not a directory\n"


def test_a_masked_proc_is_a_warning(user: User) -> None:
    """As in a container: /proc cannot be mounted anew, the command runs all the same."""
    mask = "mount -t tmpfs -o ro none /proc/sys/kernel"
    result = in_own_mounts(user, mask, *user.words("echo", "ran", warn=True))
    assert result.stdout == "ran\n"
    assert result.returncode == 0
    assert result.stderr.startswith("hythe: /proc cannot be mounted anew (Operation not permitted)")


def test_nothing_gets_out_of_the_mount_namespace(user: User) -> None:
    """Where the machine's mounts are shared, as systemd makes them, ours must not propagate to it."""
    script = "mount --make-rshared /; cat /proc/self/mounts > before"
    words = ["sh", "-c", '"$@" > inside; cat /proc/self/mounts', "sh"]
    result = in_own_mounts(user, script, *words, *user.words("cat", "/proc/self/mounts", resolv_conf=OURS))
    assert result.stdout == (user.folder / "before").read_text()
    assert "/etc/resolv.conf" in (user.folder / "inside").read_text()
