"""What a test needs of the machine, and what happens where the machine lacks it.

Each function either returns something useful or ends the test. On a developer's machine that means a skip with the
reason; where the environment says ``CI=true`` (see .ci/run, which installs everything) a lack is a failure, so that
a skip can never hide one. No other file of the tests may skip (tests/house checks it).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
#: The user that stands for "somebody without rights" where the tests themselves run as root: Debian's `nobody`.
NOBODY = 65534


def lack(reason: str) -> NoReturn:
    """End the test because of *reason*: skipped here, failed where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (nothing may be lacking where CI=true)")
    pytest.skip(reason)


def root() -> None:
    """Require root."""
    if os.geteuid() != 0:
        lack("needs root")


def program(name: str) -> str:
    """Require a program; return its path."""
    folders = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    path = shutil.which(name, path=folders)
    return path if path is not None else lack(f"needs the program {name}")


def tun() -> None:
    """Require that this user can open /dev/net/tun."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        lack(f"needs /dev/net/tun: {error.strerror}")


def userns() -> None:
    """Require that this user can make a user namespace with a network namespace in it."""
    failed = in_child(lambda: libc_unshare(CLONE_NEWUSER | CLONE_NEWNET))
    if failed:
        lack(f"needs user namespaces: {os.strerror(failed)}")


def network() -> None:
    """Require what a TUN device in a namespace of one's own takes: both of the above."""
    tun()
    userns()


def nobody() -> list[str]:
    """Return the words to put before a command so that it runs without rights: none where the tests have none.

    As root this is `setpriv` to `nobody` with no groups and no capabilities.
    """
    if os.geteuid() != 0:
        return []
    setpriv = program("setpriv")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--"]


def libc_unshare(flags: int) -> int:
    """Call unshare(2) (`os.unshare` came with 3.12); return 0 or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.unshare(ctypes.c_int(flags)) == 0 else ctypes.get_errno()


def in_child(action: Callable[[], int]) -> int:
    """Run *action* in a fork, so that what it changes dies with it; return what it returned (0-255)."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            status = action()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def public_python(folder: Path) -> Path:
    """Make in *folder* a virtual environment with hythe in it that any user can run; return its python.

    The tests' own interpreter may lie in a home directory that is closed to others, and so may the work tree.
    This one is the system's, with copies of hythe and of what it imports, byte code and all: what is good for it need not
    be compiled again. *folder* must be open to all.
    """
    interpreter = _system_python()
    subprocess.run([interpreter, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    site = next(folder.glob("lib/python3*/site-packages"))
    for name in ("hythe", "click", "h11", "cryptography", "cffi", "_cffi_backend"):
        place = str(__import__(name).__file__)
        if os.path.basename(place).startswith("__init__."):
            shutil.copytree(os.path.dirname(place), site / name)
        else:
            shutil.copy(place, site)
    script = folder / "bin" / "hythe"
    script.write_text(f"#!{folder}/bin/python\nimport sys\nfrom hythe.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)
    subprocess.run([folder / "bin" / "python", "-m", "compileall", "-q", str(site)], check=True, timeout=60)
    return folder / "bin" / "python"


def public_folder() -> Path:
    """Return a new folder that every user can enter and read, outside pytest's closed tmp_path."""
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="hythe-test-"))
    folder.chmod(0o755)
    return folder


def clean_environment(**extra: str) -> Mapping[str, str]:
    """Return an environment for a program under test: a path, a locale, nothing that leads back to this run."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **extra}


def _system_python() -> str:
    for path in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        if not os.access(path, os.X_OK):
            continue
        probe = [*nobody(), path, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0:
            return path
    lack("needs a Python 3.11 or later that an unprivileged user can run (/usr/bin/python3 with venv)")
