"""What the command sees instead of some of the machine's files: names, and ways round the network.

A network namespace does not isolate Unix sockets that have a path. The name service cache (nscd), systemd-resolved and
hythe's own sessions would all answer beside our network, so they are covered; `hosts: files dns` sends glibc to
resolv.conf, and resolv.conf to us.

Replacement files are written to a tmpfs that exists in this mount namespace only, bound over the originals, and the
tmpfs is detached from its place again: the bound files keep it alive, and nothing is ever written to the machine.
"""

from __future__ import annotations

import os

from hythe.errors import MachineError
from hythe.gateway.namespace import remedies
from hythe.gateway.namespace.syscalls import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    mount,
    unmount,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hythe.gateway.namespace.plan import NetworkPlan

RESOLV_CONF = "/etc/resolv.conf"
NSSWITCH_CONF = "/etc/nsswitch.conf"

#: Directories of daemons that look names up for others, hidden whole so that a restarted daemon stays hidden.
_NAME_DAEMONS = ("/run/nscd", "/var/run/nscd", "/run/avahi-daemon")
#: systemd-resolved keeps the target of resolv.conf beside its socket: the socket alone is covered.
_RESOLVED_SOCKET = "/run/systemd/resolve/io.systemd.Resolve"

#: By which programs have systemd-resolved, or whoever else listens there, look names up for them.
_BUSES = ("/run/dbus/system_bus_socket", "/run/systemd/resolve/io.systemd.Resolve.Monitor")

#: Services of nsswitch.conf that stay: all others (resolve, mdns, wins, mymachines …) ask a daemon of the machine.
_HOSTS_SERVICES = ("files", "myhostname", "dns")

_TMPFS = MS_NOSUID | MS_NODEV | MS_NOEXEC
#: Mounted over for a moment, never written to.
_STAGES = ("/tmp", "/var/tmp", "/mnt", "/dev/shm")


def arrange(plan: NetworkPlan) -> list[str]:
    """Rearrange the caller's new mount namespace for the command; what could not be done but is no obstacle, as text.

    The caller is process 1 of a new PID namespace. Raises `MachineError`.
    """
    # Slave, not private: nothing we mount gets out, but what the machine unmounts goes here as well, so that a
    # long-running command does not keep a disk busy.
    mount("none", "/", flags=MS_REC | MS_SLAVE)
    replacements = _replacements(plan)
    if replacements:
        _replace(replacements)
    for directory in _NAME_DAEMONS:
        if os.path.isdir(directory) and not os.path.islink(os.path.dirname(directory)):
            _cover(directory)
    for directory in plan.hidden:
        _cover(directory)
    return _fresh_proc()


def _replacements(plan: NetworkPlan) -> list[tuple[str, str]]:
    """Files to cover and the text to cover them with."""
    found = []
    if plan.resolv_conf is not None:
        if not os.path.exists(RESOLV_CONF):
            raise MachineError(_missing_resolv_conf())
        found.append((RESOLV_CONF, plan.resolv_conf))
    if os.path.exists(NSSWITCH_CONF):
        with open(NSSWITCH_CONF, encoding="utf-8", errors="surrogateescape") as file:
            found.append((NSSWITCH_CONF, names_by_dns(file.read())))
    covered = (_RESOLVED_SOCKET, *(_BUSES if plan.alone else ()))
    found += [(path, "") for path in covered if os.path.exists(path)]
    return found


def _missing_resolv_conf() -> str:
    if os.path.islink(RESOLV_CONF):
        return (
            f"{RESOLV_CONF} points to {os.readlink(RESOLV_CONF)}, which does not exist: start the service that writes"
            " it, put a file there, or use --dns none"
        )
    return f"there is no {RESOLV_CONF} to put a name server in: as root, run: touch {RESOLV_CONF}; or use --dns none"


def names_by_dns(text: str) -> str:
    """nsswitch.conf with a `hosts` line that asks files and DNS only; everything else stays."""
    lines = []
    for line in text.splitlines():
        database, colon, services = line.partition(":")
        if colon and database.strip() == "hosts":
            wanted = services.partition("#")[0].split()
            keep = [name for name in _HOSTS_SERVICES if name in wanted or name != "myhostname"]
            line = f"hosts: {' '.join(keep)}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _replace(replacements: list[tuple[str, str]]) -> None:
    targets = [os.path.realpath(path) for path, _ in replacements]
    stage = next(path for path in _STAGES if os.path.isdir(path) and not any(t.startswith(path + "/") for t in targets))
    mount("tmpfs", stage, "tmpfs", _TMPFS, "mode=0755")
    for number, (path, text) in enumerate(replacements):
        source = f"{stage}/{number}"
        with open(source, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.chmod(source, 0o644)  # whatever the umask
        try:
            mount(source, path, flags=MS_BIND)
        except OSError as error:
            raise remedies.failed(f"{path} cannot be covered for the command", error) from error
    unmount(stage, MNT_DETACH)


def _cover(directory: str) -> None:
    """An empty directory over `directory`, that only the command's user may enter, write to, and lose."""
    try:
        mount("tmpfs", directory, "tmpfs", _TMPFS, "mode=0700")
    except FileNotFoundError:
        return  # gone meanwhile: a directory of sessions goes with the last of them
    except OSError as error:
        raise remedies.failed(f"{directory} cannot be hidden from the command", error) from error


def _fresh_proc() -> list[str]:
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError as error:
        # The kernel refuses where parts of /proc are masked, as containers do (mount_too_revealing, fs/namespace.c).
        warning = (
            f"/proc cannot be mounted anew ({error.strerror}), so ps, top and /proc/PID show this machine's processes"
            " to the command: in a container, start it with --security-opt systempaths=unconfined"
        )
        return [warning]
    return []
