"""`hythe gateway --wg FILE`: from the file to the end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from hythe.errors import MachineError
from hythe.gateway import descriptors
from hythe.gateway.options import RunOptions
from hythe.gateway.peers.attend import attend
from hythe.gateway.run import open_capture
from hythe.session import places
from hythe.tunnel.wireguard.config import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hythe.config import WireguardConfig
    from hythe.gateway.attend import Watcher
    from hythe.gateway.faults import Faults
    from hythe.gateway.publish.publications import Publication
    from hythe.gateway.session import Session
    from hythe.gateway.ways.policy import PolicyPlan
    from hythe.via.spec import Route
    from hythe.wire.resolvconf import Server


def serve(
    path: str,
    follow: Callable[[], Watcher],
    *,
    host_loopback: bool = False,
    peer_to_peer: bool = False,
    dns: list[Server] | None = None,
    publish: list[Publication] | None = None,
    capture: str | None = None,
    faults: Faults | None = None,
    moments: bool = False,
    name: str | None = None,
    settings: WireguardConfig | None = None,
    policy: PolicyPlan | None = None,
    routes: Sequence[Route] = (),
) -> Session:
    """Serve the peers of the WireGuard file `path` until a signal ends it. Raises `UsageError`, `MachineError`.

    Arguments as those of `RunOptions`; `settings`: WireGuard's timers, for tests.
    """
    descriptors.make_sure()
    configuration = read(path)
    options = RunOptions(
        ("hythe", "gateway", "--wg", os.path.abspath(path)),
        mtu=configuration.mtu,
        host_loopback=host_loopback,
        peer_to_peer=peer_to_peer,
        dns=dns,
        publish=publish,
        capture=capture,
        faults=faults,
        moments=moments,
        name=name,
        policy=policy,
        routes=routes,
    )
    try:
        claim: places.Claim | str = places.claim("gateway", name)
    except MachineError as error:
        if name is not None:
            raise
        claim = str(error)
    try:
        file = open_capture(capture, private=False) if capture is not None else None
        return asyncio.run(attend(configuration, options, file, claim, follow(), settings))
    finally:
        if not isinstance(claim, str):
            claim.close()
