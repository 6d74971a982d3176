"""The proxy as a session: `hythe ps`, `hythe netstat`, `hythe ctl NAME kill ID` and Prometheus ask here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hythe.errors import MachineError
from hythe.forward.session import ForwardResources
from hythe.proxy.config import MapConfig
from hythe.proxy.kinds import destination
from hythe.session import model

if TYPE_CHECKING:
    from hythe.forward.flows import Flows
    from hythe.forward.tunnel import Tunnel
    from hythe.proxy.server import Server


class Shown:
    """As `hythe.forward.session.Shown`. `words`: of the command line."""

    def __init__(self, name: str, words: Sequence[str], server: Server) -> None:
        self.name = name
        self.words = words
        self.flows: Flows = server.flows
        self.tunnels: Sequence[Tunnel] = ()


class ProxyResources(ForwardResources):
    """As those of a forward, which has streams and no packets either; its ports are its entries'."""

    def __init__(self, shown: Shown, server: Server) -> None:
        super().__init__(shown)
        self._server = server

    async def listeners(self, *, processes: bool = False) -> list[model.Listener]:
        """Where clients come in, and for mapped ports where they are led."""
        found = []
        for entry in self._server.entries:
            protocol = "udp" if entry.listen.udp else "tcp"
            leads = [model.End(entry.kind, 0)]
            if isinstance(entry.config, MapConfig):
                targets = (destination(each, protocol) for each in entry.config.to)
                leads = [model.End(each.host, each.port) for each in targets]
            for one in entry.sockets:
                host, port = one.getsockname()[:2]
                found += [model.Listener(protocol, model.End(host, port), each, None) for each in leads]
        return found

    async def publish(self, wanted: model.Publish) -> list[model.Listener]:
        """Not here."""
        raise nothing_published(wanted)


def nothing_published(wanted: model.Publish) -> MachineError:
    """What a proxy says to that."""
    return MachineError(f"a proxy publishes nothing ({wanted.publish}): change its file, and send it SIGHUP")
