"""From what the gateway knows to what the API says: records, flows and ports as objects of `session.model`."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from hythe.gateway.moments.record import UNDECIDED, WAITS
from hythe.gateway.pumps import Splice
from hythe.session import model
from hythe.units import SECOND
from hythe.wire import inetdiag
from hythe.wire.segment import split_key

if TYPE_CHECKING:
    from hythe.gateway.api.inside import Pair
    from hythe.gateway.moments.record import Moments
    from hythe.gateway.session import FlowRecord, LiveFlow
    from hythe.link.faults.direction import Tally
    from hythe.tcp.connection import Connection
    from hythe.tunnel.wireguard.report import PeerReport


_PROTOCOLS: Final[Mapping[str, int]] = {"tcp": inetdiag.TCP, "udp": inetdiag.UDP}
_ANY6: Final = bytes(16)


def moment(now: int, epoch: int) -> float:
    """Seconds since 1970 of an instant. `epoch`: nanoseconds since 1970 when the driver's clock read 0."""
    return (now + epoch) / SECOND


def peer(report: PeerReport, now: int) -> model.Peer:
    """One peer of a tunnel. `now`: nanoseconds since 1970."""
    return model.Peer(
        public_key=report.public_key,
        name=report.name,
        endpoint=report.endpoint,
        allowed_ips=[str(each) for each in report.allowed_ips],
        handshake=(now - report.handshake) / SECOND if report.handshake is not None else None,
        received=report.received,
        sent=report.sent,
        keepalive=report.keepalive / SECOND,
        preshared=report.preshared,
        trying=report.trying,
    )


def connection(
    record: FlowRecord, flow: LiveFlow | None, epoch: int, process: model.Process | None = None
) -> model.Connection:
    """One connection as it is now; `flow` is None for one that has ended."""
    held_up = held_down = 0
    if flow is not None:
        flow.refresh()
        if isinstance(flow, Splice):
            held_up = flow.connection.recvq.held
            held_down = flow.connection.sendq.end - flow.connection.snd_una
    return model.Connection(
        id=record.number,
        protocol=record.protocol,
        inbound=record.inbound,
        inside=model.End(*record.inside),
        remote=model.End(*record.destination),
        outside_local=_local_end(flow.fileno()) if flow is not None else None,
        outside=model.End(*record.outside) if record.outside is not None else None,
        name=record.name or None,
        via=record.via or None,
        state=record.state,
        error=error_name(record.error),
        began=moment(record.began, epoch),
        ended=moment(record.ended, epoch) if record.ended else None,
        bytes_up=record.bytes_up,
        bytes_down=record.bytes_down,
        held_up=held_up,
        held_down=max(0, held_down),
        rtt=record.rtt / SECOND if record.rtt else None,
        retransmits=record.retransmits,
        process=process or (record.moments.process if record.moments is not None else None),
        moments=moments(record.moments, epoch, 0 if record.ended else monotonic_ns()) if record.moments else None,
    )


def moments(noted: Moments, epoch: int, now: int = 0) -> model.Moments:
    """What was noted. `now`: of the driver's clock, while the connection goes on, for what it waits for meanwhile."""

    def at(when: int) -> float | None:
        return moment(when, epoch) if when else None

    spent = list(noted.spent)
    if now and noted.at and noted.waiting != UNDECIDED:
        spent[noted.waiting] += now - noted.at
    hello, answer = noted.hello, noted.answer
    return model.Moments(
        reached=at(noted.reached),
        connected=at(noted.connected),
        tls_began=at(noted.tls_began),
        tls_ended=at(noted.tls_ended),
        first_up=at(noted.first_up),
        asked=at(noted.asked),
        last_up=at(noted.last_up),
        first_down=at(noted.first_down),
        last_down=at(noted.last_down),
        tls=model.Tls(
            name=hello.name or None,
            offered=[each.decode("ascii", "backslashreplace") for each in hello.protocols],
            protocol=answer.protocol.decode("ascii", "backslashreplace") or None if answer is not None else None,
            version=answer.version if answer is not None else None,
        )
        if hello is not None
        else None,
        waits={WAITS[each]: length / SECOND for each, length in enumerate(spent) if length},
        pauses=[model.Pause(moment(start, epoch), moment(end, epoch), WAITS[each]) for start, end, each in noted.pauses],
        pauses_left_out=noted.left_out,
        outside_rtt=noted.outside_rtt / SECOND or None,
        outside_resent=noted.outside_resent if noted.outside_resent >= 0 else None,
    )


def pair(record: FlowRecord) -> Pair | None:
    """The command's end of a TCP or UDP flow, and the far one."""
    protocol = _PROTOCOLS.get(record.protocol)
    return (protocol, *split_key(record.key)) if protocol is not None else None


def holder(record: FlowRecord, held: Mapping[Pair, model.Process]) -> model.Process | None:
    """Who holds the command's end of a TCP or UDP flow, if it can be told."""
    exact = pair(record)
    if exact is None:
        return None
    protocol, inside, port, remote, remote_port = exact
    nowhere = bytes(len(inside))
    for local, far, far_port in (
        (inside, remote, remote_port),
        (inside, nowhere, 0),
        (nowhere, nowhere, 0),
        (_ANY6, _ANY6, 0),
    ):
        found = held.get((protocol, local, port, far, far_port))
        if found is not None:
            return found
    return None


def address(packed: bytes) -> str:
    """An address for people."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def error_name(number: int) -> str | None:
    """``ECONNREFUSED``; None for no error."""
    return errno.errorcode.get(number, str(number)) if number else None


def _local_end(fd: int) -> model.End | None:
    if fd < 0:
        return None
    try:
        with socket.socket(fileno=os.dup(fd)) as outside:
            name: Any = outside.getsockname()
    except OSError:
        return None  # it has failed, and is about to go
    return end(name)


def end(name: Any) -> model.End | None:
    """What getsockname(2) tells, where that is an address of the Internet's families."""
    return model.End(name[0], name[1]) if isinstance(name, tuple) else None


def info(connection: Connection) -> model.Info:
    """`Connection.info()` for the API."""
    found = connection.info()

    def seconds(nanoseconds: int) -> float | None:
        return nanoseconds / SECOND if 0 < nanoseconds < 1 << 62 else None

    return model.Info(
        congestion=found.congestion,
        cwnd=found.cwnd,
        ssthresh=found.ssthresh if found.ssthresh < 1 << 31 else None,
        rtt=seconds(found.rtt),
        rtt_min=seconds(found.rtt_min),
        rtt_variance=seconds(found.rtt_variance),
        rto=found.rto / SECOND,
        mss=found.mss,
        receive_mss=found.receive_mss,
        unacknowledged=found.unacknowledged,
        unsent=found.unsent,
        unread=found.unread,
        send_window=found.send_window,
        receive_window=found.receive_window,
        delivered=found.delivered,
        sacked=found.sacked,
        lost=found.lost,
        resent=found.resent,
        reordering=found.reordering,
        pacing_rate=int(found.pacing_rate),
        retransmits=found.retransmits,
        fast_retransmits=found.fast_retransmits,
        timeouts=found.timeouts,
        backoff=found.backoff,
        undone=found.undone,
        dsacks=found.dsacks,
        ecn=bool(found.ecn),
    )


def tally(found: Tally) -> model.Tally:
    """What became of the packets of one direction."""
    return model.Tally(
        arrived=found.arrived,
        passed=found.passed,
        lost=found.lost,
        dropped=found.dropped,
        late=found.late,
        doubled=found.doubled,
        corrupted=found.corrupted,
    )
