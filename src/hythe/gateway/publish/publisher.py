"""All published ports of one run."""

from __future__ import annotations

from typing import NamedTuple

from hythe.gateway.layout import Layout
from hythe.gateway.publish.datagrams import DatagramPublishGate, PublishedDatagrams
from hythe.gateway.publish.listening import listen
from hythe.gateway.publish.publications import Publication
from hythe.gateway.publish.streams import PublishedPort, PublishGate


class Published(NamedTuple):
    """One socket that listens outside, at (`address`, `outside`), for port `inside` of the command at `target` (packed).

    `number`: its own.
    """

    number: int
    protocol: str
    address: str
    outside: int
    inside: int
    target: bytes


class Publisher:
    """Publishes more whenever it is asked to, and less; `close` ends it all. `ports`: those that are listened on."""

    def __init__(self, streams: PublishGate, datagrams: DatagramPublishGate, layout: Layout) -> None:
        self._layout = layout
        self._streams = streams
        self._datagrams = datagrams
        self._open: list[PublishedPort | PublishedDatagrams] = []  # beside `ports`
        self._count = 0
        self.ports: list[Published] = []

    def publish(self, publications: list[Publication]) -> list[Published]:
        """Open the sockets of all of them, or raise `MachineError` and open none."""
        before = len(self._open)
        try:
            for publication in publications:
                self._publish(publication)
        except BaseException:
            self._close_from(before)
            raise
        return self.ports[before:]

    def _publish(self, publication: Publication) -> None:
        families = self._layout.seen_from(publication.peer)
        sockets = listen(publication)
        inside, protocol = publication.inside, publication.protocol
        for each in sockets:
            if publication.udp:
                self._open.append(PublishedDatagrams(each, inside, self._datagrams, families))
            else:
                self._open.append(PublishedPort(each, inside, self._streams, families))
            address, port, *_ = each.getsockname()
            self._count += 1
            self.ports.append(Published(self._count, protocol, address, port, inside, families[0].command))
        if not publication.outside:
            names = " and ".join(
                f"[{each.address}]:{each.outside}" if ":" in each.address else f"{each.address}:{each.outside}"
                for each in self.ports[-len(sockets) :]
            )
            whose = f"{publication.peer}'s" if publication.peer is not None else "the command's"
            self._streams.session.notice(f"{names} leads to {whose} {protocol} port {inside}")

    def unpublish(self, number: int, now: int) -> Published | None:
        """Listen no more at one of them, and tell which it was; clients that are connected stay, those of UDP cannot."""
        for place, port in enumerate(self.ports):
            if port.number == number:
                opened = self._open.pop(place)
                if isinstance(opened, PublishedDatagrams):
                    self._datagrams.forget(opened, now)
                opened.close()
                return self.ports.pop(place)
        return None

    def close(self) -> None:
        """Listen no more; clients that are connected stay."""
        self._close_from(0)

    def _close_from(self, first: int) -> None:
        for port in self._open[first:]:
            port.close()
        del self._open[first:], self.ports[first:]
