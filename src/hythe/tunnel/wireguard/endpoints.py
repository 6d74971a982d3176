"""Names of endpoints: looked up at the start, and again when nobody answers there any more.

A look-up blocks, so a later one is done in a thread; its answer is picked up when the next handshake is tried, five seconds
later. A name may have several addresses, and where a peer was heard last may still be right: all are tried in turn.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from typing import Final

from hythe.errors import MachineError
from hythe.tunnel.wireguard.admission import Source
from hythe.tunnel.wireguard.config import Endpoint, PeerConfig
from hythe.tunnel.wireguard.outer import OuterSocket
from hythe.tunnel.wireguard.peer import Peer

#: Initiations without an answer after which another address is tried.
_PATIENCE: Final = 2


class Whereabouts:
    """Where one peer may be: at one of `candidates`, first."""

    __slots__ = ("_candidates", "_endpoint", "_found", "_outer", "_peer", "_thread", "_tried", "_turn")

    def __init__(self, peer: Peer, endpoint: Endpoint, outer: OuterSocket, candidates: list[Source]) -> None:
        self._peer = peer
        self._endpoint = endpoint
        self._outer = outer
        self._thread: threading.Thread | None = None
        self._found: list[Source] = []
        self._tried = 0
        self._turn = 0
        self._candidates = candidates
        peer.endpoint = candidates[0]

    def mind(self) -> None:
        """Called after timers have fired: if initiations go unanswered, the next goes elsewhere."""
        peer = self._peer
        if peer.unanswered < _PATIENCE or peer.unanswered == self._tried:
            self._tried = min(self._tried, peer.unanswered)
            return
        self._tried = peer.unanswered
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            self._candidates = self._found or self._candidates
        turns: list[Source] = self._candidates
        if peer.endpoint is not None and peer.endpoint not in turns:
            turns = self._candidates = [*turns, peer.endpoint]
        self._turn += 1
        peer.endpoint = turns[self._turn % len(turns)]
        if self._thread is None and not _is_address(self._endpoint.host):
            self._thread = threading.Thread(target=self._look_up, name="hythe-wireguard-endpoint", daemon=True)
            self._thread.start()

    def _look_up(self) -> None:
        try:
            self._found = _addresses(self._endpoint, self._outer)
        except OSError:
            self._found = []  # what was known stays, and is asked for again after the next time-out


def locate(config: PeerConfig, outer: OuterSocket, source: str) -> list[Source]:
    """Where the endpoint of a peer of the file `source` is. This blocks. Raises `MachineError`."""
    assert config.endpoint is not None
    try:
        return _addresses(config.endpoint, outer)
    except OSError as error:
        where = f"{source}:{config.line}" if config.line else source
        reason = error.strerror or error
        raise MachineError(
            f"{where}: Endpoint {config.endpoint} cannot be found ({reason}): check name and network"
        ) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _addresses(endpoint: Endpoint, outer: OuterSocket) -> list[Source]:
    """Every address of an endpoint that the socket can send to, in the machine's order. Raises OSError."""
    family = socket.AF_INET if outer.family == socket.AF_INET else socket.AF_UNSPEC
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, family, socket.SOCK_DGRAM, 0, socket.AI_ADDRCONFIG)
    except UnicodeError as error:  # an empty label, or one of more than 63 bytes
        raise OSError(errno.EINVAL, "no name can be written so") from error
    sources: list[Source] = []
    for each_family, _, _, _, address in found:
        scoped = each_family == socket.AF_INET6 and len(address) == 4 and address[3]
        sources.append(address if scoped else outer.address(str(address[0]), endpoint.port))
    return list(dict.fromkeys(sources))
