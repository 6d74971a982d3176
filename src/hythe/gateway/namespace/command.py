"""From a forked Python process to the user's command: signals as they were, then `exec`, or the reason why not.

Exit statuses are a shell's: 127 for a command that is not there, 126 for one that cannot be executed (POSIX, Shell
Command Language, 2.8.2).
"""

from __future__ import annotations

import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126

#: What Python sets LC_CTYPE to, for its children as well, where it was started in the C locale (PEP 538).
_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def execute(argv: list[str], mask: set[signal.Signals]) -> NoReturn:
    """Become `argv`, with the signal mask `mask`. Where that fails, say why on standard error and exit as a shell."""
    # Python ignores these two for itself (Py_Initialize); an ignored SIGCHLD would confuse most programs.
    for signum in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _restore_locale()
    status, reason = _try(argv)
    os.write(2, f"hythe: {argv[0]}: {reason}\n".encode(errors="surrogateescape"))
    os._exit(status)


def forget_handlers() -> None:
    """Drop every Python-level signal handler, as `exec` will; what is ignored (nohup) stays ignored."""
    for signum in signal.valid_signals():
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.SIG_DFL)


def _restore_locale() -> None:
    """Undo what Python did to LC_CTYPE when it started: the kernel still has the environment that it was started with."""
    if os.environ.get("LC_CTYPE") not in _COERCED:
        return
    try:
        with open("/proc/self/environ", "rb") as file:
            given = [each for each in file.read().split(b"\0") if each.startswith(b"LC_CTYPE=")]
    except OSError:
        return  # no /proc
    if given:
        os.environb[b"LC_CTYPE"] = given[0].partition(b"=")[2]
    else:
        del os.environ["LC_CTYPE"]


def _try(argv: list[str]) -> tuple[int, str]:
    """Returns only on failure: (exit status, reason)."""
    name = argv[0]
    if "/" in name:
        return _exec(name, argv)
    if not name:
        return NOT_FOUND, "command not found"
    found = (NOT_FOUND, "command not found")
    for directory in os.get_exec_path():
        path = os.path.join(directory or ".", name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return _exec(path, argv)
        if os.path.isfile(path):
            found = (NOT_EXECUTABLE, os.strerror(errno.EACCES))
    return found


def _exec(path: str, argv: list[str]) -> tuple[int, str]:
    try:
        os.execv(path, argv)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            return _exec_script(path, argv)
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return NOT_FOUND, _why_not_found(path)
        reason = errno.EISDIR if os.path.isdir(path) else error.errno
        return NOT_EXECUTABLE, os.strerror(reason or errno.EACCES)
    except ValueError as error:  # a NUL byte
        return NOT_FOUND, str(error)


def _exec_script(path: str, argv: list[str]) -> tuple[int, str]:
    """A text without `#!` is a shell's (POSIX, execvp)."""
    try:
        os.execv("/bin/sh", ["sh", path, *argv[1:]])
    except OSError as error:
        return NOT_EXECUTABLE, f"{os.strerror(errno.ENOEXEC)}, and no /bin/sh to run it ({error.strerror})"


def _why_not_found(path: str) -> str:
    if os.path.exists(path):
        return "the interpreter or loader that it names does not exist"
    return os.strerror(errno.ENOENT)
