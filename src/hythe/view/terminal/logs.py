"""Lines of what is no connection: DNS queries, what happened, ports."""

from __future__ import annotations

import time

from hythe.session.model import Listener, Query
from hythe.view.sessions import outcome
from hythe.view.summary import endpoint
from hythe.view.terminal.cells import lapse
from hythe.view.terminal.columns import remote
from hythe.view.terminal.lines import Drawn
from hythe.view.visible import visible
from hythe.view.watch.model import Happening


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) if at else " " * 8


def query_heading(_width: int) -> str:
    """Of DNS queries."""
    return "AT       TYPE  TOOK   ANSWER   NAME AND RECORDS"


def query_line(query: Query, _width: int) -> Drawn:
    """One query, with what was answered."""
    took = lapse(query.took) if query.took is not None else "here"
    text = f"{_clock(query.at)} {query.type:<5} {took:<6} {query.rcode:<8} {query.name}  {', '.join(query.answers)}"
    return visible(text), "" if query.rcode == "NOERROR" else "red"


def happening_heading(_width: int) -> str:
    """Of the log."""
    return "AT       WHAT      WHICH"


def happening_line(happening: Happening, _width: int) -> Drawn:
    """One thing that happened."""
    connection = happening.connection
    text, wrong = happening.text, happening.kind == "refused"
    if connection is not None:
        text = f"{connection.id} {connection.protocol} {remote(connection)}"
        if happening.kind != "opened":
            text += f"  {outcome(connection)}"
            wrong = connection.error is not None
    return f"{_clock(happening.at)} {happening.kind:<9} {visible(text)}", "red" if wrong else ""


def port_heading(_width: int) -> str:
    """Of ports."""
    return "ID    PROTO OUTSIDE                INSIDE                 PROCESS"


def port_line(listener: Listener, _width: int) -> Drawn:
    """One port: published, or listened on inside."""
    number = str(listener.id) if listener.id is not None else ""
    outside = endpoint(listener.outside.address, listener.outside.port) if listener.outside is not None else ""
    inside = endpoint(listener.inside.address, listener.inside.port)
    process = f"{listener.process.pid}/{listener.process.program}" if listener.process is not None else ""
    text = f"{number:<5} {listener.protocol:<5} {outside:<22} {inside:<22} {process}"
    return visible(text), "bold" if listener.id is not None else ""
