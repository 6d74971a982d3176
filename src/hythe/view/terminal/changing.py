"""Changes to a session, as they are written in a dialog."""

from __future__ import annotations

import asyncio
from typing import Final

from hythe.errors import UsageError
from hythe.session.client import Session
from hythe.session.model import Listener

FAULTS_HINT: Final = (
    "name=value, with blanks between; what is not there is taken away.\n"
    "delay=50ms jitter=5ms rate=10mbit queue=64KiB loss=5% reorder=1% mark=5%\n"
    "duplicate=1% corrupt=1% path-mtu=1280; up-loss, down-loss … for one direction"
)
PUBLISH_HINT: Final = "[ADDR:]HOSTPORT:PORT[/udp], as hythe run -p has it: 8080:80"


def written(faults: dict[str, str]) -> str:
    """Faults as they are written."""
    return " ".join(f"{name.replace('_', '-')}={text}" for name, text in faults.items())


async def set_faults(session: Session, before: dict[str, str], text: str) -> None:
    """Those of `text`, and no others."""
    words: dict[str, str | None] = dict.fromkeys(before)
    for each in text.split():
        name, equals, value = each.partition("=")
        if not equals or not value:
            raise UsageError(f"{each!r} does not say what it shall be: write for example loss=5%")
        words[name.replace("-", "_")] = value
    await asyncio.to_thread(session.set_faults, **words)


async def publish(session: Session, text: str) -> None:
    """A port, or a range."""
    await asyncio.to_thread(session.publish, text.strip())


async def unpublish(session: Session, listener: Listener) -> None:
    """Take it away again."""
    if listener.id is None:
        raise UsageError("this port is not published: the command listens there itself")
    await asyncio.to_thread(session.unpublish, listener.id)
