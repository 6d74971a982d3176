"""The parent's half of `hythe run`: serve the command's network until the command has ended."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import select
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from hythe.gateway.api.door import Door
from hythe.gateway.gateway import Gateway
from hythe.gateway.layout import Layout
from hythe.gateway.namespace import FORWARDED_SIGNALS, Room
from hythe.gateway.options import RunOptions
from hythe.gateway.session import Session
from hythe.link.base import Link
from hythe.link.tun import Tun
from hythe.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from hythe.gateway.api.resources import Resources
    from hythe.gateway.capture.recorder import Recorder
    from hythe.session.places import Claim

#: How long what the command sent before it ended may take on its way out without any progress.
DRAIN_LIMIT: Final = 5 * SECOND
_DRAIN_STEP: Final = 5 * MILLISECOND
#: What ends that wait, now that there is no command to send them on to.
_ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

#: Runs beside the gateway and is cancelled at the end: a view that follows the session.
Watcher = Callable[[Session], Coroutine[Any, Any, None]]


def attend(
    room: Room, layout: Layout, options: RunOptions, capture: BinaryIO | None, claim: Claim | str, watch: Watcher
) -> tuple[int, Session]:
    """Wait for the room, serve it, and return the command's exit status and what there is to tell of its connections.

    `claim`: where the session can be asked, or why nowhere.
    """
    # PYTHONASYNCIODEBUG and PYTHONDEVMODE are meant for the command, whose standard error is ours.
    return asyncio.run(_attend(room, layout, options, capture, claim, watch), debug=False)


async def _attend(
    room: Room, layout: Layout, options: RunOptions, capture: BinaryIO | None, claim: Claim | str, watch: Watcher
) -> tuple[int, Session]:
    loop = asyncio.get_running_loop()
    gc.freeze()  # modules are not worth looking through for garbage, ever
    gc.enable()
    room.ready()
    raise_descriptor_limit()
    for number in FORWARDED_SIGNALS:
        loop.add_signal_handler(number, room.signal, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED_SIGNALS)
    link: Link = Tun(os.dup(room.tun_fd), options.mtu)
    recorder = None
    if capture is not None:
        from hythe.gateway.capture.recorder import Recorder  # start-up pays for what is used

        link = recorder = Recorder(link, capture, room, layout)
    wire = options.faults.wrap(link) if options.faults is not None else None
    tunnel = options.tunnel.begin() if options.tunnel is not None else None
    gateway = Gateway(wire or link, layout, options, tunnel)
    gateway.wire = wire  # above the capture, which sees what the command does
    if recorder is not None:
        recorder.follow(gateway)
    gateway.session.notices += room.warnings
    if options.moments:
        from hythe.gateway.moments.noting import begin

        begin(gateway.session, room)
    if options.faults is not None and options.faults.notice is not None:
        gateway.session.notice(options.faults.notice)
    door = open_door(claim, gateway, link, room, layout, options, recorder)
    watching = loop.create_task(watch(gateway.session))
    ended = loop.create_future()
    loop.add_reader(room.pidfd, _resolve, ended, None)
    loop.set_exception_handler(lambda _, context: _look_at(context.get("exception"), ended, gateway.session))
    try:
        if gateway.asker is not None:
            await gateway.asker.start()
        if not options.hasty:
            room.go()  # now that its ports are ours, and its tunnel
        await ended
        loop.remove_reader(room.pidfd)
        status = room.wait()
        await _drain(gateway)
    finally:
        if door is not None:
            await door.close()
        gateway.close()
        if gateway.asker is not None:
            await gateway.asker.close()
        if gateway.ways is not None:
            await gateway.ways.close()
        if tunnel is not None:
            tunnel.link.close()
        if recorder is not None:
            gateway.session.notices += recorder.finish()
        watching.cancel()
        await asyncio.wait([watching])
    return status, gateway.session


def open_door(
    claim: Claim | str,
    gateway: Gateway,
    base: Link,
    room: Room | None,
    layout: Layout,
    options: RunOptions,
    recorder: Recorder | None,
) -> Door | None:
    """Let the session be asked; None where it has no place. `base`: the link beneath faults and watchers."""
    if isinstance(claim, str):
        gateway.session.notice(claim)
        return None

    def resources() -> Resources:
        from hythe.gateway.api.resources import Resources  # when the first request has come
        from hythe.gateway.wiring import Wiring

        wiring = Wiring(gateway, base, options.faults)
        return Resources(claim.name, gateway, wiring, room, layout, options, recorder)

    return Door(claim.listener, resources, gateway.session.notice)


def _look_at(error: BaseException | None, ended: asyncio.Future[None], session: Session) -> None:
    """Something went wrong in the loop: the command has taken its own device away, as root may, or we have a bug."""
    if isinstance(error, OSError) and error.errno == errno.EBADFD:  # drivers/net/tun.c
        session.notice("the command has deleted hythe0, so it has no network any more: start it anew for another")
    else:
        _resolve(ended, error)


def _resolve(ended: asyncio.Future[None], bug: BaseException | None) -> None:
    """The command has ended, or we have a bug: better a traceback than a network that is silently dead."""
    if not ended.done():
        if bug is None:
            ended.set_result(None)
        else:
            ended.set_exception(bug)


async def _drain(gateway: Gateway) -> None:
    """The command is gone, but its kernel may still be sending what it wrote: let that out, as any machine would."""
    clock = gateway.driver.clock
    seen, since = -1, clock()
    interrupted = asyncio.Event()
    for number in _ENDING:
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    unread = select.poll()
    unread.register(gateway.interface.link.fileno(), select.POLLIN)
    while not interrupted.is_set():
        if any(events & select.POLLIN for _, events in unread.poll(0)):
            pause = 0.0  # packets for the driver's next turns: datagrams, it may be
        elif gateway.sending or (gateway.wire is not None and gateway.wire.holds_received):
            pause = _DRAIN_STEP / SECOND
        else:
            return
        progress = gateway.received
        now = clock()
        if progress != seen:
            seen, since = progress, now
        elif now - since > DRAIN_LIMIT:
            return
        await asyncio.sleep(pause)


def raise_descriptor_limit() -> None:
    """Each connection is a descriptor: take all we may. The command was forked before and keeps its own limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
