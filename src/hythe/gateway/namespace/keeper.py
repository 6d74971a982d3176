"""The process between hythe and process 1: makes the namespaces, then keeps the terminal and the exit status.

It stays outside the new PID namespace, because process groups of the machine have numbers only there.

Becoming somebody in a new user namespace (user_namespaces(7)): an ordinary user may map itself and no one else, and
must give up setgroups(2) first. Root may map every id that it has, which servers that change user need, but only a
process with rights in the *old* namespace may write such a map: a scribe forked beforehand does.
"""

from __future__ import annotations

import os
import signal
import socket
import struct

from hythe.errors import HytheError
from hythe.gateway.namespace import command, init, messages, network, remedies
from hythe.gateway.namespace.descriptors import close_all_but
from hythe.gateway.namespace.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    name_process,
    unshare,
)
from hythe.gateway.namespace.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from hythe.gateway.namespace.plan import NetworkPlan

_ROOT_ALONE = (
    "root has no other user's id here, so a server that changes its user (nginx) will fail:"
    " in a container, start it with --cap-add SETUID --cap-add SETGID"
)
_MAPS = ("uid_map", "gid_map")
_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

#: Exit status when the set-up failed; the reason has gone over the control socket.
_FAILED = 1
_ORPHANED = 128 + signal.SIGKILL


def keep(
    plan: NetworkPlan,
    argv: list[str],
    control: socket.socket,
    hythe: int,
    mask: set[signal.Signals],
    *,
    wait: bool,
) -> NoReturn:
    """Be the keeper, in a child of process `hythe` that was forked with every signal blocked.

    `mask` is the signal mask for the command. Ends the process in every case, with the command's exit status.
    """
    status = _FAILED
    try:
        status = _Keeper(plan, argv, control, hythe, mask, wait=wait).run()
    except HytheError as error:
        _tell(control, messages.ERROR, str(error))
    except OSError as error:
        _tell(control, messages.ERROR, str(remedies.failed("the command's namespaces cannot be set up", error)))
    except BaseException:  # noqa: BLE001 - a forked child has nowhere else to report a bug of its own
        import traceback

        if not _tell(control, messages.BUG, traceback.format_exc()):
            traceback.print_exc()
    finally:
        os._exit(status)


def _tell(control: socket.socket, kind: bytes, text: str) -> bool:
    try:
        control.send(kind + text.encode(errors="replace")[: messages.MESSAGE_MAX - 1])
    except OSError:
        return False  # hythe is gone, or the set-up is over
    return True


class _Keeper:
    """One run, from the fork to the end of process 1."""

    __slots__ = ("_argv", "_control", "_hythe", "_mask", "_news", "_plan", "_terminal", "_wait")

    def __init__(
        self,
        plan: NetworkPlan,
        argv: list[str],
        control: socket.socket,
        hythe: int,
        mask: set[signal.Signals],
        *,
        wait: bool,
    ) -> None:
        self._plan = plan
        self._argv = argv
        self._control = control
        self._hythe = hythe
        self._mask = mask
        self._wait = wait
        self._terminal = Terminal(hythe)
        self._news: socket.socket

    def run(self) -> int:
        """Returns the command's exit status."""
        self._die_with_hythe()
        signal.set_wakeup_fd(-1)  # it may be the parent's event loop
        command.forget_handlers()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        name_process("hythe-keeper")
        if not _enter_namespaces():
            _tell(self._control, messages.WARNING, _ROOT_ALONE)
        self._die_with_hythe()  # a change of credentials may have forgotten it
        self._hand_over(network.build(self._plan))
        pid = self._fork_init()
        # Keep nothing open that is the command's: who reads its output shall see the end of it.
        close_all_but({2, self._news.fileno(), *self._terminal.descriptors()})
        with self._news:
            self._serve_terminal()
        _, status = os.waitpid(pid, 0)
        self._terminal.restore()
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _die_with_hythe(self) -> None:
        die_with_parent()
        if os.getppid() != self._hythe:
            os._exit(_ORPHANED)

    def _hand_over(self, devices: network.Devices) -> None:
        offloads = devices.offloads.to_bytes(4, "big")
        socket.send_fds(self._control, [messages.DEVICES + offloads], devices.descriptors())
        devices.close()

    def _fork_init(self) -> int:
        self._news, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._news.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        own_group = self._terminal.is_for_us_alone(self._hythe)
        try:
            pid = os.fork()
        except OSError as error:
            raise remedies.no_namespaces(error) from error
        if pid == 0:
            self._news.close()
            init.live(self._plan, self._argv, self._control, theirs, self._mask, own_group=own_group, wait=self._wait)
        theirs.close()
        return pid

    def _serve_terminal(self) -> None:
        """Job control, until init closes its end by exiting."""
        while True:
            message, ancillary, _, _ = self._news.recvmsg(16, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not message:
                return
            if message == messages.ENDED:  # ^C is for hythe now, which sends it on to those that are waited for
                self._terminal.restore()
                continue
            group, _, _ = _CREDENTIALS.unpack(ancillary[0][2])
            self._terminal.suspend(message[1], group)
            self._terminal.resume()
            try:
                self._news.send(messages.CONTINUE)
            except BrokenPipeError:
                return  # init has just gone


def _enter_namespaces() -> bool:
    """Move to new namespaces and keep the ids we had. False where root could bring no other ids along."""
    uid, gid = os.geteuid(), os.getegid()
    scribe = _Scribe() if uid == 0 else None
    try:
        unshare(_NAMESPACES)
    except OSError as error:
        raise remedies.no_namespaces(error) from error
    missing = list(_MAPS) if scribe is None else scribe.write_maps()
    try:
        if "gid_map" in missing:
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/gid_map", f"{gid} {gid} 1")
        if "uid_map" in missing:
            _write("/proc/self/uid_map", f"{uid} {uid} 1")
    except OSError as error:
        raise remedies.no_namespaces(error) from error
    return scribe is None or not missing


class _Scribe:
    """A process left behind in the old user namespace to write the maps of the new one, as only root there may."""

    __slots__ = ("_gate", "_pid")

    def __init__(self) -> None:
        gate, self._gate = os.pipe()
        keeper = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._gate)
            _write_maps_when_told(gate, keeper)
        os.close(gate)

    def write_maps(self) -> list[str]:
        """Map every id of the old namespace to itself. Returns the maps that could not be written."""
        os.write(self._gate, b".")
        os.close(self._gate)
        _, status = os.waitpid(self._pid, 0)
        missing = os.waitstatus_to_exitcode(status)
        return [name for bit, name in enumerate(_MAPS) if missing & 1 << bit]


def _write_maps_when_told(gate: int, keeper: int) -> NoReturn:
    """In the scribe. The exit status has a bit for each map that could not be written."""
    missing = (1 << len(_MAPS)) - 1
    try:
        told = os.read(gate, 1)  # nothing when the keeper failed
        for bit, name in enumerate(_MAPS if told else ()):
            try:
                _write(f"/proc/{keeper}/{name}", _identity(f"/proc/self/{name}"))
                missing &= ~(1 << bit)
            except OSError:
                continue  # a container has taken CAP_SETUID or CAP_SETGID from its root: the keeper maps itself alone
    finally:
        os._exit(missing)


def _identity(path: str) -> str:
    """A map of everything that the map at `path` maps, to itself."""
    lines = []
    with open(path, encoding="ascii") as file:
        for line in file:
            first, _, count = line.split()
            lines.append(f"{first} {first} {count}\n")
    return "".join(lines)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
