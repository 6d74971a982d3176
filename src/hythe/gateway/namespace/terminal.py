"""The controlling terminal, and who in it has the foreground.

A terminal sends ^C and ^Z to one process group of the machine. Two arrangements:

- The command stays in hythe's own group when hythe is part of something larger (a pipeline, a script): the terminal
  then reaches everybody in it at once, as without hythe.
- When hythe is alone in front of a terminal, the command leads a group of its own and gets the foreground. A shell
  inside then finds itself leader of a group that has a number in its PID namespace, which dash needs on its way out.

Either way the command may end up stopped in a group that hythe's own parent shell knows nothing of: `suspend` takes
the foreground back and stops hythe's group the same way, so that the outer shell sees its job stop; `resume` undoes it.
"""

from __future__ import annotations

import errno
import os
import signal
import time

#: How often it is looked whether hythe continues, which it does within microseconds.
_LOOK = 0.001


class Terminal:
    """The controlling terminal of this process, seen from the machine's PID namespace. All is quiet without one.

    The caller keeps SIGTTOU blocked: it changes the foreground group from the background. A terminal that hangs up
    meanwhile answers every question with EIO, which reads as "somebody else has the foreground".
    """

    __slots__ = ("_command_group", "_fd", "_group", "_state")

    def __init__(self, hythe: int) -> None:
        self._group = os.getpgrp()
        self._command_group = 0
        try:
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:  # ENXIO: a service, a cron job; ENOENT: a bare container
            self._fd = -1
        # Opened where hythe has a number: it has none in the /proc of the namespace.
        self._state = os.open(f"/proc/{hythe}/stat", os.O_RDONLY | os.O_CLOEXEC)

    def descriptors(self) -> tuple[int, int]:
        """What to keep open; the first is -1 without a terminal."""
        return self._fd, self._state

    def is_for_us_alone(self, leader: int) -> bool:
        """Whether `leader` (hythe) heads the foreground group and reads and writes this very terminal."""
        if self._group != leader or self._foreground() != leader or not os.isatty(1):
            return False
        try:
            return os.tcgetpgrp(0) == leader
        except OSError:
            return False  # standard input is closed, a file, or another terminal

    def suspend(self, signum: int, group: int) -> None:
        """The command, in its own `group`, was stopped by `signum`: stop hythe's group. Returns when that continues."""
        self._command_group = group
        foreground = self._foreground()
        if foreground == group:
            self._set_foreground(self._group)
        elif foreground == self._group and signum in (signal.SIGTTIN, signal.SIGTTOU):
            # The outer shell's `fg` of a running job tells nobody: the command just found out by using the terminal.
            return
        # SIGSTOP would also stop a group that no shell watches, for ever; SIGTSTP is ignored there (POSIX, orphaned
        # process group).
        stop = signal.SIGTSTP if signum == signal.SIGSTOP else signum
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {stop})
        os.kill(0, stop)
        signal.pthread_sigmask(signal.SIG_BLOCK, {stop})
        # A group's processes get SIGCONT one after the other, and hythe, the oldest, last. Did the command go on and stop
        # again meanwhile, that SIGCONT would undo hythe's second stop, and the outer shell would never see it.
        while self._hythe_is_stopped():
            time.sleep(_LOOK)

    def resume(self) -> None:
        """Hythe's group continues: if it has the foreground, a command that was stopped in its own group gets it."""
        if self._command_group and self._foreground() == self._group:
            self._set_foreground(self._command_group)

    def restore(self) -> None:
        """Once nobody is left inside: take the foreground back from a group that is gone."""
        foreground = self._foreground()
        if foreground != self._group and not _exists(foreground):
            self._set_foreground(self._group)

    def _hythe_is_stopped(self) -> bool:
        try:
            return os.pread(self._state, 1_024, 0).rpartition(b")")[2].split()[0] == b"T"  # proc_pid_stat(5)
        except ProcessLookupError:
            return False  # it is gone

    def _foreground(self) -> int:
        if self._fd < 0:
            return -1
        try:
            return os.tcgetpgrp(self._fd)
        except OSError:
            return -1  # hung up

    def _set_foreground(self, group: int) -> None:
        try:
            os.tcsetpgrp(self._fd, group)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.ENOTTY, errno.ESRCH, errno.EPERM):  # hung up, or the group is gone
                raise


def _exists(group: int) -> bool:
    if group <= 0:
        return True
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
