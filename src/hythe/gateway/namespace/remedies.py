"""What a machine forbids, said in one sentence with what to do about it."""

from __future__ import annotations

import errno
import os

from hythe.errors import MachineError

_OPEN_TUN = "as root, run: chmod 0666 /dev/net/tun"
_IN_CONTAINER = "in a container, start it with --device /dev/net/tun"


def no_tun(error: OSError) -> MachineError:
    """/dev/net/tun is missing, closed or without a driver."""
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return MachineError(f"there is no /dev/net/tun: as root, run: modprobe tun; {_IN_CONTAINER}")
        case errno.EACCES:
            return MachineError(f"/dev/net/tun is closed to this user: {_OPEN_TUN}")
        case errno.EPERM if _forbidden_by_apparmor():
            return no_namespaces(error)
        case errno.EPERM:
            return MachineError(f"/dev/net/tun is forbidden here: {_IN_CONTAINER}")
    return MachineError(f"the TUN device cannot be made ({_reason(error)})")


def no_namespaces(error: OSError) -> MachineError:
    """The kernel or a security policy keeps this user from making a namespace, or from its rights inside."""
    what = "this machine does not let this user make a user and network namespace"
    for kind in ("user", "net", "mnt", "pid"):
        if _sysctl(f"user/max_{kind}_namespaces") == "0":
            return MachineError(f"{what}: as root, run: sysctl -w user.max_{kind}_namespaces=15000")
    if _sysctl("kernel/unprivileged_userns_clone") == "0":
        return MachineError(f"{what}: as root, run: sysctl -w kernel.unprivileged_userns_clone=1")
    if _forbidden_by_apparmor():
        return MachineError(f"{what} (AppArmor): as root, run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        return MachineError(f"{what}, since too many exist or they are nested too deep: end some, or raise user.max_*")
    if error.errno == errno.EINVAL:
        return MachineError(f"{what}: its kernel needs CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS")
    return MachineError(
        f"{what} ({_reason(error)}): in a container, start it with --security-opt seccomp=unconfined"
        " --security-opt apparmor=unconfined; in a chroot, leave it"
    )


def failed(step: str, error: OSError) -> MachineError:
    """A step of the set-up that has no remedy of its own."""
    if error.errno in (errno.EPERM, errno.EACCES) and _forbidden_by_apparmor():
        return no_namespaces(error)
    return MachineError(f"{step}: {_reason(error)}")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _forbidden_by_apparmor() -> bool:
    # Ubuntu 23.10 and later let anybody make the namespace and take away the rights in it.
    return os.geteuid() != 0 and _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1"


def _sysctl(path: str) -> str | None:
    try:
        with open(f"/proc/sys/{path}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None  # this kernel has no such switch
