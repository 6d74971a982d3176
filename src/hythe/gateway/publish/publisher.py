"""All published ports of one run."""

from __future__ import annotations

from hythe.gateway.publish.listening import listen
from hythe.gateway.publish.publications import Publication
from hythe.gateway.publish.streams import PublishedPort, PublishGate


class Publisher:
    """Opens every publication's sockets, or raises `MachineError`; `close` ends them all."""

    def __init__(self, publications: list[Publication], streams: PublishGate) -> None:
        self._ports: list[PublishedPort] = []
        try:
            for publication in publications:
                self._publish(publication, streams)
        except BaseException:
            self.close()
            raise

    def _publish(self, publication: Publication, streams: PublishGate) -> None:
        sockets = listen(publication)
        self._ports += [PublishedPort(each, publication.inside, streams) for each in sockets]
        if not publication.outside:
            names = " and ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                                 for host, port, *_ in (each.getsockname() for each in sockets))
            inside = f"{publication.protocol} port {publication.inside}"
            streams.session.notices.append(f"{names} leads to the command's {inside}")

    def close(self) -> None:
        """Listen no more; clients that are connected stay."""
        for port in self._ports:
            port.close()
        self._ports.clear()
