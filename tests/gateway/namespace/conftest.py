"""Rooms made by the driver program, as root and as a user without rights."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK = "from hythe.gateway.namespace.limits import check; print(check() or '', end='')"


class User:
    """Somebody who makes rooms: how the driver is started as him, and where."""

    def __init__(self, name: str, python: Path, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._prefix = needs.nobody() if name == "nobody" else []
        self._python = str(python)

    def words(self, *command: str, **options: object) -> list[str]:
        """Return the command line that runs `command` in a room."""
        driver = str(self.folder / "driver.py")
        return [*self._prefix, self._python, driver, json.dumps(options), *command]

    def room_of_caller(self, options: str = "{}") -> list[str]:
        """Return the words to put before a command so that it runs in a room of whoever runs them."""
        return [self._python, str(self.folder / "driver.py"), options]

    def environment(self) -> dict[str, str]:
        return dict(needs.clean_environment(TERM="dumb", PYTHONDONTWRITEBYTECODE="1"))

    def run(self, *command: str, stdin: str = "", **options: object) -> subprocess.CompletedProcess[str]:
        """Run `command` in a room to its end."""
        return subprocess.run(
            self.words(*command, **options),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=self.folder,
            env=self.environment(),
        )

    def start(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        """Start `command` in a room, its output in a pipe; its process group is its own, as a shell would do."""
        return subprocess.Popen(
            self.words(*command, **options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=self.environment(),
            process_group=0,
        )

    def python_words(self, program: str) -> list[str]:
        """Return the command line of a Python program that runs as this user, without a room."""
        return [*self._prefix, self._python, "-c", program]

    def python(self, program: str) -> str:
        """Return what a Python program prints that runs as this user, without a room."""
        return subprocess.run(
            self.python_words(program),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=self.environment(),
            cwd=self.folder,
        ).stdout


@pytest.fixture(scope="session")
def driver_folder() -> Iterator[Path]:
    """Return a folder that anybody may enter and write to, with the driver in it."""
    folder = needs.public_folder()
    try:
        shutil.copy(Path(__file__).with_name("driver.py"), folder)
        (folder / "driver.py").chmod(0o644)
        folder.chmod(0o777)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session", params=["root", "nobody"])
def user(request: pytest.FixtureRequest, public_python: Path, driver_folder: Path) -> User:
    """Return somebody who can make rooms on this machine: root, then a user without rights."""
    if request.param == "root":
        needs.root()
    somebody = User(request.param, public_python, driver_folder)
    reason = somebody.python(CHECK)
    if reason:
        needs.lack(f"no rooms for {request.param}: {reason}")
    return somebody
