"""`hythe run`: one command, its room, its gateway, from fork to exit status.

Start-up is part of what it promises, so the room is forked before the stack is imported: the child sets up the namespace
while the parent reads its own modules.
"""

from __future__ import annotations

import gc
import os
import signal

from hythe.errors import MachineError
from hythe.gateway import descriptors
from hythe.gateway.layout import Layout
from hythe.gateway.names import resolvconf
from hythe.gateway.names.resolvconf import ResolvConf
from hythe.gateway.namespace import FORWARDED_SIGNALS, NetworkPlan, Room
from hythe.gateway.namespace.plan import CONGESTION_CONTROL
from hythe.gateway.options import RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from hythe.gateway.attend import Watcher
    from hythe.gateway.session import Session


def run(options: RunOptions, follow: Callable[[], Watcher]) -> tuple[int, Session]:
    """Run the command. Returns its exit status and the session; what `follow` returns follows the session meanwhile.

    Raises `UsageError`, `MachineError`.
    """
    descriptors.make_sure()
    gc.disable()  # what start-up makes is here to stay; `attend` switches it on again
    layout = Layout(options)
    plan = NetworkPlan(
        mtu=options.mtu,
        congestion_control=CONGESTION_CONTROL if options.faults is None else None,
        ipv4=layout.ipv4.addressing if layout.ipv4 else None,
        ipv6=layout.ipv6.addressing if layout.ipv6 else None,
        resolv_conf=_resolv_conf(layout, options),
        hidden=[each for each in runtime_directories() if os.path.isdir(each)],
    )
    capture = _open_capture(options.capture) if options.capture is not None else None
    room = Room.begin(plan, options.argv, wait=options.wait)
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED_SIGNALS)  # they wait until `attend` can send them on
    try:
        if not options.publish:
            room.go()  # nothing that can still fail stands in its way: it starts beside our imports, and its packets wait
        from hythe.gateway.attend import attend

        return attend(room, layout, options, capture, follow())
    finally:
        room.close()


def runtime_directories() -> list[str]:
    """Where hythe's processes of this user keep what they tell each other; no command may look into it."""
    user = os.getuid()
    places = [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"]
    return list(dict.fromkeys([f"{place}/hythe" for place in places if place] + [f"/tmp/hythe-{user}"]))


def _resolv_conf(layout: Layout, options: RunOptions) -> str | None:
    if options.dns == [] and not os.path.exists(resolvconf.PATH):
        return None  # no file to put ours in the place of, and no names to look up
    return ResolvConf.read().inside(layout.families[0].gateway)


def _open_capture(path: str) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        raise MachineError(
            f"the capture file {path!r} cannot be written ({error.strerror}): name a file in a directory you may write to"
        ) from error
