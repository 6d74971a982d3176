"""`hythe sshd`: an SSH server that forwards, and does nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from hythe.cli.command import Command
from hythe.errors import UsageError
from hythe.forward.places import Place, listen, parse_place, port_of
from hythe.units import SECOND, parse_duration

if TYPE_CHECKING:
    import socket

    from hythe.tunnel.ssh.server import Limits


@click.command(cls=Command)
@click.option(
    "--listen",
    "places",
    multiple=True,
    required=True,
    metavar="[ADDR:]PORT",
    help="Listen there; ADDR is loopback unless given.",
)
@click.option(
    "--authorized-keys",
    "keys",
    required=True,
    metavar="FILE",
    help="Let in whom FILE names, and whereto it says: see sshd(8).",
)
@click.option(
    "--host-key",
    "host_keys",
    multiple=True,
    metavar="FILE",
    help="Prove who we are by this key, made if it is not there.  [default: ~/.config/hythe/ssh_host_ed25519_key]",
)
@click.option("--gateway-ports", is_flag=True, help="Let clients listen (-R) on all addresses, not on loopback alone.")
@click.option(
    "--max-connections",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Serve so many clients at a time.",
)
@click.option(
    "--max-channels",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    metavar="N",
    help="Carry so many streams of one client.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    metavar="N",
    help="Let a client try so many keys.",
)
@click.option("--login-time", default="30s", show_default=True, metavar="TIME", help="Let logging in take so long.")
@click.option("--idle", metavar="TIME", help="Send clients away that have used nothing for so long.  [default: never]")
def command(
    places: tuple[str, ...],
    keys: str,
    host_keys: tuple[str, ...],
    gateway_ports: bool,
    max_connections: int,
    max_channels: int,
    max_attempts: int,
    login_time: str,
    idle: str | None,
) -> int:
    """Forward ports for SSH clients (ssh -N -L -R -D, hythe forward): no shell, no commands, no files.

    A key's line in FILE may confine it: permitopen, permitlisten, from, expiry-time, restrict. Ends on SIGINT or SIGTERM.
    """
    from hythe.tunnel.ssh.server import Limits

    limits = Limits(
        connections=max_connections,
        strangers=min(20, max_connections),
        attempts=max_attempts,
        login=_seconds("--login-time", login_time),
        idle=_seconds("--idle", idle) if idle is not None else 0.0,
        channels=max_channels,
    )
    wanted = [parse_place(each, "--listen") for each in places]
    if any(limit <= 0 for limit in (limits.login, limits.idle if idle is not None else 1.0)):
        raise UsageError("--login-time and --idle are lengths of time: nobody can come in within none")
    with contextlib.suppress(KeyboardInterrupt):  # before anybody listened to it
        asyncio.run(_serve(wanted, keys, host_keys or (_default_host_key(),), limits, gateway_ports=gateway_ports))
    return 0


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text) / SECOND
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from error


async def _serve(places: list[Place], keys: str, host_keys: tuple[str, ...], limits: Limits, *, gateway_ports: bool) -> None:
    from hythe.forward.session import shown
    from hythe.serve.log import stamped
    from hythe.tunnel.ssh.authorized import AuthorizedKeys
    from hythe.tunnel.ssh.server import Server, host_key
    from hythe.via.direct import Direct

    authorized = AuthorizedKeys(os.path.expanduser(keys))
    authorized.entries()  # what is wrong in it is said now
    ours = []
    for path in host_keys:
        key, made = host_key(path)
        ours.append(key)
        _say(f"{'Made the host key' if made else 'Host key'} {path}: {key.get_algorithm()} {key.get_fingerprint()}")
    listeners: list[socket.socket] = []
    for place in places:
        opened = listen(place, "--listen")
        listeners += opened
        _say(f"Listening on {Place(place.text, place.addresses, port_of(opened))}")

    def log(text: str) -> None:
        client, _, what = text.partition(" ")
        _say(stamped(client, what))

    async with shown("sshd", sys.argv[1:], _say) as flows:
        server = Server(authorized, Direct().open, log, limits, flows, gateway_ports=gateway_ports)
        await server.begin(listeners, ours)
        await _until_asked_to_end()
        await server.close()


async def _until_asked_to_end() -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()


def _default_host_key() -> str:
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or "~/.config", "hythe", "ssh_host_ed25519_key")


def _say(text: str) -> None:
    """To standard output, at once; nobody being there is no reason to end."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode(errors="backslashreplace"))
