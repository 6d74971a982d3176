"""Process 1 of the PID namespace: arranges what the command sees, starts it, reaps, forwards signals, ends everything.

A process 1 that exits takes its whole namespace with it (pid_namespaces(7)), so that is all the cleaning up there is:
it exits when the command does (or with `wait` when the last process does), when hythe's end of the control socket
closes, and is killed when the keeper is.

Signals. Hythe sends on what it receives. Where the command shares hythe's process group, a terminal's ^C (or a kill of
the group) has reached it already, and reached this process as well: here all signals are blocked, so its copy is
pending and tells that the command needs no other.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct

from hythe.gateway.namespace import command, messages, mounts, sysctls
from hythe.gateway.namespace.descriptors import close_all_but
from hythe.gateway.namespace.netlink import NETLINK_SOCK_DIAG
from hythe.gateway.namespace.syscalls import die_with_parent, name_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from hythe.gateway.namespace.plan import NetworkPlan

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

#: Exit status when hythe went first; nobody is left to read it.
_ORPHANED = 128 + signal.SIGKILL


def live(
    plan: NetworkPlan,
    argv: list[str],
    control: socket.socket,
    keeper: socket.socket,
    mask: set[signal.Signals],
    *,
    own_group: bool,
    wait: bool,
) -> NoReturn:
    """Be process 1. `own_group`: the command leads a process group of its own and has the terminal's foreground.

    Raises `MachineError` during the set-up; afterwards only exits.
    """
    die_with_parent()
    if _closed(keeper):  # it died before the kernel knew that we care
        os._exit(_ORPHANED)
    name_process("hythe-init")
    for warning in mounts.arrange(plan) + sysctls.apply(plan):
        control.send(messages.WARNING + warning.encode())
    if plan.capture:
        _hand_over(plan.key_log, control)
    Init(control, keeper, argv, mask, own_group=own_group, wait=wait).run()


def _hand_over(key_log: str | None, control: socket.socket) -> None:
    """What the process needs that writes the capture. The command finds its key log by the environment."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        fds = [diag.fileno()]
        if key_log is not None:
            os.mkfifo(key_log, 0o600)
            os.environ["SSLKEYLOGFILE"] = key_log
            # Both ends: reading never ends, and nobody's writing fails, whoever comes and goes.
            fds.append(os.open(key_log, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        socket.send_fds(control, [messages.CAPTURE], fds)
        for fd in fds[1:]:
            os.close(fd)


def _closed(peer: socket.socket) -> bool:
    poll = select.poll()
    poll.register(peer, 0)
    return bool(poll.poll(0))


def _watch_children() -> tuple[int, int]:
    """A pipe (reading end, writing end) into which a byte falls on SIGCHLD."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    return readable, writable


class Init:
    """The loop of process 1 and the one child that it is about."""

    __slots__ = ("_argv", "_control", "_gate", "_keeper", "_mask", "_own_group", "_pid", "_status", "_wait", "_wakeup")

    def __init__(
        self,
        control: socket.socket,
        keeper: socket.socket,
        argv: list[str],
        mask: set[signal.Signals],
        *,
        own_group: bool,
        wait: bool,
    ) -> None:
        self._control = control
        self._keeper = keeper
        self._argv = argv
        self._mask = mask
        self._own_group = own_group
        self._wait = wait
        #: The command's exit status once it has one.
        self._status: int | None = None
        self._wakeup, wakeup_writer = _watch_children()
        gate, self._gate = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._become_command(gate)
        # Keep nothing open that is the command's: who reads its output shall see the end of it.
        close_all_but({2, control.fileno(), keeper.fileno(), self._wakeup, wakeup_writer, self._gate})

    def run(self) -> NoReturn:
        """Serve until the command (or everybody) is gone."""
        self._control.send(messages.READY)
        poll = select.poll()
        for fd in (self._control.fileno(), self._keeper.fileno(), self._wakeup):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wakeup:
                    os.read(fd, 4096)
                    self._reap()
                elif fd == self._control.fileno():
                    self._obey(self._control.recv(messages.MESSAGE_MAX))
                else:
                    self._obey(self._keeper.recv(messages.MESSAGE_MAX))

    def _become_command(self, gate: int) -> NoReturn:
        """In the child: wait for `Room.go`, then become the command."""
        signal.set_wakeup_fd(-1)
        os.close(self._gate)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if not os.read(gate, 1):
            os._exit(_ORPHANED)
        if self._own_group:
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpid())
        command.execute(self._argv, self._mask)

    def _obey(self, message: bytes) -> None:
        kind = message[:1]
        if kind == messages.SIGNAL:
            self._forward(message[1])
        elif kind == messages.GO:
            os.write(self._gate, kind)
        elif kind == messages.CONTINUE:
            self._continue()
        else:  # end of file: hythe or the keeper is gone
            os._exit(_ORPHANED)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                # Nobody is left. Without `wait` we went with the command; its status is known either way.
                os._exit(_ORPHANED if self._status is None else self._status)
            if pid == 0:
                return
            if pid == self._pid and os.WIFSTOPPED(status):
                self._report_stop(os.WSTOPSIG(status))
            elif pid == self._pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
                if not self._wait:
                    os._exit(self._status)
                self._keeper.send(messages.ENDED)

    def _forward(self, signum: int) -> None:
        self._reap()  # a command that has just ended is no longer who to ask
        if self._status is not None:  # with `wait`, for those that stayed behind
            try:
                os.kill(-1, signum)
            except ProcessLookupError:
                return
        elif signal.sigtimedwait((signum,), 0) is None or not self._shares_our_group():
            os.kill(self._pid, signum)

    def _shares_our_group(self) -> bool:
        return os.getpgid(self._pid) == os.getpgrp()

    def _report_stop(self, signum: int) -> None:
        """Tell the keeper, in numbers of its own PID namespace: the kernel translates those in credentials."""
        if not self._shares_our_group():
            credentials = _CREDENTIALS.pack(os.getpgid(self._pid), os.getuid(), os.getgid())
            ancillary = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)]
            self._keeper.sendmsg([messages.STOPPED + bytes((signum,))], ancillary)

    def _continue(self) -> None:
        if self._status is None:
            os.killpg(os.getpgid(self._pid), signal.SIGCONT)
