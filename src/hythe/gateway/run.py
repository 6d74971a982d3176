"""`hythe run`: one command, its room, its gateway, from fork to exit status.

Start-up is part of what it promises, so the room is forked before the stack is imported: the child sets up the namespace
while the parent reads its own modules.
"""

from __future__ import annotations

import gc
import os
import signal
import stat

from hythe.errors import MachineError
from hythe.gateway import descriptors
from hythe.gateway.layout import Layout
from hythe.gateway.names.resolvconf import ResolvConf, tunnelled
from hythe.gateway.namespace import FORWARDED_SIGNALS, NetworkPlan, Room
from hythe.gateway.namespace.plan import BUFFER_MAX, CONGESTION_CONTROL
from hythe.gateway.options import RunOptions
from hythe.session import places
from hythe.wire import resolvconf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from hythe.gateway.attend import Watcher
    from hythe.gateway.session import Session
    from hythe.session.places import Claim

#: Bytes of the capture that are written at once.
_BUFFER = 1 << 18


def run(options: RunOptions, follow: Callable[[], Watcher]) -> tuple[int, Session]:
    """Run the command. Returns its exit status and the session; what `follow` returns follows the session meanwhile.

    Raises `UsageError`, `MachineError`.
    """
    descriptors.make_sure()
    claim = _claim(options)  # first, so that what it makes is hidden
    try:
        return _run(options, follow, claim)
    finally:
        if not isinstance(claim, str):
            claim.close()


def _run(options: RunOptions, follow: Callable[[], Watcher], claim: Claim | str) -> tuple[int, Session]:
    gc.disable()  # what start-up makes is here to stay; `attend` switches it on again
    layout = Layout(options)
    plan = NetworkPlan(
        mtu=options.mtu,
        congestion_control=CONGESTION_CONTROL if not options.distant else None,
        buffer_max=BUFFER_MAX if options.distant else None,
        ipv4=layout.ipv4.addressing if layout.ipv4 else None,
        ipv6=layout.ipv6.addressing if layout.ipv6 else None,
        resolv_conf=_resolv_conf(layout, options),
        hidden=[each for each in places.directories() if os.path.isdir(each)],
        capture=options.capture is not None,
        alone=options.tunnel is not None or bool(options.routes) or options.policy is not None,
        key_log=_key_log(claim) if options.keylog else None,
    )
    capture = open_capture(options.capture, private=options.keylog) if options.capture is not None else None
    room = Room.begin(plan, options.argv, wait=options.wait)
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED_SIGNALS)  # they wait until `attend` can send them on
    try:
        if options.hasty:
            room.go()  # nothing that can still fail stands in its way: it starts beside our imports, and its packets wait
        from hythe.gateway.attend import attend

        return attend(room, layout, options, capture, claim, follow())
    finally:
        room.close()


def _claim(options: RunOptions) -> Claim | str:
    """The session's name and socket, or a sentence why it has none, which is no obstacle unless it was asked for."""
    try:
        return places.claim("".join(options.argv[:1]), options.name)
    except MachineError as error:
        if options.name is not None:
            raise
        return str(error)


def _resolv_conf(layout: Layout, options: RunOptions) -> str | None:
    if options.dns == [] and not os.path.exists(resolvconf.PATH):
        return None  # no file to put ours in the place of, and no names to look up
    if options.tunnel is not None and options.tunnel.whole:
        return tunnelled(layout.families[0].gateway, options.tunnel.search)
    if options.led:
        return tunnelled(layout.families[0].gateway, [])
    return ResolvConf.read().inside(layout.families[0].gateway)


def _key_log(claim: Claim | str) -> str:
    """In our own directory, of which the command sees an empty one, its user's alone."""
    if isinstance(claim, str):
        raise MachineError(f"--keylog has no place for the command's secrets: {claim}")
    return f"{os.path.dirname(claim.path)}/keys"


def open_capture(path: str, *, private: bool) -> BinaryIO:
    """The file to capture to. `private`: nobody else may read it. Raises `MachineError`."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600 if private else 0o666)
        if private and stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, 0o600)  # it may have been there
        return os.fdopen(fd, "wb", _BUFFER)
    except OSError as error:
        raise MachineError(
            f"the capture file {path!r} cannot be written ({error.strerror}): name a file in a directory you may write to"
        ) from error
