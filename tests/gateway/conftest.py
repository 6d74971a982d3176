"""`hythe run` as a person types it: as root, and as a user without rights."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECK = "from hythe.gateway.namespace.limits import check; print(check() or '', end='')"


class Person:
    """Somebody who runs `hythe run`. `python`: an interpreter that he may start, inside and outside."""

    def __init__(self, name: str, python: Path, folder: Path) -> None:
        self.name = name
        self.python = str(python)
        self.folder = folder
        self.prefix = needs.nobody() if name == "nobody" else []

    def words(self, options: str, *command: str) -> list[str]:
        """Return the command line; `options` are separated by blanks."""
        return [*self.prefix, self.python, "-m", "hythe", "run", *options.split(), "--", *command]

    def run(
        self, options: str, *command: str, stdin: bytes = b"", timeout: float = 90, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in `hythe run` to its end."""
        result = subprocess.run(
            self.words(options, *command),
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
            env=needs.clean_environment(**environment),
        )
        return subprocess.CompletedProcess(result.args, result.returncode, result.stdout.decode(), result.stderr.decode())

    def script(self, program: str, *arguments: str) -> list[str]:
        """Return the words that run a Python program."""
        return [self.python, "-I", "-c", program, *arguments]

    @contextmanager
    def running(self, options: str, *command: str) -> Iterator[Running]:
        """Run `command` in `hythe run` beside the test; at the end it is told to end, and has to."""
        process = subprocess.Popen(
            self.words(options, *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=needs.clean_environment(),
            process_group=0,
        )
        with process:
            try:
                yield Running(process)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


class Running:
    """A command that goes on, and what it and hythe say."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def line(self) -> str:
        """Wait for the next line on the command's standard output."""
        return _line(self.process.stdout)

    def picked_port(self) -> int:
        """Wait for hythe to say which port it picked for `-p 0:...`."""
        notice = _line(self.process.stderr)
        found = re.match(r"hythe: 127\.0\.0\.1:(\d+) ", notice)
        assert found, notice + self._rest()
        return int(found[1])

    def _rest(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=20)[1].decode()


def _line(stream: IO[bytes] | None) -> str:
    assert stream is not None
    return stream.readline().decode()


def _person(name: str, public_python: Path) -> Person:
    if name == "root":
        needs.root()
    person = Person(name, public_python, public_python.parents[2])
    reason = subprocess.run(
        [*person.prefix, person.python, "-c", CHECK], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    if reason:
        needs.lack(f"no hythe run for {name}: {reason}")
    return person


@pytest.fixture(scope="session", params=["root", "nobody"])
def person(request: pytest.FixtureRequest, public_python: Path) -> Person:
    """Return somebody who can run commands: root, then a user without rights."""
    return _person(request.param, public_python)


@pytest.fixture(scope="session")
def nobody(public_python: Path) -> Person:
    """Return a user without rights, for what does not depend on who it is."""
    return _person("nobody", public_python)


@pytest.fixture(scope="session")
def root(public_python: Path) -> Person:
    """Return root."""
    return _person("root", public_python)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that everybody can write to."""
    made = needs.public_folder()
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)
