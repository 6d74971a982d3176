"""Serve the peers of a tunnel, from the opening of its socket until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, BinaryIO, Final

from hythe.config import RelayConfig
from hythe.gateway.attend import Watcher, open_door, raise_descriptor_limit
from hythe.gateway.gateway import Gateway
from hythe.gateway.peers.changes import Changes, layout_of
from hythe.gateway.peers.pulse import Pulse, Still
from hythe.gateway.relay.voice import Voice
from hythe.link.base import Link
from hythe.tunnel.wireguard.config import Configuration
from hythe.tunnel.wireguard.keys import key_text
from hythe.tunnel.wireguard.link import WireguardLink

if TYPE_CHECKING:
    from hythe.config import WireguardConfig
    from hythe.gateway.options import RunOptions
    from hythe.gateway.session import Session
    from hythe.session.places import Claim

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


async def attend(
    configuration: Configuration,
    options: RunOptions,
    capture: BinaryIO | None,
    claim: Claim | str,
    watch: Watcher,
    settings: WireguardConfig | None = None,
) -> Session:
    """Until SIGINT or SIGTERM; SIGHUP has the file read again. Raises `UsageError`, `MachineError` at the beginning."""
    loop = asyncio.get_running_loop()
    raise_descriptor_limit()
    layout = layout_of(configuration, host_loopback=options.host_loopback)
    tunnel = WireguardLink(configuration, settings=settings)
    link: Link = Still(tunnel)
    recorder = None
    if capture is not None:
        from hythe.gateway.capture.recorder import Recorder

        link = recorder = Recorder(link, capture, None, layout)
    wire = options.faults.wrap(link) if options.faults is not None else None
    gateway = Gateway(wire or link, layout, options)
    gateway.wire = wire
    pulse = Pulse(tunnel, gateway.driver, gateway.interface)
    if recorder is not None:
        recorder.follow(gateway)
    session = gateway.session
    voice = Voice(tunnel, gateway.driver, session)
    between = None
    if options.peer_to_peer:
        from hythe.gateway.peers.between import Between

        between = Between(gateway.host, gateway.interface, layout, session, RelayConfig(), tunnel.knows)
        gateway.stand_before(between.receive)
    changes = Changes(tunnel, layout, gateway, between)
    if options.moments:
        from hythe.gateway.moments.noting import begin

        begin(session, None)
    _introduce(session, configuration, tunnel.port, options)
    door = open_door(claim, gateway, link, None, layout, options, recorder)
    watching = loop.create_task(watch(session))
    ended = loop.create_future()
    for number in _ENDING:
        loop.add_signal_handler(number, _end, ended)
    loop.add_signal_handler(signal.SIGHUP, _read_again, changes, gateway)
    loop.set_exception_handler(lambda _, context: _end(ended, context.get("exception")))
    gateway.driver.wake()
    try:
        await ended
    finally:
        if door is not None:
            await door.close()
        changes.rereading.close()
        voice.close()
        pulse.close()
        gateway.close()
        if gateway.ways is not None:
            await gateway.ways.close()
        tunnel.close()
        if recorder is not None:
            session.notices += recorder.finish()
        watching.cancel()
        await asyncio.wait([watching])
    return session


def _introduce(session: Session, configuration: Configuration, port: int, options: RunOptions) -> None:
    if options.faults is not None and options.faults.notice is not None:
        session.notice(options.faults.notice)
    count = len(configuration.peers)
    session.notice(
        f"{count} {'peer' if count == 1 else 'peers'} of {configuration.source} can connect to UDP port {port}, "
        f"public key {key_text(configuration.public_key)}"
    )


def _read_again(changes: Changes, gateway: Gateway) -> None:
    changes.rereading.ask()
    if gateway.ways is not None and gateway.ways.policy is not None:
        gateway.ways.policy.reload()


def _end(ended: asyncio.Future[None], bug: BaseException | None = None) -> None:
    """A signal, or a bug of ours: better a traceback than a network that is silently dead."""
    if not ended.done():
        if bug is None:
            ended.set_result(None)
        else:
            ended.set_exception(bug)
