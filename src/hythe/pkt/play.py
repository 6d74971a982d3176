"""One file against one stack."""

from __future__ import annotations

from collections.abc import Mapping

from hythe.errors import UsageError
from hythe.pkt.parser import NOTHING, parse


class Skipped(UsageError):  # noqa: N818 - nothing went wrong
    """The script says that it is for the other stack only, and why."""


def play(path: str, against: str, tolerance: int | None = None, defined: Mapping[str, str] = NOTHING) -> None:
    """Run the script in a file against "hythe" or "linux" (then in a namespace that is made for this process).

    `defined`: what words of it stand for.

    Raises `Failure` when the stack does something else, `ScriptError`, `UsageError`, `Skipped`, `MachineError`.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}): name a packet script") from error
    script = parse(path, text, defined)
    if script.only and script.only != against:
        raise Skipped(f"skipped, {script.only} only: {script.reason}")
    if against == "hythe":
        from hythe.pkt import virtual

        virtual.run(script, tolerance)
        return
    from hythe.pkt import kernel

    kernel.enter_namespace()
    kernel.run(script, tolerance)
