"""Where the connections of a waterfall come from: a session that has ended in this process, or one that runs elsewhere."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from hythe.gateway.api import figures
from hythe.gateway.api.lookups import name_all, query
from hythe.gateway.session import Session
from hythe.session import client
from hythe.view.waterfall.model import COMMAND, Inside, Waterfall, waterfall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hythe.session.model import Connection
    from hythe.tunnel.wireguard.report import PeerReport

#: Ended connections asked of a running session.
ENDED: Final = 5_000


def of_session(session: Session, now: int, *, peers: bool = False) -> Waterfall:
    """Of a run that has ended. `now`: of the driver's clock. `peers`: not a command was inside, but peers of a tunnel."""
    name_all(session)
    epoch = time.time_ns() - now
    connections = [figures.connection(record, None, epoch) for record in session.records()]
    queries = [each for each in (query(answer, epoch) for answer in session.answers) if each is not None]
    inside = Inside(_peer_of(session.peers() if session.peers is not None else ()), "the peer") if peers else COMMAND
    found = waterfall(connections, queries, figures.moment(session.began, epoch), figures.moment(now, epoch), inside)
    missing = session.count - len(connections)
    if missing > 0:
        found.notes.append(f"{missing} earlier connections are not shown: the last {len(connections)} are remembered")
    return found


def _peer_of(peers: Sequence[PeerReport]) -> Callable[[Connection], str]:
    """Which peer of a tunnel has a connection: its name, or its address."""

    def who(connection: Connection) -> str:
        address = ip_address(connection.inside.address)
        fits = [(network.prefixlen, each.name) for each in peers for network in each.allowed_ips if address in network]
        return max(fits, default=(0, ""))[1] or connection.inside.address

    return who


def of_running(session: client.Session) -> Waterfall:
    """Of a session that runs; moments are there of what begins after the first time."""
    connections = session.connections(ended=ENDED, moments=True)
    return waterfall(connections, session.queries(), session.about().since, time.time())
