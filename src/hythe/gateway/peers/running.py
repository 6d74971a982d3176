"""The gateways of this user that run: which files they serve, and how they are told that one has changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from hythe.errors import UsageError
from hythe.session.client import SessionEndedError, running
from hythe.session.model import About

_WORDS = ["hythe", "gateway", "--wg"]


def gateways() -> Iterator[tuple[About, str]]:
    """Each with the path of its file."""
    for session in running():
        try:
            about = session.about()
        except SessionEndedError:
            continue  # or it does not answer
        if about.command[: len(_WORDS)] == _WORDS and len(about.command) > len(_WORDS):
            yield about, about.command[len(_WORDS)]


def gateway_of(file: str) -> About | None:
    """The one that serves `file`, if there is one."""
    return next((about for about, path in gateways() if os.path.realpath(path) == os.path.realpath(file)), None)


def only_file() -> str:
    """The file of the one that runs. Raises `UsageError` unless there is exactly one."""
    found = [path for _, path in gateways()]
    if len(found) != 1:
        count = "several gateways run" if found else "no gateway runs"
        raise UsageError(f"{count}, so it is not clear whose peer that is: name the file, hythe wg add-peer NAME FILE")
    return found[0]


def reload(about: About) -> None:
    """Have it read its file again. Raises `UsageError` where it has just ended."""
    try:
        os.kill(about.pid, signal.SIGHUP)
    except ProcessLookupError as error:
        raise UsageError(
            f"the gateway {about.name} has ended meanwhile: the peer is let in when it is started again"
        ) from error
