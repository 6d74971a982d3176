"""The system calls that the standard library lacks (unshare and setns came with 3.12, mount and prctl never).

They are those of section 2 of the manual (umount2 for `unmount`, prctl for the last two). Each raises a plain
`OSError`; whoever calls knows the step and finds the remedy (remedies.py).
"""

from __future__ import annotations

import ctypes
import os
import signal

# sched.h
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

# sys/mount.h
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000
MNT_DETACH = 0x2

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def _check(result: int, path: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` (CLONE_NEW…) for new ones."""
    _check(_libc.unshare(flags))


def setns(fd: int, flag: int) -> None:
    """Join the namespace that `fd` is of, which is of the kind `flag` (CLONE_NEW…)."""
    _check(_libc.setns(fd, flag))


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """Put a file system of `kind`, or with MS_BIND the file or directory `source`, at `target`."""
    type_name = None if kind is None else kind.encode()
    result = _libc.mount(os.fsencode(source), os.fsencode(target), type_name, flags, options.encode())
    _check(result, target)


def unmount(target: str, flags: int = 0) -> None:
    """Take away what is mounted at `target`."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def die_with_parent() -> None:
    """Ask for SIGKILL when the *thread* that forked us ends. The caller checks afterwards that it still lives."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def name_process(name: str) -> None:
    """What `ps` and `top` show for this process: 15 bytes at most."""
    text = ctypes.create_string_buffer(name.encode())
    _check(_libc.prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0))
