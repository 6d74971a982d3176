"""tcpdump's options that are typed by habit: those that change nothing here are taken, the rest is refused in a sentence.

They are not shown by --help, which is about what `hythe dump` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from hythe.errors import UsageError

#: Taken, since it is so anyhow: filters are not optimized, a capture shows packets as they come, times have microseconds;
#: and of Wi-Fi meshes, AS numbers and NFS nothing is told.
_ANYHOW: Final = (
    ("-O", "--no-optimize"),
    ("--immediate-mode",),
    ("--micro",),
    ("-H",),
    ("-a",),
    ("-b",),
    ("-u",),
)
#: Options -> why not, and what instead. Those with a word behind them first.
_WITH_WORD: Final = (
    (
        ("-E",),
        "packets are not decrypted: Wireshark and tshark decrypt ESP, and what `hythe run --capture FILE --keylog` wrote",
    ),
    (("-M",), "TCP-MD5 signatures are shown and not verified: leave it out"),
    (("-m",), "there are no SMI modules: SNMP is shown as plain UDP"),
    (("-T",), "no packet is read as another protocol than its ports say: what is not known here is a plain TCP or UDP line"),
    (("-y", "--linktype"), "an interface is captured as the link type that it has: leave it out"),
    (("-j", "--time-stamp-type"), "the kernel stamps packets as they come (tcpdump's `host`): leave it out"),
)
_ALONE: Final = (
    (("-f",), "names are looked up for all addresses, or for none: -n"),
    (("-I", "--monitor-mode"), "Wi-Fi in monitor mode is not captured: its frames cannot be shown here"),
    (("-J", "--list-time-stamp-types"), "there is one kind of time stamp, the kernel's (tcpdump's `host`)"),
    (("-L", "--list-data-link-types"), "there is one link type for an interface: a capture says which as it begins"),
)

_Command = Callable[..., Any]


def habits(command: _Command) -> _Command:
    """Add them to a command, which sees nothing of them."""
    for names in _ANYHOW:
        command = click.option(*names, is_flag=True, expose_value=False, hidden=True)(command)
    for names, why in _WITH_WORD:
        command = click.option(*names, metavar="WORD", expose_value=False, hidden=True, callback=_refusal(why))(command)
    for names, why in _ALONE:
        command = click.option(*names, is_flag=True, expose_value=False, hidden=True, callback=_refusal(why))(command)
    return command


def _refusal(why: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def refuse(_context: click.Context, option: click.Parameter, value: object) -> None:
        if value:
            raise UsageError(f"{option.opts[0]}: {why}")

    return refuse
