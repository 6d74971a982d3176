"""The group of all commands, each imported only when it is asked for, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

from hythe.cli.command import Group
from hythe.errors import MachineError, UsageError

#: command -> (module, one line of help), in the order of `hythe --help`.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("hythe.cli.run", "Run a command on a network of its own."),
        "gateway": ("hythe.cli.gateway", "Serve the peers of a WireGuard tunnel, without root."),
        "ps": ("hythe.cli.ps", "Show the sessions that run."),
        "live": ("hythe.cli.live", "Watch a session, or this machine, as it goes on, and change it."),
        "ctl": ("hythe.cli.ctl", "Change a session while it runs."),
        "host": ("hythe.cli.host", "Look a name or an address up."),
        "dump": ("hythe.cli.dump", "Show packets of a file or an interface, as tcpdump does."),
        "layers": ("hythe.cli.layers", "Show packets layer by layer, at the sender and at the receiver."),
        "why": ("hythe.cli.why", "Tell what made connections slow or ended them, with proof."),
        "plot": ("hythe.cli.plot", "Draw connections: sequence numbers, round trips, throughput."),
        "dashboard": ("hythe.cli.dashboard", "Show sessions in a browser: rates, connections, packets, faults."),
        "netstat": ("hythe.cli.netstat", "Show sockets of the machine and of sessions, and their owners."),
        "services": ("hythe.cli.services", "Tell what a port is for, or which port a service has."),
        "connect": ("hythe.cli.connect", "Talk to any service by hand, or through a pipe."),
        "serve": ("hythe.cli.serve", "Serve a folder over HTTP, or one of the small services."),
        "wg": ("hythe.cli.wg", "Make WireGuard keys, check configurations, show peers."),
        "proxy": ("hythe.cli.proxy", "Serve mapped ports, SOCKS and HTTP to the clients inside."),
        "forward": ("hythe.cli.forward", "Carry ports through SSH, WireGuard or a proxy, and keep it up."),
        "sshd": ("hythe.cli.sshd", "Forward ports for SSH clients, and nothing else."),
        "pkt": ("hythe.cli.pkt", "Run packet scripts against hythe, or against Linux."),
        "demo": ("hythe.cli.demo", "Show what `hythe run` does, on something real."),
        "completion": ("hythe.cli.completion", "Make bash, zsh or fish complete what is typed after hythe."),
        "help": ("hythe.cli.help", "Tell all about a command."),
    }
)


#: What people want -> the commands for it. Those of no section come last, in one of their own.
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Run a program on a network of its own": ("run", "ps", "ctl"),
        "See what programs do on the network": ("live", "dashboard", "why", "plot", "dump", "layers", "netstat"),
        "Talk, serve, and carry ports elsewhere": ("connect", "host", "serve", "forward", "proxy"),
    }
)
REST: Final = "More"

#: What people type who come from elsewhere -> what it is called here.
ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "capture": "dump",
        "dig": "host",
        "exec": "run",
        "list": "ps",
        "lsof": "netstat",
        "ls": "ps",
        "man": "help",
        "nc": "connect",
        "nslookup": "host",
        "ss": "netstat",
        "ssh": "forward",
        "tcpdump": "dump",
        "telnet": "connect",
        "vpn": "gateway",
        "wireguard": "wg",
        "wireshark": "layers",
    }
)


class _Commands(Group):
    """Subcommands that cost an import only when they are used: help and completion of their names need none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def alike(self, ctx: click.Context, name: str) -> list[str]:
        return [ELSEWHERE[name]] if name in ELSEWHERE else super().alike(ctx, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in in_sections():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])

    def lines(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        return ((name, line) for name, (_, line) in COMMANDS.items())


def in_sections() -> list[tuple[str, tuple[str, ...]]]:
    """Every command, once, under a title."""
    placed = {name for names in SECTIONS.values() for name in names}
    return [*SECTIONS.items(), (REST, tuple(name for name in COMMANDS if name not in placed))]


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hythe", prog_name="hythe")
def group() -> None:
    """Run any program on a network of its own, without root, and see what it does there.

    The other end of that network is a TCP/IP stack in this process. The tools around it show packets, connections and
    causes: of those programs, of captures, and of this machine.
    """


def invoke() -> int:
    """Run the command of this process's arguments; its status: 2 for what was asked wrongly, 1 for what cannot be here."""
    line = os.environ.get("_HYTHE_COMPLETE")
    if line is not None:
        from hythe.cli.completing import answer

        click.echo(answer(sys.argv[1:] or [""], line))
        return 0
    try:
        status: int = group(standalone_mode=False)
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "hythe"
        text = " ".join(error.format_message().split()).rstrip(".")  # click lists what can be chosen a line each
        click.echo(
            f"hythe: {text} See {path} --help" if text.endswith("?") else f"hythe: {text}: see {path} --help", err=True
        )
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
