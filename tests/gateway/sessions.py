"""The sessions of the people in these tests, asked as any view asks them."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from hythe.session import places
from hythe.session.client import Session
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.gateway.conftest import Person, Running


T = TypeVar("T")


@contextmanager
def session(person: Person, options: str, *command: str) -> Iterator[tuple[Running, Session]]:
    """Run `command` beside the test in a session of its own name; its name is on time or the test fails."""
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    with person.running(f"--name {name} {options}", *command) as running:
        path = until(lambda: find(person, name), running)
        yield running, Session(name, path)


def find(person: Person, name: str) -> str | None:
    """Return the path of the socket of somebody's session, once it listens."""
    user = needs.NOBODY if person.name == "nobody" and os.getuid() == 0 else os.getuid()
    for place in (f"/run/user/{user}/hythe", f"/tmp/hythe-{user}"):
        try:
            places.connect(f"{place}/{name}.sock", 10).close()
        except OSError:
            continue
        return f"{place}/{name}.sock"
    return None


def until(ask: Callable[[], T | None], running: Running | None = None, seconds: float = 20.0) -> T:
    """Ask again until there is an answer."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it took too long"
        assert running is None or running.process.poll() is None, "hythe run has ended"
        time.sleep(0.01)
    return answer
