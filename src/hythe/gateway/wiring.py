"""The links between the device and the gateway's host, which can be changed while packets go by.

From below: the device (and the capture of `--capture`), whoever watches, the faults. What has no use is not there, and costs
nothing. The host is moved to another link between two turns, when none of its packets is in anybody's hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hythe.errors import UsageError
from hythe.gateway.faults import NAMES, Faults, parse
from hythe.link.faults import FaultLink, Plan
from hythe.link.watch import Watcher, WatchLink

if TYPE_CHECKING:
    from hythe.gateway.gateway import Gateway
    from hythe.link.base import Link

#: Seconds between looks whether a wire without faults is empty.
_LOOK: Final = 0.05


class Wiring:
    """Of one gateway. `base`: the link without faults; `faults`: those that the run began with.

    `words`: the faults of now, as one would write them; `seed`: by which fates are decided, None before the first.
    """

    def __init__(self, gateway: Gateway, base: Link, faults: Faults | None) -> None:
        self._gateway = gateway
        self._base = base
        self._watched: WatchLink | None = None
        self.seed = faults.seed if faults is not None else None
        self.words: dict[str, str] = dict(faults.words) if faults is not None else {}

    def change(self, words: Mapping[str, str | None]) -> None:
        """Change faults by name; None takes one away. Raises `UsageError`, and then nothing has changed."""
        for name in words:
            if name.removeprefix("up_").removeprefix("down_") not in NAMES:
                raise UsageError(f"there is no fault {name!r}: there are {', '.join(NAMES)}, alone or with up_ or down_")
        wanted = {name: text for name, text in {**self.words, **words}.items() if text is not None}
        faults = parse(wanted, self.seed if wanted else None)
        self.words = wanted
        wire = self._gateway.wire
        if faults is None:
            if wire is not None:
                self._calm(wire)
            return
        self.seed = faults.seed
        if wire is None:
            wire = faults.wrap(self._below)
            self._move(wire, wire)
        else:
            wire.up.plan, wire.down.plan = faults.up, faults.down

    def _calm(self, wire: FaultLink) -> None:
        """No more faults: what is on its way arrives, and then the wire goes."""
        wire.up.plan = wire.down.plan = Plan()
        asyncio.get_running_loop().call_later(_LOOK, self._take_away, wire)

    def _take_away(self, wire: FaultLink) -> None:
        if self.words or self._gateway.wire is not wire or self._gateway.driver.closed:
            return
        if len(wire.up) or len(wire.down):
            self._calm(wire)
        else:
            self._move(self._below, None)

    def watch(self, watcher: Watcher) -> None:
        """Show it all packets, as the command sees them."""
        if self._watched is None:
            self._watched = WatchLink(self._base)
            self._restack()
        self._watched.watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """No more."""
        if self._watched is not None:
            self._watched.watchers.remove(watcher)
            if not self._watched.watchers and not self._gateway.driver.closed:
                self._watched = None
                self._restack()

    @property
    def _below(self) -> Link:
        """What the faults stand on."""
        return self._watched or self._base

    def _restack(self) -> None:
        wire = self._gateway.wire
        if wire is not None:
            wire.stand_on(self._below)
        else:
            self._move(self._below, None)

    def _move(self, link: Link, wire: FaultLink | None) -> None:
        gateway = self._gateway
        gateway.wire = wire
        gateway.driver.remove_link(gateway.interface)
        gateway.host.move(gateway.interface, link)
        gateway.listen()
