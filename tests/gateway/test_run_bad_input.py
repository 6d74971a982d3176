"""Whatever is wrong, with the words or the machine: one sentence that says what and what to do, never a traceback."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

USAGE, MACHINE = 2, 1
PREPARED = 'PATH=$PATH:/sbin:/usr/sbin; set -e; {script}; exec "$@"'


def complaint(result: subprocess.CompletedProcess[str], status: int) -> str:
    """Return the one sentence, less `hythe: `; the command did not run."""
    assert result.returncode == status, result.stderr
    assert result.stdout == "", "the command has run"
    assert re.fullmatch(r"hythe: [^\n]+\n", result.stderr), result.stderr
    return result.stderr.removeprefix("hythe: ").rstrip("\n")


def on_a_machine(person: Person, around: list[str], script: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run `echo ran` as `person`, where root has run `script` in the namespaces that `around` makes."""
    needs.root()
    words = [*around, "sh", "-c", PREPARED.format(script=script), "sh", *person.words(options, "echo", "ran")]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=30, check=False, cwd=person.folder, env=needs.clean_environment()
    )


def hythe(person: Person) -> str:
    """Return the path of the command."""
    return str(Path(person.python).with_name("hythe"))


def own_mounts() -> list[str]:
    return [needs.program("unshare"), "--mount", "--propagation", "private"]


# --- The words


@pytest.mark.parametrize(("words", "sentence"), [
    (["run"], "Missing argument 'COMMAND...': see hythe run --help"),
    (["run", "--"], "Missing argument 'COMMAND...': see hythe run --help"),
    (["run", "--nonsense", "--", "true"], "No such option '--nonsense'"),
    (["run", "--wait=1", "--", "true"], "Option '--wait' does not take a value: see hythe run --help"),
    (["run", "--mtu", "--", "true"], "Invalid value for '--mtu'"),
    (["run", "--mtu", "many", "--", "true"], "Invalid value for '--mtu': 'many' is not a valid integer"),
    (["run", "--mtu", "67", "-4", "--", "true"], "an MTU of 67 is not possible: write 68 to 65535"),
    (["run", "--mtu", "65536", "--", "true"], "an MTU of 65536 is not possible: write 68 to 65535"),
    (["run", "--mtu", "-1", "--", "true"], "an MTU of -1 is not possible: write 68 to 65535"),
    (["run", "--mtu", "1279", "--", "true"], "IPv6 needs an MTU of 1280 or more, not 1279: raise it, or use IPv4 alone"),
    (["run", "-4", "-6", "--", "true"], "-4 and -6 exclude each other: leave both out for both families"),
    (["run", "--summary=xml", "--", "true"], "--summary=xml is not possible: write --summary or --summary=json, "),
    (["run", "--summary", "true"], "Missing argument 'COMMAND...'"),
    (["run", "--dns", "", "--", "true"], "--dns '' is no address of a resolver: write for example 9.9.9.9,"),
    (["run", "--dns", "a name", "--", "true"], "--dns 'a name' is no address of a resolver: write for example 9.9.9.9,"),
    (["run", "--dns", "127.0.0.1:0", "--", "true"], "--dns '127.0.0.1:0' is no address of a resolver"),
    (["run", "-p", "", "--", "true"], "-p  does not say which port leads where: write for example 8080:80,"),
    (["run", "-p", "80", "--", "true"], "-p 80 does not say which port leads where: write for example 8080:80,"),
    (["run", "-p", "example:1:2", "--", "true"], "-p example:1:2: 'example' is not an address of this machine: write for "),
    (["run", "-p", "1:no-service", "--", "true"], "-p 1:no-service: 'no-service' is neither a port nor a tcp service"),
    (["run", "-p", "8080:80/sctp", "--", "true"], "-p 8080:80/sctp: 'sctp' is not a protocol: write /tcp, /udp or neither"),
    (["run", "-p", "8000-8002:80", "--", "true"], "-p 8000-8002:80: 3 ports cannot lead to 1: write ranges of equal length"),
    ([], "Missing command: see hythe --help"),
    (["rum"], "there is no command 'rum'"),
])  # fmt: skip
def test_words(nobody: Person, words: list[str], sentence: str) -> None:
    result = subprocess.run(
        [*nobody.prefix, hythe(nobody), *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=nobody.folder,
        env=needs.clean_environment(),
    )
    assert complaint(result, USAGE).startswith(sentence)


def test_a_port_in_use(person: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = complaint(person.run(f"-p {port}:80", "echo", "ran"), MACHINE)
    assert f"{port}" in said
    assert "in use" in said


@pytest.mark.parametrize(
    ("file", "reason"),
    [("no/such/folder/x", "No such file or directory"), ("", "Is a directory"), ("closed", "Permission denied")],
)
def test_a_capture_file_that_cannot_be_written(nobody: Person, file: str, reason: str) -> None:
    place = needs.public_folder()
    (place / "closed").touch()
    if not nobody.prefix:
        (place / "closed").chmod(0)
    path = f"{place}/{file}"
    said = complaint(nobody.run(f"--capture {path}", "echo", "ran"), MACHINE)
    (place / "closed").unlink()
    place.rmdir()
    assert said == (f"the capture file {path!r} cannot be written ({reason}): name a file in a directory you may write to")


def test_a_capture_file_without_a_name(nobody: Person) -> None:
    result = subprocess.run(
        [*nobody.words("--capture="), "echo", "ran"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=nobody.folder,
        env=needs.clean_environment(),
    )
    assert complaint(result, MACHINE).startswith("the capture file '' cannot be written")


def test_a_capture_to_standard_output_is_refused(nobody: Person) -> None:
    result = nobody.run("--capture -", "echo", "ran")
    assert complaint(result, USAGE).startswith("--capture - would write packets among what COMMAND prints: name a file")


def test_a_disk_that_fills_up_meanwhile(person: Person, folder: Path) -> None:
    """The command goes on, and its status counts; the sentences come at the end."""
    page = folder / "full.html"
    page.symlink_to("/dev/full")
    result = person.run(f"--capture /dev/full --summary={page}", "sh", "-c", "ping -q -c 1 gateway.hythe.internal && exit 4")
    assert result.returncode == 4, result.stderr
    capture, summary = result.stderr.splitlines()
    assert re.fullmatch(r"hythe: the capture ended early, after \d+ packets?: No space left on device", capture)
    assert summary == f"hythe: the page '{page}' is not complete: No space left on device"


# --- The machine


def test_no_tun_device(person: Person) -> None:
    said = complaint(on_a_machine(person, own_mounts(), "mount -t tmpfs none /dev/net"), MACHINE)
    assert said == (
        "there is no /dev/net/tun: as root, run: modprobe tun; in a container, start it with --device /dev/net/tun"
    )


def test_a_closed_tun_device(nobody: Person) -> None:
    script = "mount -t tmpfs none /mnt; mknod -m 600 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun"
    said = complaint(on_a_machine(nobody, own_mounts(), script), MACHINE)
    assert said == "/dev/net/tun is closed to this user: as root, run: chmod 0666 /dev/net/tun"


def test_something_else_in_its_place(person: Person) -> None:
    script = "mount -t tmpfs none /dev/net; echo no device > /dev/net/tun; chmod 666 /dev/net/tun"
    assert "TUN" in complaint(on_a_machine(person, own_mounts(), script), MACHINE)


@pytest.mark.parametrize(
    ("name", "kind"), [("nobody", "user"), ("nobody", "net"), ("nobody", "mnt"), ("nobody", "pid"), ("root", "net")]
)
def test_namespaces_switched_off(request: pytest.FixtureRequest, name: str, kind: str) -> None:
    """The switches count for each user namespace: here for the one that a run of root's makes, in which all ids exist."""
    person = request.getfixturevalue(name)
    around = [person.python, "-m", "hythe", "run", "--"]
    said = complaint(on_a_machine(person, around, f"echo 0 > /proc/sys/user/max_{kind}_namespaces"), MACHINE)
    assert said == (
        "this machine does not let this user make a user and network namespace: "
        f"as root, run: sysctl -w user.max_{kind}_namespaces=15000"
    )


def test_a_chroot(person: Person) -> None:
    """The kernel forbids user namespaces there; the whole machine bound to another place looks the same otherwise."""
    around = [*own_mounts(), "sh", "-c", 'mount --rbind / /mnt && exec chroot /mnt "$@"', "sh"]
    said = complaint(on_a_machine(person, around, "cd /"), MACHINE)
    assert "this machine does not let this user make a user and network namespace" in said


def test_proc_that_cannot_be_mounted(person: Person) -> None:
    """Masked as containers do it: no obstacle, but told."""
    result = on_a_machine(person, own_mounts(), "mount -t tmpfs none /proc/bus")
    assert (result.returncode, result.stdout) == (0, "ran\n")
    assert re.fullmatch(
        r"hythe: /proc cannot be mounted anew \(.*\), so ps, top .*: in a container, start it with [^\n]*\n", result.stderr
    )
    assert on_a_machine(person, own_mounts(), "mount -t tmpfs none /proc/bus", "-q").stderr == ""


RESOLV = "mount -t tmpfs none /mnt; cp -a /etc/. /mnt; rm -f /mnt/resolv.conf; {then}; mount --move /mnt /etc"


def test_a_dangling_resolv_conf(person: Person) -> None:
    script = RESOLV.format(then="ln -s /run/nowhere/resolv.conf /mnt/resolv.conf")
    said = complaint(on_a_machine(person, own_mounts(), script), MACHINE)
    assert said == (
        "/etc/resolv.conf points to /run/nowhere/resolv.conf, which does not exist: start the service that "
        "writes it, put a file there, or use --dns none"
    )
    assert on_a_machine(person, own_mounts(), script, "--dns none").stdout == "ran\n"


def test_no_resolv_conf(person: Person) -> None:
    script = RESOLV.format(then=":")
    said = complaint(on_a_machine(person, own_mounts(), script), MACHINE)
    assert said == (
        "there is no /etc/resolv.conf to put a name server in: as root, run: touch /etc/resolv.conf; or use --dns none"
    )
    assert on_a_machine(person, own_mounts(), script, "--dns none").stdout == "ran\n"


def test_a_resolv_conf_that_nobody_can_read(nobody: Person) -> None:
    script = RESOLV.format(then="(umask 077; echo nameserver 192.0.2.1 > /mnt/resolv.conf)")
    result = on_a_machine(nobody, own_mounts(), script)
    assert "Traceback" not in result.stderr
    assert result.stdout == "ran\n"


def test_no_process_can_be_made(nobody: Person) -> None:
    """At the limit of processes; root has none."""
    prlimit = needs.program("prlimit")
    words = nobody.words("", "echo", "ran")
    if nobody.prefix:  # the limit counts for the user, so it is set before becoming one
        words = [*nobody.prefix[:-1], "--", prlimit, "--nproc=1:1", *words[len(nobody.prefix) :]]
    else:
        words = [prlimit, "--nproc=1:1", *words]
    result = subprocess.run(
        words, capture_output=True, text=True, timeout=30, check=False, cwd=nobody.folder, env=needs.clean_environment()
    )
    assert complaint(result, MACHINE).startswith("no process can be made for the command (")
