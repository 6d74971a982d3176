"""Where the sessions of a user are: a Unix socket each, in the user's runtime directory.

Theory of operation. The socket's file is the name of the session, so a name is taken by making the file. Whoever makes or
removes one holds a lock on the directory, and so does nobody ever see a socket that does not listen yet. A socket that
refuses to be connected to is that of a session which was killed: it goes with the next look around. The directory itself
goes with the last socket, so that nothing is left on the machine when no session runs.

This is read before the first fork of `hythe run`: no dataclasses, no `pathlib`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import stat
from contextlib import contextmanager, suppress

from hythe.errors import MachineError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".sock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
#: A name made of a command's is no longer than this, so that a number fits behind it.
_DERIVED_MAX = 40
#: Callers that the kernel holds for us.
_BACKLOG = 64
#: sockaddr_un has room for 108 bytes, the terminating zero included.
_PATH_MAX = 107


def directories() -> list[str]:
    """Where sockets of this user's sessions can be; no command of ours may look into them.

    More than one, since not every session was started from the same environment.
    """
    user = os.getuid()
    places = [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"]
    return list(dict.fromkeys([f"{place}/hythe" for place in places if place] + [f"/tmp/hythe-{user}"]))


def directory() -> str:
    """Where a new session's socket belongs: the first of them whose parent is ours, or the one in /tmp.

    With sudo the environment may name another user's directory, where ours would be in that user's way.
    """
    *places, fallback = directories()
    return next((each for each in places if _is_ours(os.path.dirname(each))), fallback)


def _is_ours(place: str) -> bool:
    try:
        return os.stat(place).st_uid == os.getuid()
    except OSError:
        return False


def is_name(name: str) -> bool:
    """Can it name a session?"""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raises `UsageError` for what cannot name a session."""
    if not is_name(name):
        raise UsageError(f"--name {name!r} is not possible: write up to 64 letters, digits, '.', '_' and '-'")


class Claim:
    """A session's name: its listening socket. `close` gives the name back."""

    __slots__ = ("_directory", "_identity", "listener", "name")

    def __init__(self, directory: str, name: str, listener: socket.socket, identity: tuple[int, int]) -> None:
        self.name = name
        self.listener = listener
        self._directory = directory
        self._identity = identity

    @property
    def path(self) -> str:
        """Of the socket."""
        return f"{self._directory}/{self.name}{SUFFIX}"

    def close(self) -> None:
        """Listen no more, and leave nothing behind. May be called again."""
        if self.listener.fileno() < 0:
            return
        self.listener.close()
        with suppress(OSError, MachineError), _locked(self._directory):
            if _identity(self.path) == self._identity:  # else somebody has tidied up, and it is another's name now
                os.unlink(self.path)


def claim(command: str, name: str | None = None) -> Claim:
    """Take a name and listen: `name`, or one that is free and reminds of `command`.

    Raises `UsageError` for a name that cannot be or is taken, `MachineError` where there is no safe place for a socket.
    """
    if name is not None:
        check_name(name)
    place = directory()
    try:
        with _locked(place, make=True) as fd:
            _tidy(place, fd)
            if name is None:
                name = _free_name(place, command)
            elif os.path.lexists(f"{place}/{name}{SUFFIX}"):
                raise UsageError(f"--name {name} is taken by a session that runs (hythe ps): choose another")
            path = f"{place}/{name}{SUFFIX}"
            return Claim(place, name, _listen(_address(path, fd)), _identity(path))
    except OSError as error:
        raise MachineError(
            f"there can be no socket in {place} ({error.strerror}), so this session cannot be asked or controlled:"
            " set XDG_RUNTIME_DIR to a directory of your own"
        ) from error


def sockets() -> list[tuple[str, str]]:
    """The sessions of this user that run: (name, path of the socket), by name. Removes what killed ones left.

    Of two of one name that were started from different environments, the one from an environment like ours is first.
    """
    found = []
    for place in directories():
        try:
            with _locked(place) as fd:
                found += [(entry.removesuffix(SUFFIX), f"{place}/{entry}") for entry in _tidy(place, fd)]
        except (OSError, MachineError):
            continue  # it is not there, or somebody else's
    return sorted(found, key=lambda each: each[0])


def connect(path: str, seconds: float | None) -> socket.socket:
    """A connection to the session whose socket is `path`. Raises OSError; `seconds`: how long anything may take.

    Where more callers come than the session's queue has room for, the kernel lets a caller wait; but only if it blocks, and
    for as long as SO_SNDTIMEO says (unix(7)): with a time-out of Python's it would be turned away at once.
    """
    import struct  # whoever asks has time

    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if seconds is not None:
                patience = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
            try:
                caller.connect(_address(path, directory))
            except BlockingIOError as error:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
            caller.settimeout(seconds)
        except BaseException:
            caller.close()
            raise
        return caller
    finally:
        os.close(directory)


@contextmanager
def _locked(place: str, *, make: bool = False) -> Iterator[int]:
    """Its descriptor, locked; removed afterwards if there is nothing in it. `make`: make it if it is not there.

    Raises `MachineError` where others could get at what is in it.
    """
    fd = _lock(place, make=make)
    try:
        yield fd
        with suppress(OSError):  # it is not empty, as a rule
            os.rmdir(place)
    finally:
        os.close(fd)


def _lock(place: str, *, make: bool) -> int:
    while True:
        if make:
            os.makedirs(place, 0o700, exist_ok=True)
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check_owner(place, os.fstat(fd))
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.path.isdir(place) and _identity(place) == _identity(fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # another session's end has just removed it


def _check_owner(place: str, found: os.stat_result) -> None:
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise MachineError(
            f"{place} is not this user's alone, so no session can have its socket there:"
            " remove it, or set XDG_RUNTIME_DIR to a directory of your own"
        )


def _identity(place: str | int) -> tuple[int, int]:
    found = os.stat(place)
    return found.st_dev, found.st_ino


def _tidy(place: str, fd: int) -> list[str]:
    """Remove the sockets of killed sessions; the names of the others' files."""
    alive = []
    for entry in os.listdir(fd):
        if entry.endswith(SUFFIX):
            if _listens(_address(f"{place}/{entry}", fd)):
                alive.append(entry)
            else:
                os.unlink(entry, dir_fd=fd)
    return alive


def _listens(address: str) -> bool:
    """Does somebody listen there? A session that is stopped, or has many callers, does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as caller:
        return caller.connect_ex(address) not in (errno.ECONNREFUSED, errno.ENOENT)


def _listen(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.bind(address)
        os.chmod(address, 0o600)  # whatever the umask; nobody else can have come before, the directory is ours
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _address(path: str, directory: int) -> str:
    """What to bind or connect: the path, or where it is too long for that, the way round by the directory's descriptor."""
    return path if len(os.fsencode(path)) <= _PATH_MAX else f"/proc/self/fd/{directory}/{os.path.basename(path)}"


def _free_name(place: str, command: str) -> str:
    base = _UNFIT.sub("-", os.path.basename(command)).lstrip("._-")[:_DERIVED_MAX] or "session"
    name, number = base, 1
    while os.path.lexists(f"{place}/{name}{SUFFIX}"):
        number += 1
        name = f"{base}-{number}"
    return name
