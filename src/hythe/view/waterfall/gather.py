"""Where the connections of a waterfall come from: a session that has ended in this process, or one that runs elsewhere."""

from __future__ import annotations

import time
from typing import Final

from hythe.gateway.api import figures
from hythe.gateway.api.lookups import name_all, query
from hythe.gateway.session import Session
from hythe.session import client
from hythe.view.waterfall.model import Waterfall, waterfall

#: Ended connections asked of a running session.
ENDED: Final = 5_000


def of_session(session: Session, now: int) -> Waterfall:
    """Of a run that has ended. `now`: of the driver's clock."""
    name_all(session)
    epoch = time.time_ns() - now
    connections = [figures.connection(record, None, epoch) for record in session.records()]
    queries = [each for each in (query(answer, epoch) for answer in session.answers) if each is not None]
    found = waterfall(connections, queries, figures.moment(session.began, epoch), figures.moment(now, epoch))
    missing = session.count - len(connections)
    if missing > 0:
        found.notes.append(f"{missing} earlier connections are not shown: the last {len(connections)} are remembered")
    return found


def of_running(session: client.Session) -> Waterfall:
    """Of a session that runs; moments are there of what begins after the first time."""
    connections = session.connections(ended=ENDED, moments=True)
    return waterfall(connections, session.queries(), session.about().since, time.time())
