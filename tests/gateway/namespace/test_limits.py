"""Machines that forbid rooms say so in one sentence with the remedy: tried for real, in namespaces that forbid."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest

from hythe.gateway.namespace import remedies
from tests import needs
from tests.gateway.namespace.conftest import CHECK

if TYPE_CHECKING:
    from tests.gateway.namespace.conftest import User


def checked(user: User, around: list[str], script: str) -> str:
    """Return what `check` says to `user` where root has run `script` in the namespaces that `around` makes."""
    needs.root()
    result = subprocess.run(
        [*around, "sh", "-ec", f'{script}; exec "$@"', "sh", *user.python_words(CHECK)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=user.environment(),
    )
    assert result.stderr == ""
    return result.stdout


def own_mounts() -> list[str]:
    return [needs.program("unshare"), "-m", "--propagation", "private"]


def test_nothing_forbids_it_here(user: User) -> None:
    assert user.python(CHECK) == ""


def test_no_tun_device(user: User) -> None:
    reason = checked(user, own_mounts(), "mount -t tmpfs none /dev/net")
    assert reason.startswith("there is no /dev/net/tun: as root, run: modprobe tun; in a container, start it with")


def test_a_closed_tun_device(user: User) -> None:
    script = "mount -t tmpfs none /mnt; mknod -m 600 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun"
    reason = checked(user, own_mounts(), script)
    expected = "" if user.name == "root" else "/dev/net/tun is closed to this user: as root, run: chmod 0666 /dev/net/tun"
    assert reason == expected


def test_root_that_may_not_map_others_maps_itself(user: User) -> None:
    """As in a container that keeps CAP_SETUID and CAP_SETGID from its root."""
    needs.root()
    drop = [needs.program("setpriv"), "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"]
    words = [*drop, *user.room_of_caller('{"warn": true}'), "sh", "-c", "id -u; cat /proc/self/uid_map"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True, env=user.environment())
    assert result.stdout.split() == ["0", "0", "0", "1"]
    assert result.stderr.startswith("hythe: root has no other user's id here")


@pytest.mark.parametrize("kind", ["user", "net"])
def test_namespaces_switched_off(user: User, kind: str) -> None:
    """The switches count for each user namespace: here for that of a room that root has made, in which all ids exist."""
    script = f"echo 0 > /proc/sys/user/max_{kind}_namespaces"
    reason = checked(user, user.room_of_caller(), script)
    assert reason == (
        "this machine does not let this user make a user and network namespace:"
        f" as root, run: sysctl -w user.max_{kind}_namespaces=15000"
    )


@pytest.mark.parametrize(
    ("number", "switches", "words"),
    [
        (errno.EPERM, {"kernel/unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            errno.EPERM,
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            r"\(AppArmor\).*sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (errno.EPERM, {}, r"\(Operation not permitted\): in a container, start it with --security-opt seccomp"),
        (errno.ENOSPC, {}, "too many exist or they are nested too deep"),
        (errno.EUSERS, {}, "too many exist or they are nested too deep"),
        (errno.EINVAL, {}, "CONFIG_USER_NS"),
    ],
)
def test_switches_that_this_kernel_may_not_have(
    monkeypatch: pytest.MonkeyPatch, number: int, switches: dict[str, str], words: str
) -> None:
    """The sentence for what a kernel of another distribution says."""
    monkeypatch.setattr(remedies, "_sysctl", switches.get)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    error = OSError(number, "")
    with pytest.raises(Exception, match=words):
        raise remedies.no_namespaces(error)
    if "kernel/apparmor_restrict_unprivileged_userns" in switches:
        with pytest.raises(Exception, match="AppArmor"):
            raise remedies.no_tun(error)
        with pytest.raises(Exception, match="AppArmor"):
            raise remedies.failed("some step", error)
