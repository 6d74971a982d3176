"""`hythe completion`: what a shell reads so that TAB completes hythe's words. `hythe.cli.completing` answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from hythe.cli.command import Command

#: Shell -> the file beside this one; the wheel has them where shells look, too.
SHELLS: Final = (("bash", "hythe.bash"), ("zsh", "_hythe"), ("fish", "hythe.fish"))


@click.command(cls=Command)
@click.argument("shell", type=click.Choice([name for name, _ in SHELLS]))
def command(shell: str) -> int:
    """Print what makes a shell complete hythe's words: commands, options, sessions that run, services, files.

    What follows `hythe run --` is completed as that program's own.
    """
    click.echo((Path(__file__).with_name("shells") / dict(SHELLS)[shell]).read_text(encoding="utf-8"), nl=False)
    return 0
