"""What each cause means, in words that need no knowledge of TCP, and what can be done about it.

A table of sentences: `{sender}` and `{receiver}` are the ends of the way that suffers, `{cost}` is the time that it took,
`{0}` and so on are the finding's figures in the forms beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.units import MILLISECOND, SECOND, format_bytes
from hythe.view.analysis.findings import Cause, Finding


def duration(nanoseconds: int) -> str:
    """In the unit that suits: ``1.7 s``, ``20 ms``, ``0.3 ms``."""
    if nanoseconds >= SECOND:
        return f"{nanoseconds / SECOND:.3g} s"
    return f"{nanoseconds / MILLISECOND:.3g} ms"


def plural(count: int, word: str) -> str:
    """``1 packet``, ``2 packets``."""
    return f"{count} {word}{'s' * (count != 1)}"


def _times(count: int) -> str:
    return plural(count, "time")


def _packets(count: int) -> str:
    return plural(count, "packet")


def _pauses(count: int) -> str:
    return plural(count, "pause")


def _closings(count: int) -> str:
    return f", {_times(count)} to the last byte" if count else ""


def _octets(mtu: int) -> str:
    return str(mtu) if mtu else "fewer"


def _which(way: int) -> str:
    return "answer to the first packet" if way else "first packet"


def _midway(problem: int) -> str:
    return "before it was over; what was on its way is lost" if problem else "after the other end had closed it"


class _Words(NamedTuple):
    what: str
    remedy: str
    forms: Sequence[Callable[[int], str]] = ()


_CAUSES: Final[Mapping[Cause, _Words]] = MappingProxyType(
    {
        Cause.SMALL_WINDOW: _Words(
            "{receiver} lets at most {0} be on their way at a time. A round trip takes {1}, so no more than {2} a second "
            "are possible, however fast the network is; {sender} waited {cost} for room (RFC 9293, 3.8.6).",
            "Give the socket of {receiver} a larger receive buffer, or leave its size to the system.",
            (format_bytes, duration, format_bytes),
        ),
        Cause.SLOW_READER: _Words(
            "The program at {receiver} reads more slowly than data come. Its buffer filled up{0}, and {sender} had to wait "
            "{cost} for room (RFC 9293, 3.8.6).",
            "Look at what the program at {receiver} does between its reads: the network is not the matter.",
            (_closings,),
        ),
        Cause.SLOW_SENDER: _Words(
            "The program at {sender} had nothing to send for {cost}, in {0}, although the network and {receiver} were "
            "ready.",
            "Look at what the program at {sender} does between its writes: the network is not the matter.",
            (_pauses,),
        ),
        Cause.LOSS: _Words(
            "{0} of {1} from {sender} got lost on the way and had to be sent again. The round-trip time had not grown "
            "before, so no full queue is to be seen: the path itself loses packets (RFC 5681, 3.2).",
            "Look for a bad cable, a weak radio signal, or a device that limits by dropping.",
            (_packets, str),
        ),
        Cause.CONGESTION: _Words(
            "{0} of {1} from {sender} got lost when a queue on the way was full. That is how TCP finds out how fast a path "
            "is (RFC 5681, 3.1).",
            "Nothing is broken; a faster link, or fewer who share it, would help.",
            (_packets, str),
        ),
        Cause.TAIL_LOSS: _Words(
            "The last packets of what {sender} had to send got lost. Nothing came behind them by which {receiver} could "
            "have noticed, so {sender} found out by a timer only: {cost} (RFC 8985, 7.3; RFC 6298, 5.4).",
            "Losses hurt short answers most. Look for what loses packets on the path.",
        ),
        Cause.REORDERING: _Words(
            "Packets from {sender} overtook each other on the way: {0} came late without being lost, and as "
            "lost were sent again, for nothing: {1} (RFC 5681, 3.2; RFC 2883, 5).",
            "Some device on the path spreads one connection over several links or queues; it should keep it on one.",
            (_packets, str),
        ),
        Cause.BUFFERBLOAT: _Words(
            "A queue on the way from {sender} holds far too much: a round trip that takes {0} when it is empty took {1} "
            "while data flowed. Whatever else uses this path waits as long (RFC 7567, 1).",
            "Limit the rate just below that of the slowest link, or turn on smart queue management (fq_codel, CAKE) there.",
            (duration, duration),
        ),
        Cause.NAGLE: _Words(
            "{0}, {sender} wrote a small piece, and another one before the first was acknowledged. Its system kept the "
            "second back (Nagle's algorithm: RFC 9293, 3.7.4) while that of {receiver} delayed the acknowledgment "
            "(RFC 9293, 3.8.6.3): each waited for the other, {1} each time.",
            "At {sender}, write what belongs together at once, or set TCP_NODELAY.",
            (_times, duration),
        ),
        Cause.BLACK_HOLE: _Words(
            "Long packets from {sender} never arrive, with {0} bytes of data, however often they are sent; short ones do. A "
            "link on the way carries no packets of that size, and does not say so (RFC 2923, 2.1; RFC 8899).",
            "Let ICMP through the firewalls, lower the MTU at {sender}, or clamp the MSS; net.ipv4.tcp_mtu_probing=1 helps.",
            (str,),
        ),
        Cause.SYN_LOSS: _Words(
            "The {1} of the connection had to be sent {0}; opening it took {cost} longer (RFC 6298, 5.7).",
            "A packet got lost, or the server was too busy to take new connections: look at its listen queue.",
            (_times, _which),
        ),
        Cause.NO_ANSWER: _Words(
            "{receiver} never answered, though {sender} asked {0} in {cost}.",
            "A firewall drops these packets, or nobody has the address.",
            (_times,),
        ),
        Cause.REFUSED: _Words(
            "{receiver} refused the connection: the machine is there, but no program listens on this port "
            "(RFC 9293, 3.10.7.1).",
            "Start the server, or look whether it listens on this address and port; a firewall may refuse like this, too.",
        ),
        Cause.RESET: _Words(
            "{sender} broke the connection off (RST) {0} (RFC 9293, 3.5.2).",
            "The program at {sender} crashed, or closed the socket with data unread; or a device between broke it off.",
            (_midway,),
        ),
        Cause.UNREACHABLE: _Words(
            "{told[0]} said of a packet from {sender} that {told[1]} (ICMP {told[2]}): {told[3]}.",
            "Look at the route and the filters at {told[0]}; it may be {receiver} itself that is gone.",
        ),
        Cause.PATH_MTU: _Words(
            "{told[0]} said that a packet from {sender} was too long: the next link takes {0} bytes. {sender} sent {1} "
            "again, shorter ones from then on. That is how the length that a path takes is found (RFC 1191, 6; RFC 8201).",
            "Nothing is broken.",
            (_octets, _packets),
        ),
        Cause.SILENCE: _Words(
            "Nothing came from {receiver} any more, though {sender} sent the same data {0} again, for {cost} (RFC 6298, "
            "5.5).",
            "The other machine is gone, or the path is; or the path does not carry long packets, and there were no short "
            "ones.",
            (_times,),
        ),
    }
)


def sentences(found: Finding, sender: str, receiver: str) -> tuple[str, str]:
    """What happened, and what can be done."""
    words = _CAUSES[found.cause]
    figures = [form(figure) for form, figure in zip(words.forms, found.figures, strict=False)]
    named = {"sender": sender, "receiver": receiver, "cost": duration(found.cost), "told": found.told}
    return words.what.format(*figures, **named), words.remedy.format(**named)
