"""Connections as the API tells them, for the waterfall: the session began at 1000."""

from __future__ import annotations

from dataclasses import replace

from hythe.session.model import Connection, End, Moments, Pause, Process, Query, Tls

BEGAN = 1000.0
NOW = 1010.0

PLAIN = Connection(
    id=1,
    protocol="tcp",
    inbound=False,
    inside=End("10.83.64.100", 40000),
    remote=End("192.0.2.1", 443),
    outside_local=None,
    outside=End("192.0.2.1", 443),
    name="www.example",
    via=None,
    state="CLOSED",
    error=None,
    began=1001.0,
    ended=1004.0,
    bytes_up=500,
    bytes_down=70_000,
    held_up=0,
    held_down=0,
    rtt=None,
    retransmits=0,
    process=Process(4321, "curl", 1000, 5),
)
#: A name looked up, TLS, a server that thinks, and pauses while it answers.
FULL = replace(
    PLAIN,
    moments=Moments(
        reached=1001.1,
        connected=1001.2,
        tls_began=1001.2,
        tls_ended=1001.5,
        first_up=1001.5,
        last_up=1001.5,
        first_down=1002.0,
        last_down=1003.5,
        tls=Tls("www.example", ["h2", "http/1.1"], None, "TLS 1.3"),
        waits={"remote": 1.9, "command": 0.1},
        pauses=[Pause(1002.2, 1003.2, "remote")],
    ),
)


def called(connection: Connection, name: str) -> Connection:
    """The same to another name, as far as DNS knows and TLS says."""
    moments = connection.moments
    if moments is not None and moments.tls is not None:
        moments = replace(moments, tls=replace(moments.tls, name=name))
    return replace(connection, name=name, moments=moments)


QUERIES = [
    Query(1000.9, "www.example.", "A", "NOERROR", ["A 192.0.2.1"], 0.3),
    Query(1000.95, "www.example.", "AAAA", "NOERROR", [], 0.35),
    Query(1006.5, "nowhere.example.", "A", "NXDOMAIN", [], 0.5),
]
REFUSED = replace(
    PLAIN,
    id=2,
    began=1005.0,
    ended=1005.1,
    error="ECONNREFUSED",
    name=None,
    process=None,
    bytes_up=0,
    bytes_down=0,
    moments=Moments(),
)
DATAGRAMS = replace(
    PLAIN,
    id=3,
    protocol="udp",
    began=1006.0,
    ended=1009.0,
    state="ASSURED",
    moments=Moments(first_down=1006.25, last_down=1007.0),
)
INBOUND = replace(
    PLAIN,
    id=4,
    inbound=True,
    outside=End("127.0.0.1", 50000),
    name=None,
    began=1007.0,
    ended=None,
    state="ESTABLISHED",
    moments=Moments(reached=1007.0, connected=1007.1, first_down=1007.1, first_up=1007.6, last_up=1007.7, last_down=1007.1),
)
ALL = [FULL, REFUSED, DATAGRAMS, INBOUND]
#: An upload that the far end takes slowly, and a connection that reads faster than anybody writes.
SLOW = replace(
    PLAIN,
    id=5,
    name="files.example",
    began=1002.0,
    ended=1009.0,
    bytes_up=3 << 20,
    moments=Moments(
        connected=1002.3,
        first_up=1002.3,
        asked=1008.5,
        last_up=1008.5,
        first_down=1008.8,
        last_down=1008.8,
        waits={"remote full": 5.9, "remote": 0.3},
        pauses=[Pause(1004.0, 1005.5, "remote full")],
    ),
)
