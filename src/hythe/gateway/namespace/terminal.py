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


class Terminal:
    """The controlling terminal of this process, seen from the machine's PID namespace. All is quiet without one.

    The caller keeps SIGTTOU blocked: it changes the foreground group from the background. A terminal that hangs up
    meanwhile answers every question with EIO, which reads as "somebody else has the foreground".
    """

    __slots__ = ("_command_group", "_fd", "_group")

    def __init__(self) -> None:
        self._group = os.getpgrp()
        self._command_group = 0
        try:
            self._fd = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError:  # ENXIO: a service, a cron job; ENOENT: a bare container
            self._fd = -1

    @property
    def fd(self) -> int:
        """The descriptor to keep open, -1 without a terminal."""
        return self._fd

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

    def resume(self) -> None:
        """Hythe's group continues: if it has the foreground, a command that was stopped in its own group gets it."""
        if self._command_group and self._foreground() == self._group:
            self._set_foreground(self._command_group)

    def restore(self) -> None:
        """Once nobody is left inside: take the foreground back from a group that is gone."""
        foreground = self._foreground()
        if foreground != self._group and not _exists(foreground):
            self._set_foreground(self._group)

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
