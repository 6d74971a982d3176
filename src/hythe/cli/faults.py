"""The options for a faulty wire: each for both directions, and for one."""

from __future__ import annotations

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_OPTIONS = (
    ("delay", "TIME", "Each packet takes TIME (50ms) more; a round trip twice that."),
    ("jitter", "TIME", "Each packet takes up to TIME more, uniformly."),
    ("rate", "RATE", "No more than RATE (10mbit) gets through."),
    ("queue", "SIZE", "What waits for the rate: SIZE (64KiB, 50packets), else 100 ms of it."),
    ("loss", "LOSS", "Lose 5%, burst:2%,8 (in bursts of 8 packets) or nth:3 (of each flow the third)."),
    ("mark", "SHARE", "SHARE of the packets that know ECN arrive with Congestion Experienced."),
    ("reorder", "SHARE[,TIME]", "SHARE of the packets come TIME (1ms) late, behind others."),
    ("duplicate", "SHARE", "SHARE of the packets arrive twice."),
    ("corrupt", "SHARE", "One bit is flipped in SHARE of the packets."),
    ("path-mtu", "SIZE", "Packets longer than SIZE bytes vanish without a word."),
)
_DIRECTIONS = (("up", "what the command sends"), ("down", "what it receives"))


def fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` these options as keywords: ``seed`` (int or None), the rest text or None."""
    seed = "Equal seeds give equal packets equal fates; one is picked, and told, unless given."
    command = click.option("--seed", type=int, metavar="N", help=seed)(command)
    for name, metavar, text in reversed(_OPTIONS):
        for direction, what in _DIRECTIONS:
            help_text = f"--{name} for {what} only."
            command = click.option(f"--{direction}-{name}", metavar=metavar, help=help_text, hidden=True)(command)
        command = click.option(f"--{name}", metavar=metavar, help=text)(command)
    return command


def names() -> Iterator[str]:
    """As `hythe ctl` knows them: each for both directions, and for one."""
    for name, _, _ in _OPTIONS:
        yield from (name, *(f"{direction}-{name}" for direction, _ in _DIRECTIONS))
