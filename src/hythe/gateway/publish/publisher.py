"""All published ports of one run."""

from __future__ import annotations

from hythe.gateway.publish.datagrams import DatagramPublishGate, PublishedDatagrams
from hythe.gateway.publish.listening import listen
from hythe.gateway.publish.publications import Publication
from hythe.gateway.publish.streams import PublishedPort, PublishGate


class Publisher:
    """Opens every publication's sockets, or raises `MachineError`; `close` ends them all."""

    def __init__(self, publications: list[Publication], streams: PublishGate, datagrams: DatagramPublishGate) -> None:
        self._streams = streams
        self._datagrams = datagrams
        self._ports: list[PublishedPort | PublishedDatagrams] = []
        try:
            for publication in publications:
                self._publish(publication)
        except BaseException:
            self.close()
            raise

    def _publish(self, publication: Publication) -> None:
        sockets = listen(publication)
        if publication.udp:
            self._ports += [PublishedDatagrams(each, publication.inside, self._datagrams) for each in sockets]
        else:
            self._ports += [PublishedPort(each, publication.inside, self._streams) for each in sockets]
        if not publication.outside:
            names = " and ".join(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                for host, port, *_ in (each.getsockname() for each in sockets)
            )
            inside = f"{publication.protocol} port {publication.inside}"
            self._streams.session.notices.append(f"{names} leads to the command's {inside}")

    def close(self) -> None:
        """Listen no more; clients that are connected stay."""
        for port in self._ports:
            port.close()
        self._ports.clear()
