"""What `hythe run` decides before it forks."""

from __future__ import annotations

import shutil

from tests import needs
from tests.gateway.conftest import Person


def test_the_command_cannot_look_into_the_runtime_directory(person: Person) -> None:
    place = needs.public_folder()
    try:
        (place / "hythe").mkdir()
        (place / "hythe" / "session.sock").write_text("not for the command")
        ran = person.run("", "ls", "-A", str(place / "hythe"), XDG_RUNTIME_DIR=str(place))
    finally:
        shutil.rmtree(place)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
