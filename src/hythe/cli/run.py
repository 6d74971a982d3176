"""`hythe run`: any command, without root, on a network of its own."""

from __future__ import annotations

import click

from hythe.gateway.options import RunOptions


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--host-loopback", is_flag=True,
              help="Let the command reach this machine's own loopback, as host.hythe.internal.")
@click.option("--mtu", type=int, default=65_520, show_default=True, metavar="N", help="MTU of the command's network.")
@click.option("-4", "only4", is_flag=True, help="IPv4 only.")
@click.option("-6", "only6", is_flag=True, help="IPv6 only.")
@click.argument("command", nargs=-1, required=True)
def command(host_loopback: bool, mtu: int, only4: bool, only6: bool, command: tuple[str, ...]) -> int:
    """Run COMMAND on a network of its own.

    Its other end is hythe's TCP/IP stack; what it connects to is reached through this machine's sockets.
    """
    from hythe.gateway.run import run

    families = frozenset({4} if only4 and not only6 else {6} if only6 and not only4 else {4, 6})
    return run(RunOptions(command, mtu=mtu, families=families, host_loopback=host_loopback))
