"""The parent's handle of one command in its namespaces."""

from __future__ import annotations

import os
import select
import signal
import socket

from hythe.errors import MachineError, UsageError
from hythe.gateway.namespace import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from hythe.gateway.namespace.plan import NetworkPlan

#: What `hythe run` catches and passes to `Room.signal`. Stop signals are missing: they stop hythe itself as well.
FORWARDED_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)

#: How long `close` waits for a namespace to empty before it is killed from above; only a process that hangs in the
#: kernel takes longer than milliseconds.
_CLOSE_MS = 2_000


class Room:
    """A command on a network of its own: `begin`, `ready`, `go`, `wait`, `close`, each at most once and in this order.

    After `ready`:

    tun_fd        the TUN device, non-blocking; each packet behind a 10-byte virtio_net_hdr
    offloads      what the device leaves to us (TUN_F_… of linux/if_tun.h)
    netlink_fd    a NETLINK_ROUTE socket opened inside
    diag_fd       a NETLINK_SOCK_DIAG socket opened inside
    owners_fd     another, so that who asks in a thread and who asks in the loop have one each
    capture_fds   with `plan.capture`: another NETLINK_SOCK_DIAG socket, and with `key_log` the end of the FIFO where that
                  is read
    warnings      sentences about what this machine did not allow and is no obstacle

    From `begin` on: `pid` is the keeper's, and `pidfd` becomes readable when the command has ended and everything it
    left behind is gone. The descriptors belong to the room, and `close` closes them.

    Call `begin` from the main thread: the kernel ends the room together with the thread that began it.
    """

    __slots__ = (
        "_control",
        "_status",
        "capture_fds",
        "diag_fd",
        "netlink_fd",
        "offloads",
        "owners_fd",
        "pid",
        "pidfd",
        "tun_fd",
        "warnings",
    )

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.tun_fd = -1
        self.netlink_fd = -1
        self.diag_fd = -1
        self.owners_fd = -1
        self.capture_fds: list[int] = []
        self.offloads = 0
        self.warnings: list[str] = []
        self._control = control
        self._status: int | None = None

    @classmethod
    def begin(cls, plan: NetworkPlan, argv: Sequence[str], *, wait: bool = False) -> Room:
        """Fork at once and return; the child sets up `plan` for `argv` while the parent goes on (with its imports).

        `wait`: when the command ends, let the processes that it leaves behind run on, and wait for the last of them.
        Raises `UsageError` without a command, `MachineError` when no process can be made.
        """
        if not argv:
            raise UsageError("there is no command to run: write hythe run -- COMMAND [ARG...]")
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or the kernel would reap our child in our place
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        hythe = os.getpid()
        # No Python handler of the parent may run in the child.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                _become_keeper(plan, list(argv), theirs, hythe, {signal.Signals(number) for number in mask}, wait)
        except OSError as error:
            ours.close()
            raise MachineError(f"no process can be made for the command ({error.strerror}): end some others") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        return cls(pid, ours)

    def ready(self) -> None:
        """Block until the command could start. Raises `MachineError`, and closes the room, where this cannot be."""
        try:
            while not self._take_news():
                pass
        except BaseException:
            self.close()
            raise

    def go(self) -> None:
        """Let the command execute."""
        self._tell(messages.GO)

    def signal(self, signum: int) -> None:
        """Send the command a signal that hythe received, unless it came to the whole process group and has reached it.

        Once the command has ended (and the room waits for others), they all get it. Nothing happens after the end.
        """
        self._tell(messages.SIGNAL + bytes((signum,)))

    def wait(self) -> int:
        """Block until `pidfd` is readable. The command's exit status: 128 + N for signal N, 126 or 127 for none."""
        if self._status is None:
            _, status = os.waitpid(self.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self._status = code if code >= 0 else 128 - code
        return self._status

    def close(self) -> None:
        """End everything in the room, wait until it is gone, and close all descriptors. May be called again."""
        self._control.close()  # init exits, and the namespace with it
        if self._status is None:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            if not poll.poll(_CLOSE_MS):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait()
        for name in ("tun_fd", "netlink_fd", "diag_fd", "owners_fd", "pidfd"):
            fd = getattr(self, name)
            if fd >= 0:
                setattr(self, name, -1)
                os.close(fd)
        while self.capture_fds:
            os.close(self.capture_fds.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _take_news(self) -> bool:
        """One message of the set-up; whether it was the last."""
        try:
            message, fds, _, _ = socket.recv_fds(self._control, messages.MESSAGE_MAX, 4)
        except ConnectionResetError:  # said once where they have ended without reading `go`; what they said is next
            message, fds, _, _ = socket.recv_fds(self._control, messages.MESSAGE_MAX, 4)
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds does not, and drops the flag that would
        kind, rest = message[:1], message[1:]
        if kind == messages.DEVICES:
            self.offloads = int.from_bytes(rest, "big")
            self.tun_fd, self.netlink_fd, self.diag_fd, self.owners_fd = fds
        elif kind == messages.CAPTURE:
            self.capture_fds = fds
        elif kind == messages.WARNING:
            self.warnings.append(rest.decode())
        elif kind == messages.ERROR:
            raise MachineError(rest.decode())
        elif kind == messages.BUG:
            raise RuntimeError(f"the set-up of the namespace failed:\n{rest.decode()}")
        elif not kind:
            status = self.wait()
            raise MachineError(f"the process that sets up the namespace ended too early (status {status}): try again")
        return kind == messages.READY

    def _tell(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return  # process 1 has exited, and `wait` tells how


def _become_keeper(
    plan: NetworkPlan, argv: list[str], control: socket.socket, hythe: int, mask: set[signal.Signals], wait: bool
) -> None:
    """In the child. Its imports are made here, beside those of the parent. Never returns."""
    try:
        from hythe.gateway.namespace.keeper import keep

        keep(plan, argv, control, hythe, mask, wait=wait)
    finally:
        os._exit(1)
