"""The group of all commands, each imported only when it is asked for, and what becomes of an error."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

from hythe.errors import MachineError, UsageError

#: command -> (module, one line of help), in the order of `hythe --help`.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("hythe.cli.run", "Run a command on a network of its own."),
        "gateway": ("hythe.cli.gateway", "Serve the peers of a WireGuard tunnel, without root."),
        "ps": ("hythe.cli.ps", "Show the sessions that run."),
        "live": ("hythe.cli.live", "Watch a session, or this machine, as it goes on, and change it by keys."),
        "ctl": ("hythe.cli.ctl", "Change a session while it runs."),
        "host": ("hythe.cli.host", "Look a name or an address up."),
        "dump": ("hythe.cli.dump", "Show packets of a file or an interface, as tcpdump does."),
        "layers": ("hythe.cli.layers", "Show packets layer by layer, as sender and receiver see them."),
        "why": ("hythe.cli.why", "Tell why connections were slow, or ended, with the packets that prove it."),
        "plot": ("hythe.cli.plot", "Draw a connection: sequence numbers, round trips, throughput, flight."),
        "netstat": ("hythe.cli.netstat", "Show sockets, of this machine and of sessions, and who holds them."),
        "services": ("hythe.cli.services", "Tell what a port is for, or which port a service has."),
        "connect": ("hythe.cli.connect", "Talk to any service by hand, or through a pipe."),
        "serve": ("hythe.cli.serve", "Serve a folder over HTTP, or one of the classic small services."),
        "wg": ("hythe.cli.wg", "Make WireGuard keys, check configurations, show peers."),
        "proxy": ("hythe.cli.proxy", "Serve mapped ports, SOCKS and HTTP to many clients, and nothing to the outside."),
        "forward": ("hythe.cli.forward", "Carry ports through SSH, WireGuard or a proxy, as ssh -L -R -D does."),
        "sshd": ("hythe.cli.sshd", "Forward ports for SSH clients, and nothing else."),
        "pkt": ("hythe.cli.pkt", "Run packet scripts against hythe, or against Linux."),
        "demo": ("hythe.cli.demo", "Show what `hythe run` does, on something real."),
    }
)


class _Commands(click.Group):
    """Subcommands that cost an import only when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hythe", prog_name="hythe")
def group() -> None:
    """A TCP/IP host in user space, and the tools around it."""


def invoke() -> int:
    """Run the command of this process's arguments; its status: 2 for what was asked wrongly, 1 for what cannot be here."""
    try:
        status: int = group(standalone_mode=False)
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "hythe"
        click.echo(f"hythe: {error.format_message().rstrip('.')}: see {path} --help", err=True)
        status = error.exit_code
    except click.Abort:
        status = 130
    except UsageError as error:
        click.echo(f"hythe: {error}", err=True)
        status = 2
    except MachineError as error:
        click.echo(f"hythe: {error}", err=True)
        status = 1
    return status
